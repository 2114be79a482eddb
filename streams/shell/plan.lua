-- The head holds the plan, and the answer all states that the step needs. The same plan again is accepted again; another one is refused.
-- KEYS head, users, due, sums; ARGV owner, rev, at, plan, time of the last timer, due limit, user key...
local refusal, found = fenced(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
if refusal then return refusal end
if found and found ~= ARGV[4] then return redis.error_reply('FENCED another plan') end
if not found then redis.call('HSET', KEYS[1], 'plan', ARGV[4]) end
local due = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[5], 'LIMIT', 0, ARGV[6])
return {states(KEYS[2], ARGV, 7), due, states(KEYS[2], due, 1)}
