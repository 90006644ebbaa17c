-- Returns what decides whether a session is live: the time, its fields, and its subject's number in
-- the index.
-- ARGV: 3 its id, 4 names of fields.
return {time, redis.call('HMGET', session_key(ARGV[3]), unpack(ARGV, 4)),
  redis.call('ZSCORE', index_key, ARGV[3])}
