-- Returns a subject's sessions in this shard, latest first, and, as the first element, the other
-- shards that may have some.
-- ARGV: 3 subject, 4 its number, 5 'live', by the time of their creation, or 'ended', by that of
-- their end, 6 how many, 7 and 8 the instant and the id that the page begins after, or nothing,
-- 9 names of fields.
local wanted, limit, found, page = ARGV[5], tonumber(ARGV[6]), {}, {}
local after_at, after_id = tonumber(ARGV[7]), ARGV[8]
for _, id in ipairs(indexed(ARGV[4])) do
  local how, row = state(id)
  if how == 'absent' then redis.call('ZREM', index_key, id) end
  if how == wanted and row.subject == ARGV[3] then
    local at = instant(how == 'live' and row.created_at or row.ended_at or row.expires_at) or 0
    if not after_at or at < after_at or (at == after_at and id < after_id) then
      found[#found + 1] = {id, at}
    end
  end
end
table.sort(found, function(one, other)
  if one[2] ~= other[2] then return one[2] > other[2] end
  return one[1] > other[1]
end)
for i = 1, math.min(limit, #found) do
  local id, at = found[i][1], found[i][2]
  page[i] = {id, decimal(at), redis.call('HMGET', session_key(id), unpack(ARGV, 9))}
end
local away = redis.call('ZRANGEBYSCORE', shard .. 'away:' .. ARGV[3], decimal(now), '+inf')
return {away, page}
