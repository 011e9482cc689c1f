"""Which steps does Redis take at once? (Lua: each script is one atomic step and one round trip)

The scripts move jobs from place to place and count; what becomes of a job is decided in Python, by
`chariots.workers.rules`, and handed over as text. They make the names of keys by themselves, so they need one Redis (or
Sentinel, or Valkey) and not a cluster.
"""

from __future__ import annotations

from chariots.workers.in_redis.moves import MOVES_LUA

__all__ = ["SCRIPTS"]

# Taken: the name of the idempotency key or '', how the input comes, the input, then what `create` takes.
# Answers: 'added', or 'first' and the id of the first job, or 'unknown' and the parent.
_ADD = """
local key, how, input = take(), take(), take()
local id, parents = ARGV[4], {}
for i = 1, tonumber(ARGV[5]) do parents[i] = ARGV[5 + i] end
if redis.call('EXISTS', JOB .. id) == 1 then return {'first', id} end
local first = key ~= '' and redis.call('GET', key)
if first and redis.call('EXISTS', JOB .. first) == 1 then
  redis.call('UNLINK', JOB .. id .. ':input')
  return {'first', first}
end
for _, parent in ipairs(parents) do
  if redis.call('EXISTS', JOB .. parent) == 0 then
    redis.call('UNLINK', JOB .. id .. ':input')
    return {'unknown', parent}
  end
end
put(JOB .. id .. ':input', how, input)
create()
if key ~= '' then redis.call('SET', key, id) end
return {'added', id}
"""

# Taken: worker, app, call, the time, what RQ is shown. Answers: the job, or nothing.
_CLAIM = """
local worker, app, call, now, shown = take(), take(), take(), take(), take_list()
-- The answer to an earlier try of this very call may have been lost on the way.
local last = 'chariots:claim:' .. worker
local before = redis.call('HMGET', last, 'call', 'job')
if before[1] == call then return redis.call('HGETALL', JOB .. before[2]) end

local best, runnable = nil, 0
local function consider(key)
  local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if not head[1] then return false end
  runnable = runnable + 1
  local score = tonumber(head[2])
  if not best or score < best.score or (score == best.score and head[1] < best.place) then
    best = {key = key, place = head[1], score = score}
  end
  return true
end

local ready = 'chariots:ready:' .. app
consider(ready)
for _, name in ipairs(redis.call('SMEMBERS', 'chariots:lanes:' .. app)) do
  local limit, target = string.match(name, '^(%d+)|(.*)$')
  if redis.call('SCARD', busy(app, target)) < tonumber(limit) and not consider(ready .. '|' .. name) then
    redis.call('SREM', 'chariots:lanes:' .. app, name)
  end
end
if not best then return {} end

local id = string.sub(best.place, 18)
local job = load(id)
if not job then  -- somebody has deleted its key
  redis.call('ZREM', best.key, best.place)
  wake(app)
  return {}
end
job.token = redis.call('HINCRBY', JOB .. id, 'token', 1)
redis.call('HINCRBY', JOB .. id, 'attempts', 1)
redis.call('HSET', JOB .. id, 'started_at', now, 'worker', worker, 'beats', 0, 'progress', '')
move(job, 'running', '', shown)
redis.call('HSET', last, 'call', call, 'job', id)
redis.call('EXPIRE', last, 120)
if runnable > 1 or redis.call('EXISTS', best.key) == 1 then wake(app) end
return redis.call('HGETALL', JOB .. id)
"""

# Taken: id, token of the attempt ('' where none runs), revision ('' for any), call, how the result comes, the result,
# the token whose result counts, the parents to wait for again, eagerly, status, at, what RQ is shown, the fields, the
# number of successors and what `create` takes for each.
# Answers: 'done' and how many jobs waited for this one; 'gone' if the job is another's or another by now; 'cancel' if
# it is to be canceled instead.
_WRITE = """
local id, token, revision, call, how, result = take(), take(), take(), take(), take(), take()
local kept, parents, eagerly, status, at, shown = take(), take_list(), take(), take(), take(), take_list()
local fields, successors = take_list(), tonumber(take())
local job = load(id)
local is_mine = job and job.status == 'running' and job.token == token
if token == '' then is_mine = job and job.status ~= 'running' and job.revision == revision end
if not is_mine then
  if token ~= '' then
    -- An earlier try of this very call may have been heard, and its answer lost on the way.
    if job and redis.call('HGET', JOB .. id, 'call') == call then return {'done', 0} end
    if how == 'staged' then redis.call('UNLINK', JOB .. id .. ':result:' .. token) end
  end
  return {'gone', 0}
end
if token ~= '' and job.cancel == 'true' and not FINAL[status] then return {'cancel', 0} end
if how ~= 'none' then put(JOB .. id .. ':result:' .. token, how, result) end
redis.call('HSET', JOB .. id, 'call', call, unpack(fields))
move_after(job, parents, eagerly, status, at, shown)
for _ = 1, successors do
  if redis.call('EXISTS', JOB .. ARGV[taken + 1]) == 0 then create() end
end
if not FINAL[status] then
  if token == '' then  -- it begins anew
    drop_outcomes(job, '')
    redis.call('UNLINK', JOB .. id .. ':log')
  end
  return {'done', 0}
end
drop_outcomes(job, kept)
if status == 'done' then drop_input(job) end
return {'done', free(job)}
"""

# Taken: the id. Answers: how the job is now.
_REQUEST_CANCEL = """
local id = take()
local job = load(id)
if job and job.status == 'running' and job.cancel ~= 'true' then
  redis.call('HSET', JOB .. id, 'cancel_requested', 'true')
  tell(id)
end
return redis.call('HGETALL', JOB .. id)
"""

# Taken: ids and tokens by turns. Answers: for each, the job or nothing.
_BEAT = """
local claims, answers = take_list(), {}
for i = 1, #claims, 2 do
  local job = load(claims[i])
  if job and job.status == 'running' and job.token == claims[i + 1] then
    redis.call('HINCRBY', JOB .. job.id, 'beats', 1)
    answers[#answers + 1] = redis.call('HGETALL', JOB .. job.id)
  else answers[#answers + 1] = {} end
end
return answers
"""

# Taken: id, token, progress or '', lines. Answers: whether the job is that attempt's.
_REPORT = """
local id, token, progress, lines = take(), take(), take(), take_list()
local job = load(id)
if not job or job.status ~= 'running' or job.token ~= token then return 0 end
if progress ~= '' then redis.call('HSET', JOB .. id, 'progress', progress) end
for _, line in ipairs(lines) do redis.call('RPUSH', JOB .. id .. ':log', line) end
if #lines > 0 then redis.call('HINCRBY', JOB .. id, 'logged', #lines) end
if progress ~= '' or #lines > 0 then tell(id) end
return 1
"""

# Taken: id, token, how the result comes, the result, the job as it will be. Answers: whether it is that attempt's.
_KEEP = """
local id, token, how, result, outcome = take(), take(), take(), take(), take()
local job = load(id)
if not job or job.status ~= 'running' or job.token ~= token then
  if how == 'staged' then redis.call('UNLINK', JOB .. id .. ':result:' .. token) end
  return 0
end
put(JOB .. id .. ':result:' .. token, how, result)
redis.call('SET', JOB .. id .. ':outcome:' .. token, outcome)
return 1
"""

# Answers: id, token and beats of every running job, by turns.
_RUNNING = """
local answers = {}
for _, id in ipairs(redis.call('ZRANGE', STATUS .. 'running', 0, -1)) do
  local found = redis.call('HMGET', JOB .. id, 'token', 'beats')
  if found[1] then
    for _, value in ipairs({id, found[1], found[2]}) do answers[#answers + 1] = value end
  else redis.call('ZREM', STATUS .. 'running', id) end
end
return answers
"""

# Taken: the time, how many, what RQ is shown. Answers: how many were looked at, how many were queued, then jobs and a
# parent of each that has come to a bad end, by turns.
_RELEASE = """
local now, most, shown = take(), take(), take_list()
local queued, failed = 0, {}
local ids = redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, most)
for _, id in ipairs(ids) do
  local job = load(id)
  local parents = redis.call('SMEMBERS', JOB .. id .. ':parents')
  local waits = false
  for _, parent in ipairs(parents) do
    local status = redis.call('HGET', JOB .. parent, 'status')
    if not status or status == 'done' then redis.call('SREM', JOB .. id .. ':parents', parent)
    elseif FINAL[status] then
      failed[#failed + 1], failed[#failed + 2] = id, parent
      waits = true
      break
    else waits = true end
  end
  if not job or job.status ~= 'deferred' then redis.call('ZREM', DUE, id)
  elseif not waits then
    move(job, 'queued', '', shown)
    queued = queued + 1
  elseif failed[#failed - 1] ~= id then redis.call('ZREM', DUE, id) end  -- the end of a parent puts it there again
end
return {#ids, queued, unpack(failed)}
"""

# Taken: the time, how many, for how many seconds jobs are remembered whose results are gone. Answers: how many.
_EXPIRE = """
local now, most, remembered = take(), take(), take()
local ids = redis.call('ZRANGEBYSCORE', EXPIRY, '-inf', now, 'LIMIT', 0, most)
for _, id in ipairs(ids) do
  local job = load(id)
  if not job then redis.call('ZREM', EXPIRY, id)
  elseif job.is_expired ~= 'true' then
    drop_outcomes(job, '')
    drop_input(job)
    hide(id, job.status)
    redis.call('HSET', JOB .. id, 'is_expired', 'true')
    redis.call('UNLINK', JOB .. id .. ':log')
    redis.call('ZINCRBY', EXPIRY, remembered, id)
    tell(id)
  else
    if job.key ~= '' and redis.call('GET', 'chariots:key:' .. job.app .. '|' .. job.key) == id then
      redis.call('DEL', 'chariots:key:' .. job.app .. '|' .. job.key)
    end
    redis.call('ZREM', STATUS .. job.status, id)
    redis.call('ZREM', EXPIRY, id)
    tell(id)
    for _, part in ipairs({'', ':log', ':children', ':parents'}) do redis.call('UNLINK', JOB .. id .. part) end
  end
end
return #ids
"""

# Taken: the id, the waiter. Answers: how the job is now; from here on the waiter hears of a change.
_WATCH = """
local id, waiter = take(), take()
redis.call('SADD', JOB .. id .. ':waiters', waiter)
redis.call('EXPIRE', JOB .. id .. ':waiters', 60)
return redis.call('HGETALL', JOB .. id)
"""

SCRIPTS = {
    name: MOVES_LUA + body
    for name, body in {
        "add": _ADD,
        "claim": _CLAIM,
        "write": _WRITE,
        "request_cancel": _REQUEST_CANCEL,
        "beat": _BEAT,
        "report": _REPORT,
        "keep": _KEEP,
        "running": _RUNNING,
        "release": _RELEASE,
        "expire": _EXPIRE,
        "watch": _WATCH,
    }.items()
}
