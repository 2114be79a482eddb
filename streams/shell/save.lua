-- States, due times and the next head are in the store, and the plan is gone.
-- KEYS head, users, due
-- ARGV owner, rev, at, plan, version, new rev, new at, new body, end of each of the four lists, then the lists:
--      user key, state ... | user key ... (state gone) | due time, user key ... | user key ... (no longer due)
local refusal, found = fenced(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
if refusal then return refusal end
if found ~= ARGV[4] then return redis.error_reply(found and 'FENCED another plan' or 'FENCED no plan') end
-- The first write is one that a full Redis refuses, so that a script is refused whole: those that free memory would be let through.
redis.call('HSET', KEYS[1], 'v', ARGV[5], 'rev', ARGV[6], 'at', ARGV[7], 'body', ARGV[8])
redis.call('HDEL', KEYS[1], 'plan')
local kept, gone, queued, unqueued = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
each('HSET', KEYS[2], 13, kept)
each('HDEL', KEYS[2], kept + 1, gone)
each('ZADD', KEYS[3], gone + 1, queued)
each('ZREM', KEYS[3], queued + 1, unqueued)
return first_due(KEYS[3])
