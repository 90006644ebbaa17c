-- Returns a subject's live sessions in this shard, latest first, and, as the first element, the
-- other shards that may have some.
-- ARGV: 3 subject, 4 how many, 5 and 6 the instant and the id that the page begins after, or
-- nothing.
local set, wanted, found = subject_key(ARGV[3]), tonumber(ARGV[4]), {}
local after_at, after_id = tonumber(ARGV[5]), ARGV[6]
local first = after_at and decimal(after_at) or '+inf'
local skipped = 0
repeat
  local some = redis.call('ZREVRANGEBYSCORE', set, first, '-inf', 'WITHSCORES', 'LIMIT', skipped, 100)
  for i = 1, #some, 2 do
    local id, at = some[i], tonumber(some[i + 1])
    local is_after = not after_at or at < after_at or id < after_id
    if #found < wanted and is_after and state(id) == 'live' then
      found[#found + 1] = {id, decimal(at), redis.call('HGETALL', session_key(id))}
    end
  end
  skipped = skipped + 100
until #found == wanted or #some < 200
local away = redis.call('ZRANGEBYSCORE', shard .. 'away:' .. ARGV[3], decimal(now), '+inf')
return {away, found}
