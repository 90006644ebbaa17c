-- Returns a live session. ARGV[3]: its id.
local how = state(ARGV[3])
if how ~= 'live' then return {how} end
return {how, decimal(now), redis.call('HGETALL', session_key(ARGV[3]))}
