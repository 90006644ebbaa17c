-- Records a use some time after it happened, if it is the latest one.
-- ARGV: 3 id, 4 when it happened, 5 idle, 6 fields of the client.
local key, at = session_key(ARGV[3]), tonumber(ARGV[4])
if state(ARGV[3]) ~= 'live' then return {'gone'} end
write(key, 6)
if tonumber(redis.call('HGET', key, 'last_seen_at')) < at then use(key, at, tonumber(ARGV[5])) end
return {'written'}
