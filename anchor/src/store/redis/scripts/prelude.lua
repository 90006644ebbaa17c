-- Comes before every script.
--
-- A script works on the keys of one shard, which Redis Cluster keeps in one slot:
--   session:<id>       hash: a session: its columns, and fields that begin with @
--   new:<id>           hash: a session that is being inserted
--   consumed:<id>      hash: a consumed session's last fields, for a call that is repeated
--   index              sorted set: the ids of the sessions that have a subject, by its number
--   cut_off:<subject>  the instant of a subject's latest cut-off
--   away:<subject>     sorted set: other shards that may have sessions of a subject of this shard
--   due                sorted set: ids that the sweep has to look at, by the time from when on
-- On one server, there is one key more, of no shard (log_end.lua):
--   {<prefix>:<table>:ends}   sorted set: subjects' numbers modulo 65536, by their latest ends
--
-- A subject's number is a hash of its name, of 52 bits. The sessions of two subjects with the same
-- number are told apart by the subject itself.
--
-- ARGV[1] is what the names of the shard's keys begin with. ARGV[2] is how long ended sessions are
-- kept, or -1. Every instant and every span is a whole number of microseconds, which a Lua number
-- holds exactly until the year 2255. Values of the payload never become Lua numbers.

-- While a cluster moves the slot, some of its keys are on another server, and a session that is
-- there would look absent here. Two names that nobody uses cannot be looked up then.
local moving = redis.pcall('EXISTS', ARGV[1] .. 'x', ARGV[1] .. 'y')
if type(moving) == 'table' and moving.err then
  return redis.error_reply('TRYAGAIN the slot is being moved to another server')
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local shard, keep = ARGV[1], tonumber(ARGV[2])
local due_key, index_key = shard .. 'due', shard .. 'index'

local function session_key(id) return shard .. 'session:' .. id end

-- tostring would round it to 14 digits.
local function decimal(number) return string.format('%.0f', number) end

-- The first whole millisecond after an instant.
local function millis_after(instant) return math.floor(instant / 1000) + 1 end

local function expire_after(key, instant)
  redis.call('PEXPIREAT', key, decimal(millis_after(instant)))
end

-- Lets a key that several sessions share live at least until this instant. A minute more costs
-- nothing, and a set that is gone too early would end sessions. One that has no expiry yet gets a
-- later one, if that is given.
local function keep_until(key, instant, at_first)
  local millis = millis_after(instant) + 60000
  local left = redis.call('PTTL', key)
  if left < 0 then
    redis.call('PEXPIREAT', key, decimal(math.max(millis, millis_after(at_first or 0))))
  elseif left < millis - math.floor(now / 1000) then
    redis.call('PEXPIREAT', key, decimal(millis))
  end
end

local function sweep_at(id, instant)
  redis.call('ZADD', due_key, decimal(instant), id)
  keep_until(due_key, instant + math.max(keep, 0))
end

-- What anchor itself keeps of a session are entries of one field, `created_at=1763..;..`: no value
-- has a semicolon. In the order in which they are written:
local entries = {'created_at', 'authenticated_at', 'last_seen_at', 'expires_at', 'deadline',
  'version', 'remembered', 'rotation_state', 'lasting_hash', 'secret_hash', 'previous_secret_hash',
  'previous_secret_until', 'fingerprint', 'taken_names', 'subject_number', 'subject', 'ended_at',
  'status', 'end_reason'}

-- Returns the entries by name. Each is a text, or nil.
local function entries_of(text)
  local row = {}
  for name, value in string.gmatch(text, '([^=;]+)=([^;]*)') do row[name] = value end
  return row
end

-- Returns the entries of a session, or nil if there is no such session. What another program has
-- put there, of another type, is none, and must not stand in the way of other sessions.
local function read(id)
  local text = redis.pcall('HGET', session_key(id), '@session')
  if type(text) == 'table' then
    if not string.find(text.err, 'WRONGTYPE', 1, true) then return error(text.err) end
    return nil
  end
  return text and entries_of(text)
end

-- Writes the entries of a session.
local function save(id, row)
  local texts = {}
  for _, name in ipairs(entries) do
    if row[name] then texts[#texts + 1] = name .. '=' .. row[name] end
  end
  redis.call('HSET', session_key(id), '@session', table.concat(texts, ';'))
end

-- An entry that is an instant, or nil if it is missing or something else.
local function instant(text) return text and string.find(text, '^%d+$') and tonumber(text) or nil end

-- When a session expires. One that does not say so has expired.
local function expiry(row) return instant(row.expires_at) or 0 end

-- Whether a session is 'live', 'ended' or 'absent', and its entries. A session that the index does
-- not have under its subject has ended: nobody could end it otherwise. So has one whose instants
-- cannot be read.
local function state(id)
  local row = read(id)
  if not row then return 'absent', {} end
  if row.ended_at or now >= expiry(row) then return 'ended', row end
  if not instant(row.created_at) or not instant(row.deadline) then return 'ended', row end
  if row.subject then
    local number = tonumber(row.subject_number)
    if not number or tonumber(redis.call('ZSCORE', index_key, id)) ~= number then
      return 'ended', row
    end
  end
  return 'live', row
end

-- The ids that the index has under a subject's number.
local function indexed(number) return redis.call('ZRANGEBYSCORE', index_key, number, number) end

-- How long after a login the call that created its session may still come a second time: the first
-- copy of a call that was repeated, on a connection that only the client has given up. TCP gives up
-- after about 15 minutes.
local late_at_most = 900 * 1000000

-- Leaves a mark in the place of a session, for a late call that would create it: that finds the id
-- taken.
local function mark(id, until_instant)
  redis.call('HSET', session_key(id), '@gone', decimal(now))
  expire_after(session_key(id), until_instant)
end

-- Removes a session, whatever it is.
local function remove(id, row)
  redis.call('DEL', session_key(id))
  redis.call('ZREM', due_key, id)
  redis.call('ZREM', index_key, id)
  local late_until = row and (instant(row.created_at) or 0) + late_at_most or 0
  if now < late_until then mark(id, late_until) end
end

-- Removes the ids of sessions that have expired, of so many ids of the index, and returns whether
-- there were some.
local function tidy_some(count)
  local ids, keys = redis.call('ZRANDMEMBER', index_key, count), {}
  for i, id in ipairs(ids) do keys[i] = session_key(id) end
  if redis.call('EXISTS', unpack(keys)) == #keys then return false end
  for i, id in ipairs(ids) do
    if redis.call('EXISTS', keys[i]) == 0 then redis.call('ZREM', index_key, id) end
  end
  return true
end

-- Of sessions that have expired, the index keeps the ids until a login finds them here. Where the
-- sessions of sixteen ids are there, few others have expired.
local function tidy_index()
  if tidy_some(16) then tidy_some(112) end
end

-- Ends a session, whose state the caller has, for good, even if it looks expired, and says whether
-- it was live. The end of a session that is kept is never overwritten.
local function finish(id, reason, how, row)
  if how == 'absent' then return false end
  if keep < 0 then
    remove(id, row)
  elseif not row.ended_at then
    -- First of all something is removed: a server without memory accepts such a script.
    redis.call('ZREM', due_key, id)
    local expires_at = expiry(row)
    local ended_at = math.min(now, expires_at)
    if now < expires_at then
      row.status, row.end_reason = 'revoked', reason
    else
      row.status = 'expired'
    end
    row.ended_at, row.expires_at = decimal(ended_at), decimal(ended_at)
    save(id, row)
    local late_until = (instant(row.created_at) or 0) + late_at_most
    expire_after(session_key(id), math.max(ended_at + keep, late_until))
    sweep_at(id, ended_at + keep)
  end
  return how == 'live'
end

-- Marks a session as used at an instant, writes its entries, and returns its new expiry.
local function use(id, row, at, idle)
  local expires_at = math.min(at + idle, tonumber(row.deadline))
  row.last_seen_at, row.expires_at = decimal(at), decimal(expires_at)
  save(id, row)
  expire_after(session_key(id), expires_at + math.max(keep, 0))
  return row.expires_at
end

-- Whether a rotation, or a consumption, may begin from the secret with this hash.
local function may_rotate(row, from, reauthenticates)
  if from == row.secret_hash then return true end
  local rotation, grace = row.rotation_state, row.previous_secret_until
  return from == row.previous_secret_hash
    and (rotation == 'exchangeable' or (rotation == 'pending' and reauthenticates))
    and not (grace and now < tonumber(grace))
end

-- Writes what ARGV contains from here on: the number of fields to set, their names and values, and
-- the names of the fields to remove.
local function write(key, from)
  local last = from + 2 * tonumber(ARGV[from])
  for i = from + 1, last, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
  for i = last + 1, #ARGV do redis.call('HDEL', key, ARGV[i]) end
end

-- The field @updates has the latest writes of a session's columns, latest first: each as what
-- distinguishes the call from others, and the version that it led to. A call may be sent a second
-- time, because its answer was lost, after others have come in between.
local updates_kept = 8

-- Returns the version that a call led to, if it has come before.
local function version_of(updates, call)
  for made, version in string.gmatch(updates or '', '(%S+)=(%d+)') do
    if made == call then return version end
  end
end

local function with_update(updates, call, version)
  local latest = {call .. '=' .. version}
  for update in string.gmatch(updates or '', '%S+') do
    if #latest < updates_kept then latest[#latest + 1] = update end
  end
  return table.concat(latest, ' ')
end

-- Puts a session into the index. It lasts for 32 days from its first session on: a login that a
-- transaction inserts does not look at its expiry again if another one has just done so, but the
-- index may have been empty in between, which removes it, and begin again with a shorter session.
local function enter(number, id, deadline)
  redis.call('ZADD', index_key, number, id)
  keep_until(index_key, deadline + math.max(keep, 0), now + 32 * 86400000000)
end

-- A subject's latest cut-off: the recorded one or, for a subject of another shard, the given one.
local function cut_off_of(subject, given)
  local recorded = redis.call('GET', shard .. 'cut_off:' .. subject)
  return math.max(tonumber(recorded or 0), tonumber(given))
end

-- Ends a session whose login began before its subject's cut-off. It was never live. It stays until
-- the sweep, which counts it.
local function arrive_dead(id, row, cut_off)
  local ended_at = decimal(math.max(cut_off, tonumber(row.created_at)))
  row.ended_at, row.expires_at, row.end_reason = ended_at, ended_at, 'cut_off'
  save(id, row)
  sweep_at(id, now)
end
