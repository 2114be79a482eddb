-- The partition belongs to a new owner; whoever had it before is fenced from now on. Without a head nothing is written.
-- A head that a newer release wrote is left alone.
-- KEYS head, due; ARGV owner, highest version that the caller can read
local have = seen(KEYS[1], KEYS[2])
if not have then return false end
if tonumber(have[1]) <= tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'owner', ARGV[1])
  have[2] = ARGV[1]
end
return have
