-- The state of the watch over the whole, unless somebody else has saved one since; 1 when it is saved.
-- KEYS site; ARGV expected rev, new rev, state, hold ("" when no timer is held)
if (redis.call('HGET', KEYS[1], 'rev') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'rev', ARGV[2], 'state', ARGV[3], 'hold', ARGV[4])
return 1
