-- Ends one session.
-- ARGV: 3 id, 4 reason, 5 proof or nothing, 6 the subject that it must have, or nothing.
local how, row = state(ARGV[3])
if how == 'absent' or (ARGV[6] ~= '' and row.subject ~= ARGV[6]) then return {'not_live'} end
if ARGV[5] ~= '' and row.lasting_hash ~= ARGV[5] then return {'unproven'} end
if finish(ARGV[3], ARGV[4], how, row) then return {'ended'} end
return {'not_live'}
