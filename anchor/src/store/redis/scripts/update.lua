-- Writes changed columns, by compare-and-set on the version, for the holder of an accepted secret.
-- ARGV: 3 id, 4 secret's hash, 5 version, 6 idle, 7 subject or nothing, 8 cut-off of a subject of
-- another shard, or 0, 9 what distinguishes this call from others, 10 fields.
local id, key, subject = ARGV[3], session_key(ARGV[3]), ARGV[7]
local how, row = state(id)
if how ~= 'live' then return {'gone'} end
local found = redis.call('HMGET', key, 'version', 'secret_hash', 'previous_secret_hash',
  'previous_secret_until', 'rotation_state', 'created_at', 'authenticated_at', 'deadline', '@update')
-- This very call has been sent a second time, because its answer was lost.
if found[9] == ARGV[9] then return {'written', found[1]} end
local previous_is_good = found[5] ~= 'settled' or (found[4] and now < tonumber(found[4]))
local accepted = ARGV[4] == found[2] or (ARGV[4] == found[3] and previous_is_good)
if found[1] ~= ARGV[5] or not accepted then return {'conflict'} end

redis.call('HSET', key, '@update', ARGV[9])
write(key, 10)
local version = redis.call('HINCRBY', key, 'version', 1)
use(key, now, tonumber(ARGV[6]))
local before = row[3] or ''
if subject ~= before then
  redis.call('HDEL', key, '@subject')
  if before ~= '' then redis.call('ZREM', subject_key(before), id) end
  if subject ~= '' then
    redis.call('HSET', key, '@subject', subject)
    local created_at = tonumber(found[6])
    local cut_off = join(subject, id, created_at, tonumber(found[8]), ARGV[8])
    if tonumber(found[7]) <= cut_off then arrive_dead(id, created_at, cut_off) end
  end
end
return {'written', decimal(version)}
