-- Inserts a session, ends the one that it replaces, and makes room under its subject's limit.
-- ARGV: 3 id, 4 idle, 5 absolute, 6 when the login began: an instant, how long ago with a minus, or
-- nothing for now, 7 subject or nothing, 8 cut-off of a subject of another shard, or 0, 9 limit or
-- 0, 10 'refuse' or 'end_oldest', 11 id to replace or nothing, 12 its proof, 13 hash of the secret,
-- 14 the subject's live sessions in other shards, each as its creation and its id, or 'unknown',
-- 15 what distinguishes this call from others, 16 fields.
local id, key, subject = ARGV[3], session_key(ARGV[3]), ARGV[7]
local existing = redis.call('HMGET', key, '@update', 'created_at', 'authenticated_at',
  'expires_at', 'deadline', '@ended_others')
if existing[1] == ARGV[15] then
  -- This very call has been sent a second time, because its answer was lost.
  local answer = {'created', existing[2], existing[3], existing[4], existing[5]}
  for other in string.gmatch(existing[6] or '', '%S+') do answer[#answer + 1] = other end
  return answer
end
if redis.call('EXISTS', key) == 1 then return {'taken'} end

local replaced = ARGV[11]
if replaced ~= '' and redis.call('HGET', session_key(replaced), 'lasting_hash') ~= ARGV[12] then
  replaced = ''
end
local ended, limit = {}, tonumber(ARGV[9])
if limit > 0 and subject ~= '' then
  local live = {}
  if ARGV[14] == 'unknown' then
    local away = shard .. 'away:' .. subject
    local others = redis.call('ZRANGEBYSCORE', away, decimal(now), '+inf')
    if #others > 0 then return {'elsewhere', unpack(others)} end
  end
  for at, other in string.gmatch(ARGV[14], '(%d+):(%S+)') do
    live[#live + 1] = {tonumber(at), other}
  end
  local set = redis.call('ZRANGE', subject_key(subject), 0, -1, 'WITHSCORES')
  for i = 1, #set, 2 do
    local other, how = set[i], state(set[i])
    if how == 'absent' then redis.call('ZREM', subject_key(subject), other) end
    if how == 'live' and other ~= replaced then live[#live + 1] = {tonumber(set[i + 1]), other} end
  end
  table.sort(live, function(one, other)
    if one[1] ~= other[1] then return one[1] < other[1] end
    return one[2] < other[2]
  end)
  if #live >= limit and ARGV[10] == 'refuse' then return {'full'} end
  for i = 1, #live - limit + 1 do
    -- It does nothing to those of other shards, which the caller ends.
    ended[i] = live[i][2]
    finish(ended[i], 'overflow')
  end
end
if replaced ~= '' then finish(replaced, 'replaced') end

local deadline, authenticated_at = now + tonumber(ARGV[5]), now
local expires_at = math.min(now + tonumber(ARGV[4]), deadline)
if ARGV[6] ~= '' then
  local began = tonumber(ARGV[6])
  if began <= 0 then began = now + began end
  authenticated_at = math.min(now, began)
end
redis.call('HSET', key, '@update', ARGV[15], 'secret_hash', ARGV[13], 'created_at', decimal(now),
  'authenticated_at', decimal(authenticated_at), 'last_seen_at', decimal(now),
  'expires_at', decimal(expires_at), 'deadline', decimal(deadline), 'version', '1')
if #ended > 0 then redis.call('HSET', key, '@ended_others', table.concat(ended, ' ')) end
write(key, 16)
expire_after(key, expires_at + math.max(keep, 0))
if keep >= 0 then sweep_at(id, expires_at) end
if subject ~= '' then
  redis.call('HSET', key, '@subject', subject)
  local cut_off = join(subject, id, now, deadline, ARGV[8])
  if ARGV[6] ~= '' and authenticated_at <= cut_off then arrive_dead(id, now, cut_off) end
  -- Of sessions that have expired, only these ids are left.
  for _, other in ipairs(redis.call('ZRANDMEMBER', subject_key(subject), 3)) do
    if redis.call('EXISTS', session_key(other)) == 0 then
      redis.call('ZREM', subject_key(subject), other)
    end
  end
end
local answer = {'created', decimal(now), decimal(authenticated_at), decimal(expires_at),
  decimal(deadline)}
for _, other in ipairs(ended) do answer[#answer + 1] = other end
return answer
