-- Marks a live session as used now.
-- ARGV: 3 id, 4 idle, 5 hash of the presented secret, or nothing, 6 fields of the client.
local key = session_key(ARGV[3])
if state(ARGV[3]) ~= 'live' then return {'gone'} end
if ARGV[5] ~= '' and redis.call('HGET', key, 'secret_hash') == ARGV[5] then
  redis.call('HSET', key, 'rotation_state', 'settled')
end
write(key, 6)
return {'written', use(key, now, tonumber(ARGV[4]))}
