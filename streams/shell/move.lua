-- The head is at other positions, and its plan is gone.
-- KEYS head, due; ARGV owner, rev, at, version, new rev, new at, new body
local refusal = fenced(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
if refusal then return refusal end
redis.call('HSET', KEYS[1], 'v', ARGV[4], 'rev', ARGV[5], 'at', ARGV[6], 'body', ARGV[7])
redis.call('HDEL', KEYS[1], 'plan')
return first_due(KEYS[2])
