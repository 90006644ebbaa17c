-- Ends the sessions of a subject in this shard. Returns how many were live, the instant of the
-- cut-off, and the other shards that may have sessions of the subject.
-- ARGV: 3 subject, 4 reason, 5 the id to spare, or nothing, 6 cut-off: nothing for none, 'now', or
-- its instant.
local subject, set, cut_off = ARGV[3], subject_key(ARGV[3]), ARGV[6]
if cut_off ~= '' then
  -- As in `finish`: a server without memory accepts a script that begins like this.
  redis.call('ZREM', due_key, '')
  if cut_off == 'now' then cut_off = decimal(now) end
  local key = shard .. 'cut_off:' .. subject
  local latest = math.max(tonumber(redis.call('GET', key) or 0), tonumber(cut_off))
  redis.call('SET', key, decimal(latest))
  -- Twice as long as a login may take, because a node's clock may be slow.
  expire_after(key, latest + 2 * 86400000000)
end
local count = 0
for _, id in ipairs(redis.call('ZRANGE', set, 0, -1)) do
  if id ~= ARGV[5] and finish(id, ARGV[4]) then count = count + 1 end
  if redis.call('EXISTS', session_key(id)) == 0 then redis.call('ZREM', set, id) end
end
local answer = {decimal(count), cut_off}
local away = shard .. 'away:' .. subject
for _, other in ipairs(redis.call('ZRANGEBYSCORE', away, decimal(now), '+inf')) do
  answer[#answer + 1] = other
end
return answer
