-- Marks a live session as used now.
-- ARGV: 3 id, 4 idle, 5 hash of the presented secret, or nothing, 6 fields of the client.
local id = ARGV[3]
local how, row = state(id)
if how ~= 'live' then return {'gone'} end
if row.secret_hash == ARGV[5] then row.rotation_state = 'settled' end
write(session_key(id), 6)
return {'written', use(id, row, now, tonumber(ARGV[4]))}
