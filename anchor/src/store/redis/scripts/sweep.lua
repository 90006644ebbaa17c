-- Handles the sessions of this shard that are due: removes those that have ended or, if ended
-- sessions are kept, first marks them. Returns how many, and whether more may be due.
-- ARGV: 3 at most how many.
local most, swept = tonumber(ARGV[3]), 0
local ids = redis.call('ZRANGEBYSCORE', due_key, '-inf', decimal(now), 'LIMIT', 0, 1000)
for _, id in ipairs(ids) do
  if swept == most then break end
  local row = read(id)
  local expires_at = row and expiry(row) or 0
  local ended_at = row and instant(row.ended_at) or expires_at
  if row and not row.ended_at and now < expires_at then
    -- It was used since.
    sweep_at(id, expires_at)
  elseif keep >= 0 and row and now < ended_at + keep then
    if not row.status then
      row.status = row.ended_at and 'revoked' or 'expired'
      row.ended_at = decimal(ended_at)
      save(id, row)
      expire_after(session_key(id), ended_at + keep)
      swept = swept + 1
    end
    sweep_at(id, ended_at + keep)
  else
    -- If nothing is left of it, Redis has removed it by itself.
    remove(id, row)
    swept = swept + 1
  end
end
return {decimal(swept), (swept == most or #ids == 1000) and 'more' or ''}
