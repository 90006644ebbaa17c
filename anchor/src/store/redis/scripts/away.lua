-- Remembers, in the shard of a subject, that another shard may have a session of the subject.
-- Returns the subject's latest cut-off, or 0.
-- ARGV: 3 subject, 4 the other shard, 5 how long from now.
local key, instant = shard .. 'away:' .. ARGV[3], now + tonumber(ARGV[5])
redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. decimal(now))
if tonumber(redis.call('ZSCORE', key, ARGV[4]) or 0) < instant then
  redis.call('ZADD', key, decimal(instant), ARGV[4])
end
keep_until(key, instant)
return {redis.call('GET', shard .. 'cut_off:' .. ARGV[3]) or '0'}
