-- Writes changed columns, by compare-and-set on the version, for the holder of an accepted secret.
-- ARGV: 3 id, 4 secret's hash, 5 version, 6 idle, 7 subject or nothing, 8 its number, 9 cut-off of a
-- subject of another shard, or 0, 10 what distinguishes this call from others, 11 fields.
local id, key, subject = ARGV[3], session_key(ARGV[3]), ARGV[7]
local how, row = state(id)
if how ~= 'live' then return {'gone'} end
local updates = redis.call('HGET', key, '@updates')
-- This very call has been sent a second time, because its answer was lost.
local written = version_of(updates, ARGV[10])
if written then return {'written', written} end
local previous_is_good = row.rotation_state ~= 'settled'
  or (row.previous_secret_until and now < tonumber(row.previous_secret_until))
local accepted = ARGV[4] == row.secret_hash
  or (ARGV[4] == row.previous_secret_hash and previous_is_good)
if row.version ~= ARGV[5] or not accepted then return {'conflict'} end

write(key, 11)
row.version = decimal(tonumber(row.version) + 1)
redis.call('HSET', key, '@updates', with_update(updates, ARGV[10], row.version))
local before = row.subject or ''
if subject ~= '' then
  row.subject, row.subject_number = subject, ARGV[8]
else
  row.subject, row.subject_number = nil, nil
end
use(id, row, now, tonumber(ARGV[6]))
if subject ~= before then
  if subject ~= '' then
    enter(ARGV[8], id, tonumber(row.deadline))
    local cut_off = cut_off_of(subject, ARGV[9])
    if tonumber(row.authenticated_at) <= cut_off then arrive_dead(id, row, cut_off) end
  else
    redis.call('ZREM', index_key, id)
  end
end
return {'written', row.version}
