-- What a run of records says about users is appended to their timelines, once: KEYS positions (hash), then a list for each user.
-- ARGV: topic/partition, where the caller believes that we are ("": nowhere yet), where we are afterwards, most entries of a list,
-- lifetime (ms); then for each list: "1" if the user was forgotten before, how many entries, and the entries, oldest first.
-- 1: appended. 0: we are somewhere else (another replica has been at it, or Redis has lost it).
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
  return 0
end
local next = 6
for n = 2, #KEYS do
  if ARGV[next] == '1' then
    redis.call('DEL', KEYS[n])
  end
  local last = next + 1 + tonumber(ARGV[next + 1])
  for entry = next + 2, last do
    redis.call('LPUSH', KEYS[n], ARGV[entry])
  end
  if last > next + 1 then
    redis.call('LTRIM', KEYS[n], 0, ARGV[4] - 1)
    redis.call('PEXPIRE', KEYS[n], ARGV[5])
  end
  next = last + 1
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
