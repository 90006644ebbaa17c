-- Comes before every script.
--
-- A script works on the keys of one shard, which Redis Cluster keeps in one slot:
--   session:<id>       hash: a session; fields that begin with @ are not columns
--   new:<id>           hash: a session that is being inserted
--   index              sorted set: the ids of the sessions that have a subject, by its number
--   cut_off:<subject>  the instant of a subject's latest cut-off
--   away:<subject>     sorted set: other shards that may have sessions of a subject of this shard
--   due                sorted set: ids that the sweep has to look at, by the time from when on
--
-- A subject's number is a hash of its name, of 52 bits. The sessions of two subjects with the same
-- number are told apart by their field @subject.
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
-- nothing, and a set that is gone too early would end sessions.
local function keep_until(key, instant)
  local millis = millis_after(instant) + 60000
  local left = redis.call('PTTL', key)
  if left < 0 or left < millis - math.floor(now / 1000) then
    redis.call('PEXPIREAT', key, decimal(millis))
  end
end

local function sweep_at(id, instant)
  redis.call('ZADD', due_key, decimal(instant), id)
  keep_until(due_key, instant + math.max(keep, 0))
end

-- Whether a session is 'live', 'ended' or 'absent', and its expiry, its end, its subject, its
-- subject's number and its creation. A session that the index does not have under its subject has
-- ended: nobody could end it otherwise.
local function state(id)
  local row = redis.call('HMGET', session_key(id), 'expires_at', '@ended_at', '@subject',
    '@subject_number', 'created_at')
  if not row[1] then return 'absent', row end
  if row[2] or now >= tonumber(row[1]) then return 'ended', row end
  if row[3] then
    local number = tonumber(row[4])
    if not number or tonumber(redis.call('ZSCORE', index_key, id)) ~= number then
      return 'ended', row
    end
  end
  return 'live', row
end

-- The ids that the index has under a subject's number.
local function indexed(number) return redis.call('ZRANGEBYSCORE', index_key, number, number) end

-- Removes a session, whatever it is.
local function remove(id)
  redis.call('DEL', session_key(id))
  redis.call('ZREM', due_key, id)
  redis.call('ZREM', index_key, id)
end

-- Of sessions that have expired, the index keeps the ids until a login finds them here.
local function tidy_index()
  local ids, keys = redis.call('ZRANDMEMBER', index_key, 64), {}
  for i, id in ipairs(ids) do keys[i] = session_key(id) end
  if redis.call('EXISTS', unpack(keys)) == #keys then return end
  for i, id in ipairs(ids) do
    if redis.call('EXISTS', keys[i]) == 0 then redis.call('ZREM', index_key, id) end
  end
end

-- Ends a session for good, even if it looks expired, and says whether it was live. The end of a
-- session that is kept is never overwritten.
local function finish(id, reason)
  local how, row = state(id)
  if how == 'absent' then return false end
  if keep < 0 then
    remove(id)
  elseif not row[2] then
    -- First of all something is removed: a server without memory accepts such a script.
    redis.call('ZREM', due_key, id)
    local key, expires_at = session_key(id), tonumber(row[1])
    local ended_at = math.min(now, expires_at)
    if now < expires_at then
      redis.call('HSET', key, '@status', 'revoked', '@end_reason', reason)
    else
      redis.call('HSET', key, '@status', 'expired')
    end
    redis.call('HSET', key, '@ended_at', decimal(ended_at), 'expires_at', decimal(ended_at))
    expire_after(key, ended_at + keep)
    sweep_at(id, ended_at + keep)
  end
  return how == 'live'
end

-- Marks a session as used at an instant, and returns its new expiry.
local function use(key, at, idle)
  local expires_at = math.min(at + idle, tonumber(redis.call('HGET', key, 'deadline')))
  redis.call('HSET', key, 'last_seen_at', decimal(at), 'expires_at', decimal(expires_at))
  expire_after(key, expires_at + math.max(keep, 0))
  return decimal(expires_at)
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

-- Puts a session into the index.
local function enter(number, id, deadline)
  redis.call('ZADD', index_key, number, id)
  keep_until(index_key, deadline + math.max(keep, 0))
end

-- A subject's latest cut-off: the recorded one or, for a subject of another shard, the given one.
local function cut_off_of(subject, given)
  local recorded = redis.call('GET', shard .. 'cut_off:' .. subject)
  return math.max(tonumber(recorded or 0), tonumber(given))
end

-- Ends a session whose login began before its subject's cut-off. It was never live. It stays until
-- the sweep, which counts it.
local function arrive_dead(id, created_at, cut_off)
  local key, ended_at = session_key(id), decimal(math.max(cut_off, created_at))
  redis.call('HSET', key, '@ended_at', ended_at, 'expires_at', ended_at, '@end_reason', 'cut_off')
  sweep_at(id, now)
end
