-- States, due times, sums and the next head are in the store, and the plan is gone.
-- KEYS head, users, due, sums
-- ARGV owner, rev, at, plan, version, new rev, new at, new body, end of each of the four lists, what was learned (empty: nothing),
--      then the lists:
--      user key, state ... | user key ... (state gone) | due time, user key ... | user key ... (no longer due)
-- and for each hash of sums: name, seconds to keep it, most sums, end of its list, sum, increment ...
local refusal, found = fenced(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
if refusal then return refusal end
if found ~= ARGV[4] then return redis.error_reply(found and 'FENCED another plan' or 'FENCED no plan') end
-- The first write is one that a full Redis refuses, so that a script is refused whole: those that free memory would be let through.
redis.call('HSET', KEYS[1], 'v', ARGV[5], 'rev', ARGV[6], 'at', ARGV[7], 'body', ARGV[8])
redis.call('HDEL', KEYS[1], 'plan')
if ARGV[13] ~= '' then redis.call('HSET', KEYS[1], 'learned', ARGV[13]) end
local kept, gone, queued, unqueued = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
each('HSET', KEYS[2], 14, kept)
each('HDEL', KEYS[2], kept + 1, gone)
each('ZADD', KEYS[3], gone + 1, queued)
each('ZREM', KEYS[3], queued + 1, unqueued)

-- Names whose hashes have been dropped meanwhile are forgotten when there are twice as many as were left the last time: so each name is
-- looked at twice at the most, in a replay of years, too.
local FORGET_FROM = 64

local function forget_dropped()
  local names = redis.call('HLEN', KEYS[4])
  if names < (tonumber(redis.call('HGET', KEYS[1], 'forget_at')) or FORGET_FROM) then return end
  for _, name in ipairs(redis.call('HKEYS', KEYS[4])) do
    if redis.call('EXISTS', KEYS[4] .. ':' .. name) == 0 then
      redis.call('HDEL', KEYS[4], name)
      names = names - 1
    end
  end
  redis.call('HSET', KEYS[1], 'forget_at', math.max(FORGET_FROM, 2 * names))
end

local function grow(sums, sum, by)
  if redis.call('HINCRBY', sums, sum, by) == 0 then redis.call('HDEL', sums, sum) end
end

local at, new = unqueued + 1, false
while at < #ARGV do
  local name, keep_s, most, last = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local sums = KEYS[4] .. ':' .. name
  -- Near the limit each sum is looked at; far from it that would only cost time.
  local near = redis.call('HLEN', sums) + (last - at - 3) / 2 > most
  for i = at + 4, last, 2 do
    if near and redis.call('HEXISTS', sums, ARGV[i]) == 0 and redis.call('HLEN', sums) >= most then
      redis.call('HINCRBY', sums, 'overflow', 1)
    else
      grow(sums, ARGV[i], ARGV[i + 1])
    end
  end
  redis.call('EXPIRE', sums, keep_s)
  if redis.call('HSET', KEYS[4], name, ARGV[6]) == 1 then new = true end
  at = last + 1
end
if new then forget_dropped() end
return first_due(KEYS[3])
