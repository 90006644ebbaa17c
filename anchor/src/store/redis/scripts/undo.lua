-- Ends a session whose login has failed. If nothing is left of it, a mark takes its place, for the
-- call that creates the session, should that arrive late, or a second time: it finds the id taken.
-- ARGV: 3 id, 4 reason, 5 proof, 6 how long from now the mark stays.
local how, row = state(ARGV[3])
if row.lasting_hash and row.lasting_hash ~= ARGV[5] then return {'unproven'} end
finish(ARGV[3], ARGV[4], how, row)
if not read(ARGV[3]) then mark(ARGV[3], now + tonumber(ARGV[6])) end
return {'undone'}
