-- Ends one live session, and returns the fields of its last state.
-- ARGV: 3 id, 4 hash of the caller's secret, 5 reason, 6 what distinguishes the call from others,
-- 7 names of fields.
local id = ARGV[3]
local consumed = shard .. 'consumed:' .. id
-- This very call has been sent a second time, because its answer was lost.
if redis.call('HGET', consumed, '@call') == ARGV[6] then
  return {'ended', redis.call('HMGET', consumed, unpack(ARGV, 7))}
end
local how, row = state(id)
if how ~= 'live' then return {'gone'} end
if not may_rotate(row, ARGV[4], false) then return {'conflict'} end

local values = redis.call('HMGET', session_key(id), unpack(ARGV, 7))
finish(id, ARGV[5], how, row)
local last = {'@call', ARGV[6]}
for i, value in ipairs(values) do
  if value then
    last[#last + 1], last[#last + 2] = ARGV[6 + i], value
  end
end
redis.call('HSET', consumed, unpack(last))
-- Longer than a call takes, with all its repetitions.
redis.call('PEXPIRE', consumed, 60000)
return {'ended', values}
