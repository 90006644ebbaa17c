-- Records that the sessions of a subject are being ended. It has a key of its own, of no shard.
-- KEYS: 1 the log. ARGV: 1 the subject's place in it.
-- First of all something is removed: a server without memory accepts such a script.
redis.call('ZREM', KEYS[1], '')
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- Each entry is later than all others, even if the clock was set back.
local latest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
if latest then now = math.max(now, tonumber(latest) + 1) end
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
return {}
