-- Ends a session whose login has failed. If nothing is left of it, a mark takes its place, for the
-- call that creates the session, should that arrive late, or a second time: it finds the id taken.
-- ARGV: 3 id, 4 reason, 5 proof, 6 how long from now the mark stays.
local lasting = (read(ARGV[3]) or {}).lasting_hash
if lasting and lasting ~= ARGV[5] then return {'unproven'} end
finish(ARGV[3], ARGV[4])
if not read(ARGV[3]) then mark(ARGV[3], now + tonumber(ARGV[6])) end
return {'undone'}
