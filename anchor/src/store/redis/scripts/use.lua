-- Records a use some time after it happened, if it is the latest one.
-- ARGV: 3 id, 4 when it happened, 5 idle, 6 fields of the client.
local id, at = ARGV[3], tonumber(ARGV[4])
local how, row = state(id)
if how ~= 'live' then return {'gone'} end
write(session_key(id), 6)
if tonumber(row.last_seen_at) < at then use(id, row, at, tonumber(ARGV[5])) end
return {'written'}
