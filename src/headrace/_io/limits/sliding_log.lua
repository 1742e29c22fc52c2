-- The law of headrace/_core/limits/shared_log.py, for a server: one atomic step, on the server's clock alone.
-- KEYS: state (hash), queue (zset), demand (hash), pauses (zset), then one list a window, of "stamp:permits".
-- ARGV: law, milliseconds after which all is forgotten, batch, grace, client, least, wanted, most, known version of the
--       pauses, how many times permits are given back, for each of these the stamp and the permits of their answer and how
--       many were never used, then pairs of an origin and the microseconds that it is to be paused.
-- Returns {permits, now, wait, version, has pauses, origin, left, ...}; permits are -1 where the name has another law.
local MOST_LOOKED_AT, MOST_PAUSED, LONGEST_WAIT = 128, 10000, 5000000
local state, queue, demand, pauses = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local client, least, wanted, most = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local batch, grace = tonumber(ARGV[3]), tonumber(ARGV[4])
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function text(number) return string.format('%.0f', number) end

local capacities, spans, longest, smallest = {}, {}, 0, math.huge
for capacity, span in string.gmatch(ARGV[1], '(%d+):(%d+)') do
  capacities[#capacities + 1], spans[#spans + 1] = tonumber(capacity), tonumber(span)
  longest, smallest = math.max(longest, tonumber(span)), math.min(smallest, tonumber(capacity))
end

local known = redis.call('HMGET', state, 'run', 'law', 'from', 'last', 'version', 'expires')
local from, last, version = tonumber(known[3]) or 0, tonumber(known[4]) or 0, tonumber(known[5]) or now % 1000000000
if known[1] == run and now >= last and known[2] ~= ARGV[1] then
  local before = 0
  for span in string.gmatch(known[2], ':(%d+)') do before = math.max(before, tonumber(span)) end
  if now - last < before then return {-1, now, last + before - now, known[2]} end
  known[1] = false
end
if known[1] ~= run or now < last then
  -- New, lost, of another server, or its clock went back: what was granted is not known, so nothing is for one span.
  from = now + longest
  redis.call('DEL', queue, demand, unpack(KEYS, 5))
  redis.call('HSET', state, 'run', run, 'law', ARGV[1], 'from', text(from), 'version', text(version))
  for i = 1, #spans do redis.call('HSET', state, 'total' .. i, 0) end
end
redis.call('HSET', state, 'last', text(now))

redis.call('ZREMRANGEBYSCORE', pauses, '-inf', text(now))
local pause_end = 0
local first_pause = 11 + 3 * tonumber(ARGV[10])
for i = 11, first_pause - 1, 3 do
  local before, unused = ARGV[i] .. ':' .. ARGV[i + 1], tonumber(ARGV[i + 2])
  local left = tonumber(ARGV[i + 1]) - unused
  for w = 1, #spans do
    local log = KEYS[4 + w]
    if left > 0 then redis.call('LINSERT', log, 'BEFORE', before, ARGV[i] .. ':' .. left) end
    if redis.call('LREM', log, 1, before) > 0 then redis.call('HINCRBY', state, 'total' .. w, -unused) end
  end
end
for i = first_pause, #ARGV, 2 do
  local before, ends = redis.call('ZSCORE', pauses, ARGV[i]), now + tonumber(ARGV[i + 1])
  if ends > math.max(tonumber(before or 0), now) and (before or redis.call('ZCARD', pauses) < MOST_PAUSED) then
    redis.call('ZADD', pauses, text(ends), ARGV[i])
    version = redis.call('HINCRBY', state, 'version', 1)
    pause_end = math.max(pause_end, ends)
  end
end

-- What nobody asks for is forgotten: after the time to live, and no sooner than it has no meaning any more.
local expires = math.max(now + tonumber(ARGV[2]) * 1000, from + longest, pause_end)
if expires - (tonumber(known[6]) or 0) > tonumber(ARGV[2]) * 250 or not known[1] or pause_end > 0 then
  expires = math.max(expires, tonumber(known[6]) or 0)
  redis.call('HSET', state, 'expires', text(expires))
  for i = 1, #KEYS do redis.call('PEXPIRE', KEYS[i], text(math.ceil((expires - now) / 1000))) end
end
local ttl = text(math.ceil((expires - now) / 1000))
local function lives(key) if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, ttl) end end
if pause_end > 0 then redis.call('PEXPIRE', pauses, ttl) end

-- Permits that clients ahead in the queue want, and of these those that are kept for them now: of those that should have
-- come by now, unless they are so late that they lose their place.
local function ahead_of(rank, share)
  local stop = math.min(rank, MOST_LOOKED_AT) - 1
  if stop < 0 then return 0, 0 end
  local total, due, others = 0, 0, redis.call('ZRANGE', queue, 0, stop)
  if #others == 0 then return 0, 0 end
  local wants = redis.call('HMGET', demand, unpack(others))
  for i, other in ipairs(others) do
    local want, comes_at, kept_from = string.match(wants[i] or '', '(%d+):(%d+):(%d+)')
    if not want or tonumber(comes_at) + grace < now then
      redis.call('ZREM', queue, other)
      redis.call('HDEL', demand, other)
    else
      total = total + math.min(tonumber(want), share)
      if tonumber(kept_from) <= now then due = due + math.min(tonumber(want), share) end
    end
  end
  return total, due
end

local function leave()
  redis.call('ZREM', queue, client)
  redis.call('HDEL', demand, client)
end

local function come_in(wait, missing, rank)
  if not rank then redis.call('ZADD', queue, redis.call('HINCRBY', state, 'serial', 1), client) end
  -- For whoever needs several at once they are kept all the time, or they never come.
  local kept_from = least > 1 and 0 or now + wait
  redis.call('HSET', demand, client, missing .. ':' .. text(now + wait) .. ':' .. text(kept_from))
  lives(queue)
  lives(demand)
end

local function serve()
  local totals, free = {}, math.huge
  for i = 1, #spans do
    local log, total = KEYS[4 + i], tonumber(redis.call('HGET', state, 'total' .. i))
    repeat
      local gone, entries = 0, redis.call('LRANGE', log, 0, 63)
      for _, entry in ipairs(entries) do
        local stamp, count = string.match(entry, '(%d+):(%d+)')
        if now - tonumber(stamp) < spans[i] then break end
        gone, total = gone + 1, total - tonumber(count)
      end
      if gone > 0 then redis.call('LTRIM', log, gone, -1) end
    until gone < 64
    if total > 0 and redis.call('EXISTS', log) == 0 then
      -- The server has evicted it: nothing is known any more.
      redis.call('HDEL', state, 'run')
      return 0, longest
    end
    totals[i], free = total, math.min(free, capacities[i] - total)
  end
  local queued, rank = redis.call('ZCARD', queue), redis.call('ZRANK', queue, client)
  local share = math.max(1, math.ceil(smallest / (queued - (rank and 1 or 0) + 1)))
  local ahead, due = ahead_of(rank or queued, share)
  local room, granted = free - due, 0
  if room >= least then granted = math.min(most, math.max(least, share), room) end
  for i = 1, #spans do
    if granted > 0 then
      redis.call('RPUSH', KEYS[4 + i], text(now) .. ':' .. granted)
      lives(KEYS[4 + i])
      totals[i] = totals[i] + granted
    end
    redis.call('HSET', state, 'total' .. i, totals[i])
  end
  local missing = wanted - granted
  if missing <= 0 then
    if rank then leave() end
    return granted, 0
  end
  if granted > 0 and rank then
    leave()
    rank = false
    ahead = ahead_of(redis.call('ZCARD', queue), share)
  end
  local needed, at = ahead + math.max(least, math.min(missing, share, batch)), 0
  for i = 1, #spans do
    local leaving, start, free_at = totals[i] + needed - capacities[i], 0, 0
    if leaving > 0 and totals[i] > 0 then
      local rounds = math.floor((leaving - 1) / capacities[i])
      leaving = leaving - 1 - rounds * capacities[i]
      repeat
        local entries = redis.call('LRANGE', KEYS[4 + i], start, start + 63)
        for _, entry in ipairs(entries) do
          local stamp, count = string.match(entry, '(%d+):(%d+)')
          leaving, free_at = leaving - tonumber(count), tonumber(stamp) + spans[i] * (rounds + 1)
          if leaving < 0 then break end
        end
        start = start + 64
      until leaving < 0 or #entries < 64
    end
    at = math.max(at, free_at)
  end
  local wait = math.min(at - now, math.floor(longest / 4), LONGEST_WAIT)
  if wait <= 0 then wait = math.max(1000, math.floor(grace / 10)) end
  come_in(wait, missing, rank)
  return granted, wait
end

local granted, wait = 0, 0
local held = math.max(from, tonumber(redis.call('ZSCORE', pauses, '') or 0)) - now
if most <= 0 then
  leave()
elseif held > 0 then
  wait = held
  if wanted > 0 then come_in(wait, wanted, redis.call('ZRANK', queue, client)) end
else
  granted, wait = serve()
end
local reply = {granted, now, wait, version, 0}
if tonumber(ARGV[9]) ~= version then
  reply[5] = 1
  local all = redis.call('ZRANGE', pauses, 0, -1, 'WITHSCORES')
  for i = 1, #all, 2 do
    reply[#reply + 1] = all[i]
    reply[#reply + 1] = tonumber(all[i + 1]) - now
  end
end
return reply
