-- The first head of a partition.
-- KEYS head, users, due, sums; ARGV version, owner, rev, at, body
if redis.call('EXISTS', KEYS[1]) == 1 then return redis.error_reply('FENCED there is a head already') end
-- Users without a head: folding the log onto them from its beginning would count everything twice.
if redis.call('EXISTS', KEYS[2], KEYS[3], KEYS[4]) > 0 then return redis.error_reply('ORPHANS users without a head') end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'owner', ARGV[2], 'rev', ARGV[3], 'at', ARGV[4], 'body', ARGV[5])
return false
