-- What all scripts of a partition share; stands before each of them.

-- Redis takes at most about 8,000 values in one `unpack`. Even, so that pairs stay together.
local CHUNK = 4000

-- The first due time, as text; false when nobody is due, ever.
local function first_due(due)
  return redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2] or false
end

-- Version, owner, revision, positions, plan, body and lessons of the head, and the first due time; false when there is no head.
local function seen(head, due)
  local fields = redis.call('HMGET', head, 'v', 'owner', 'rev', 'at', 'plan', 'body', 'learned')
  if not fields[1] then return false end
  fields[8] = first_due(due)
  return fields
end

-- An error that names what differs, unless the head is the one that the caller starts from; then nil and the plan in it.
local function fenced(head, owner, rev, at)
  local have = redis.call('HMGET', head, 'owner', 'rev', 'at', 'plan')
  if not have[1] then return redis.error_reply('FENCED no head') end
  if have[1] ~= owner then return redis.error_reply('FENCED another owner: ' .. have[1] .. ', not ' .. owner) end
  if have[2] ~= rev then return redis.error_reply('FENCED another revision: ' .. have[2] .. ', not ' .. rev) end
  if have[3] ~= at then return redis.error_reply('FENCED other positions: ' .. have[3] .. ', not ' .. at) end
  return nil, have[4]
end

-- Runs `command key` on ARGV[from..to], a chunk at a time.
local function each(command, key, from, to)
  for i = from, to, CHUNK do
    redis.call(command, key, unpack(ARGV, i, math.min(i + CHUNK - 1, to)))
  end
end

-- States of names[from..#names], as a list of lists.
local function states(users, names, from)
  local chunks = {}
  for i = from, #names, CHUNK do
    chunks[#chunks + 1] = redis.call('HMGET', users, unpack(names, i, math.min(i + CHUNK - 1, #names)))
  end
  return chunks
end
