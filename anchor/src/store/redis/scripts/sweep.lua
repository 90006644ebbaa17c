-- Handles the sessions of this shard that are due: removes those that have ended or, if ended
-- sessions are kept, first marks them. Returns how many, and whether more may be due.
-- ARGV: 3 at most how many.
local most, swept = tonumber(ARGV[3]), 0
local ids = redis.call('ZRANGEBYSCORE', due_key, '-inf', decimal(now), 'LIMIT', 0, 1000)
for _, id in ipairs(ids) do
  if swept == most then break end
  local key = session_key(id)
  local row = redis.call('HMGET', key, 'expires_at', '@ended_at', '@status')
  local expires_at, ended_at = tonumber(row[1] or 0), tonumber(row[2] or row[1] or 0)
  if row[1] and not row[2] and now < expires_at then
    -- It was used since.
    sweep_at(id, expires_at)
  elseif keep >= 0 and row[1] and now < ended_at + keep then
    if not row[3] then
      redis.call('HSET', key, '@status', row[2] and 'revoked' or 'expired')
      redis.call('HSET', key, '@ended_at', decimal(ended_at))
      expire_after(key, ended_at + keep)
      swept = swept + 1
    end
    sweep_at(id, ended_at + keep)
  else
    -- If nothing is left of it, Redis has removed it by itself.
    remove(id)
    swept = swept + 1
  end
end
return {decimal(swept), (swept == most or #ids == 1000) and 'more' or ''}
