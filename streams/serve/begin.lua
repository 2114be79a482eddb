-- A session begins, and the oldest of the same person ends when there are too many: KEYS session, list of the person's sessions.
-- ARGV: session (JSON), now (ms), lifetime (ms), most sessions of a person, prefix of session keys.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[2], string.sub(KEYS[1], #ARGV[5] + 1))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[2] - ARGV[3])
local over = redis.call('ZCARD', KEYS[2]) - ARGV[4]
if over > 0 then
  for _, old in ipairs(redis.call('ZRANGE', KEYS[2], 0, over - 1)) do
    redis.call('DEL', ARGV[5] .. old)
    redis.call('ZREM', KEYS[2], old)
  end
end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
