-- Replaces the secret, and records a re-authentication if asked to.
-- ARGV: 3 id, 4 hash of the caller's secret, 5 hash of the new secret, 6 hash to remember, or
-- nothing, 7 state of the rotation, 8 grace, 9 idle, 10 'reauthenticate' or nothing.
local key, from, to = session_key(ARGV[3]), ARGV[4], ARGV[5]
if state(ARGV[3]) ~= 'live' then return {'gone'} end
local found = redis.call('HMGET', key, 'secret_hash', 'previous_secret_hash',
  'previous_secret_until', 'rotation_state', 'authenticated_at')
-- This very call has been sent a second time, because its answer was lost.
if found[1] == to then return {'written', found[5]} end
local reauthenticates = ARGV[10] ~= ''
local exchanged = from == found[2]
  and (found[4] == 'exchangeable' or (found[4] == 'pending' and reauthenticates))
  and not (found[3] and now < tonumber(found[3]))
if from ~= found[1] and not exchanged then return {'conflict'} end

redis.call('HSET', key, 'secret_hash', to, 'rotation_state', ARGV[7],
  'previous_secret_until', decimal(now + tonumber(ARGV[8])))
if ARGV[6] ~= '' then
  redis.call('HSET', key, 'previous_secret_hash', ARGV[6])
else
  redis.call('HDEL', key, 'previous_secret_hash')
end
if reauthenticates then redis.call('HSET', key, 'authenticated_at', decimal(now)) end
use(key, now, tonumber(ARGV[9]))
return {'written', decimal(now)}
