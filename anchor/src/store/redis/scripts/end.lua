-- Ends one session.
-- ARGV: 3 id, 4 reason, 5 proof or nothing, 6 the subject that it must have, or nothing.
local how, row = state(ARGV[3])
if how == 'absent' or (ARGV[6] ~= '' and row[3] ~= ARGV[6]) then return {'not_live'} end
local lasting = redis.call('HGET', session_key(ARGV[3]), 'lasting_hash')
if ARGV[5] ~= '' and lasting ~= ARGV[5] then return {'unproven'} end
if finish(ARGV[3], ARGV[4]) then return {'ended'} end
return {'not_live'}
