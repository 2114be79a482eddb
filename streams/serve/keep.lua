-- What an act made of an alert is kept, once: KEYS triage (hash), positions (hash). ARGV: partition, offset of the act, where the caller
-- believes that we are, alert id ("": it was about something else), JSON, then ids to forget.
-- 1: kept. 0: another replica has kept it already. -1: acts before it are missing here (Redis has lost them): read them again.
local at = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
if at > tonumber(ARGV[2]) then
  return 0
end
if at < tonumber(ARGV[3]) then
  return -1
end
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[4], ARGV[5])
end
redis.call('HSET', KEYS[2], ARGV[1], tonumber(ARGV[2]) + 1)
for n = 6, #ARGV do
  redis.call('HDEL', KEYS[1], ARGV[n])
end
return 1
