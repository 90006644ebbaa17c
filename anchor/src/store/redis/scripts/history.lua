-- Returns a subject's ended sessions in this shard, those that ended last first. The arguments and
-- the answer are those of the list.
local wanted, ended = tonumber(ARGV[4]), {}
local after_at, after_id = tonumber(ARGV[5]), ARGV[6]
for _, id in ipairs(redis.call('ZRANGE', subject_key(ARGV[3]), 0, -1)) do
  local how, row = state(id)
  if how == 'ended' then
    local at = tonumber(row[2] or row[1])
    if not after_at or at < after_at or (at == after_at and id < after_id) then
      ended[#ended + 1] = {id, at}
    end
  end
end
table.sort(ended, function(one, other)
  if one[2] ~= other[2] then return one[2] > other[2] end
  return one[1] > other[1]
end)
local found = {}
for i = 1, math.min(wanted, #ended) do
  local id, at = ended[i][1], ended[i][2]
  found[i] = {id, decimal(at), redis.call('HGETALL', session_key(id))}
end
local away = redis.call('ZRANGEBYSCORE', shard .. 'away:' .. ARGV[3], decimal(now), '+inf')
return {away, found}
