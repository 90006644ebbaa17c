-- Ends the sessions of a subject in this shard. Returns how many were live, the instant of the
-- cut-off, and the other shards that may have sessions of the subject.
-- ARGV: 3 subject, 4 its number, 5 reason, 6 the id to spare, or nothing, 7 cut-off: nothing for
-- none, 'now', or its instant.
local subject, cut_off = ARGV[3], ARGV[7]
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
for _, id in ipairs(indexed(ARGV[4])) do
  local how, row = state(id)
  if row.subject == subject and id ~= ARGV[6] and finish(id, ARGV[5], how, row) then
    count = count + 1
  end
  if not row.subject then redis.call('ZREM', index_key, id) end
end
local answer = {decimal(count), cut_off}
local away = shard .. 'away:' .. subject
for _, other in ipairs(redis.call('ZRANGEBYSCORE', away, decimal(now), '+inf')) do
  answer[#answer + 1] = other
end
return answer
