-- Writes changed columns, by compare-and-set on the version, for the holder of an accepted secret.
-- ARGV: 3 id, 4 secret's hash, 5 version, 6 idle, 7 subject or nothing, 8 its number, 9 cut-off of a
-- subject of another shard, or 0, 10 what distinguishes this call from others, 11 fields.
local id, key, subject = ARGV[3], session_key(ARGV[3]), ARGV[7]
local how, row = state(id)
if how ~= 'live' then return {'gone'} end
local found = redis.call('HMGET', key, 'version', 'secret_hash', 'previous_secret_hash',
  'previous_secret_until', 'rotation_state', 'authenticated_at', 'deadline', '@updates')
-- This very call has been sent a second time, because its answer was lost.
local written = version_of(found[8], ARGV[10])
if written then return {'written', written} end
local previous_is_good = found[5] ~= 'settled' or (found[4] and now < tonumber(found[4]))
local accepted = ARGV[4] == found[2] or (ARGV[4] == found[3] and previous_is_good)
if found[1] ~= ARGV[5] or not accepted then return {'conflict'} end

write(key, 11)
local version = decimal(redis.call('HINCRBY', key, 'version', 1))
redis.call('HSET', key, '@updates', with_update(found[8], ARGV[10], version))
use(key, now, tonumber(ARGV[6]))
if subject ~= (row[3] or '') then
  if subject ~= '' then
    redis.call('HSET', key, '@subject', subject, '@subject_number', ARGV[8])
    enter(ARGV[8], id, tonumber(found[7]))
    local cut_off = cut_off_of(subject, ARGV[9])
    if tonumber(found[6]) <= cut_off then arrive_dead(id, tonumber(row[5]), cut_off) end
  else
    redis.call('HDEL', key, '@subject', '@subject_number')
    redis.call('ZREM', index_key, id)
  end
end
return {'written', version}
