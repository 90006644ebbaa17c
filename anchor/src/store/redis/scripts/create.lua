-- Inserts a session, ends the one that it replaces, and makes room under its subject's limit.
-- ARGV: 3 id, 4 idle, 5 absolute, 6 when the login began: an instant, with a question mark if the
-- caller can ask again, how long ago with a minus, or nothing for now, 7 subject or nothing, 8 its number, 9 cut-off of a subject of another shard, or
-- nothing where there are none, 10 limit or 0, 11 'refuse' or 'end_oldest', 12 id to replace or
-- nothing, 13 its proof, 14 the subject's live sessions in other shards, each as its creation and
-- its id, or 'unknown', 15 what distinguishes this call from others, 16 the session's entries
-- without its times, 17 names and values of fields.
local id, key, subject, number = ARGV[3], session_key(ARGV[3]), ARGV[7], ARGV[8]
if redis.call('EXISTS', key) == 1 then
  -- Plain commands could not rename it.
  redis.call('DEL', shard .. 'new:' .. id)
  local existing = redis.call('HMGET', key, '@updates', '@session', '@ended_others')
  if not version_of(existing[1], ARGV[15]) then return {'taken'} end
  -- This very call has been sent a second time, because its answer was lost.
  local row = entries_of(existing[2])
  local answer = {'created', row.created_at, row.authenticated_at, row.expires_at, row.deadline}
  for other in string.gmatch(existing[3] or '', '%S+') do answer[#answer + 1] = other end
  return answer
end

local began, asks = string.gsub(ARGV[6], '%?$', '')
if asks > 0 and subject ~= '' and tonumber(began) <= cut_off_of(subject, ARGV[9]) then
  return {'early'}
end
local replaced = ARGV[12]
local replaced_is, replaced_row
if replaced ~= '' then
  replaced_is, replaced_row = state(replaced)
  if replaced_row.lasting_hash ~= ARGV[13] then replaced = '' end
end
local ended, limit = {}, tonumber(ARGV[10])
if limit > 0 and subject ~= '' then
  local live = {}
  if ARGV[14] == 'unknown' then
    local away = shard .. 'away:' .. subject
    local others = redis.call('ZRANGEBYSCORE', away, decimal(now), '+inf')
    if #others > 0 then return {'elsewhere', unpack(others)} end
  end
  for at, other in string.gmatch(ARGV[14], '(%d+):(%S+)') do
    live[#live + 1] = {tonumber(at), other}
  end
  for _, other in ipairs(indexed(number)) do
    local how, row = state(other)
    if how == 'absent' then redis.call('ZREM', index_key, other) end
    if how == 'live' and row.subject == subject and other ~= replaced then
      live[#live + 1] = {tonumber(row.created_at), other, row}
    end
  end
  table.sort(live, function(one, other)
    if one[1] ~= other[1] then return one[1] < other[1] end
    return one[2] < other[2]
  end)
  if #live >= limit and ARGV[11] == 'refuse' then return {'full'} end
  for i = 1, #live - limit + 1 do
    -- Those of other shards are ended by the caller.
    ended[i] = live[i][2]
    if live[i][3] then finish(ended[i], 'overflow', 'live', live[i][3]) end
  end
end
if replaced ~= '' then finish(replaced, 'replaced', replaced_is, replaced_row) end

local deadline, authenticated_at = now + tonumber(ARGV[5]), now
local expires_at = math.min(now + tonumber(ARGV[4]), deadline)
if began ~= '' then
  began = tonumber(began)
  if began <= 0 then began = now + began end
  authenticated_at = math.min(now, began)
end
local row = entries_of(ARGV[16])
row.created_at, row.last_seen_at = decimal(now), decimal(now)
row.authenticated_at, row.expires_at = decimal(authenticated_at), decimal(expires_at)
row.deadline = decimal(deadline)
local answer = {'created', row.created_at, row.authenticated_at, row.expires_at, row.deadline}
for _, other in ipairs(ended) do answer[#answer + 1] = other end
redis.call('HSET', key, '@updates', with_update(nil, ARGV[15], '1'), unpack(ARGV, 17))
save(id, row)
if #ended > 0 then redis.call('HSET', key, '@ended_others', table.concat(ended, ' ')) end
expire_after(key, expires_at + math.max(keep, 0))
if keep >= 0 then sweep_at(id, expires_at) end
if subject ~= '' then
  enter(number, id, deadline)
  if ARGV[9] ~= '' and began ~= '' then
    local cut_off = cut_off_of(subject, ARGV[9])
    if authenticated_at <= cut_off then arrive_dead(id, row, cut_off) end
  end
  -- Each 32nd login looks at 16 ids, and at 112 more if it finds a dead one, so that at most a third
  -- of the index are dead.
  if string.find(id, '[02468ace]0$') then tidy_index() end
end
return answer
