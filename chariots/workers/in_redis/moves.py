"""How does a job move from place to place in Redis? (Lua that every script begins with)

A job is in one place at a time: in a lane of those that are ready, among those that are busy, due, or to expire. `move`
takes it out of one and puts it into another, tells whoever waits for a change, and shows RQ what it should show. The
keys are listed in `chariots.workers.in_redis.store`.
"""

from __future__ import annotations

from chariots.workers.in_redis.mirror import MIRROR_LUA

__all__ = ["MOVES_LUA"]

_MOVES = """
local JOB, STATUS, DUE, EXPIRY = 'chariots:job:', 'chariots:status:', 'chariots:due', 'chariots:expiry'
local FINAL = {done = true, failed = true, canceled = true}

-- A user who may not use RQ's keys is refused here, before anything is written.
redis.call('EXISTS', RQ.queue, RQ.wip)

-- Arguments are taken one after the other: a text, or a number of texts and then these.
local taken = 0
local function take()
  taken = taken + 1
  return ARGV[taken]
end
local function take_list()
  local list = {}
  for i = 1, tonumber(take()) do list[i] = take() end
  return list
end

-- What has to be known of a job to move it; nil if there is none.
local function load(id)
  local found = redis.call('HMGET', JOB .. id, 'status', 'app', 'target', 'concurrency', 'priority', 'sequence',
    'token', 'run_at', 'cancel_requested', 'revision', 'series', 'idempotency_key', 'is_expired')
  if not found[1] then return nil end
  return {id = id, status = found[1], app = found[2], target = found[3], concurrency = found[4],
    priority = found[5], sequence = found[6], token = found[7], run_at = found[8], cancel = found[9],
    revision = found[10], series = found[11], key = found[12], is_expired = found[13]}
end

-- Jobs whose target may have any number of running jobs wait in one lane, the others in one for each target and limit.
local function lane(job)
  if job.concurrency == '' then return 'chariots:ready:' .. job.app end
  return 'chariots:ready:' .. job.app .. '|' .. job.concurrency .. '|' .. job.target
end
local function place(job) return string.format('%016d:', tonumber(job.sequence)) .. job.id end
local function busy(app, target) return 'chariots:busy:' .. app .. '|' .. target end

-- One token is enough: whoever takes a job and sees more wakes the next worker.
local function wake(app)
  local key = 'chariots:wake:' .. app
  if redis.call('EXISTS', key) == 0 then redis.call('RPUSH', key, '1') end
end

local function tell(id)
  redis.call('HINCRBY', JOB .. id, 'revision', 1)
  local waiters = redis.call('SMEMBERS', JOB .. id .. ':waiters')
  for _, waiter in ipairs(waiters) do
    redis.call('RPUSH', 'chariots:waiter:' .. waiter, '1')
    redis.call('EXPIRE', 'chariots:waiter:' .. waiter, 60)
  end
  if #waiters > 0 then redis.call('DEL', JOB .. id .. ':waiters') end
end

-- Takes a job out of its place; `at` is when a deferred job is due, or the result of one that has ended expires.
local function move(job, status, at, shown)
  local from = job.status
  if from == 'queued' then redis.call('ZREM', lane(job), place(job))
  elseif from == 'running' then
    redis.call('SREM', busy(job.app, job.target), job.id)
    if redis.call('EXISTS', 'chariots:lanes:' .. job.app) == 1 then wake(job.app) end
  elseif from == 'deferred' then redis.call('ZREM', DUE, job.id)
  elseif from ~= '' then redis.call('ZREM', EXPIRY, job.id) end
  if from ~= '' then redis.call('ZREM', STATUS .. from, job.id) end
  redis.call('ZADD', STATUS .. status, job.sequence, job.id)
  redis.call('HSET', JOB .. job.id, 'status', status)
  job.status = status
  if status == 'queued' then
    redis.call('ZADD', lane(job), -tonumber(job.priority), place(job))
    if job.concurrency ~= '' then
      redis.call('SADD', 'chariots:lanes:' .. job.app, job.concurrency .. '|' .. job.target)
    end
    wake(job.app)
  elseif status == 'running' then redis.call('SADD', busy(job.app, job.target), job.id)
  elseif status == 'deferred' then
    if redis.call('EXISTS', JOB .. job.id .. ':parents') == 0 then
      redis.call('ZADD', DUE, at == '' and '0' or at, job.id)
    end
  else redis.call('ZADD', EXPIRY, at, job.id) end
  show(job, from, at, shown)
  tell(job.id)
end

-- Large values come before the script, to live for a while unless it takes them: Lua would copy them.
local function put(key, how, value)
  if how == 'inline' then redis.call('SET', key, value)
  elseif how == 'staged' then redis.call('PERSIST', key) end
end

local function drop_input(job)
  local owner = job.id
  if job.series ~= '' then  -- the jobs of a series share one input
    owner = job.series
    redis.call('SREM', 'chariots:series:' .. owner, job.id)
    if redis.call('EXISTS', 'chariots:series:' .. owner) == 1 then return end
  end
  redis.call('UNLINK', JOB .. owner .. ':input')
end

-- Drops what attempts have left, but the result of one of them ('' for none).
local function drop_outcomes(job, but)
  for token = 1, tonumber(job.token) do
    redis.call('UNLINK', JOB .. job.id .. ':outcome:' .. token)
    if tostring(token) ~= but then redis.call('UNLINK', JOB .. job.id .. ':result:' .. token) end
  end
end

-- Makes a job wait for those of its parents that are not done; whether one of them has come to a bad end.
local function await(job, parents)
  local failed = false
  for _, parent in ipairs(parents) do
    local status = redis.call('HGET', JOB .. parent, 'status')
    if status and status ~= 'done' then
      redis.call('SADD', JOB .. job.id .. ':parents', parent)
      redis.call('SADD', JOB .. parent .. ':children', job.id)
      failed = failed or FINAL[status] ~= nil
    end
  end
  return failed
end

-- Moves a job that may have to wait for others; `eagerly` is '1' if it is queued where it has not.
local function move_after(job, parents, eagerly, status, at, shown)
  redis.call('DEL', JOB .. job.id .. ':parents')
  local failed = await(job, parents)
  if eagerly == '1' and redis.call('EXISTS', JOB .. job.id .. ':parents') == 0 then status, at = 'queued', '' end
  move(job, status, at, shown)
  if failed then redis.call('ZADD', DUE, 0, job.id) end  -- the next release sees to it
end

-- Writes a job that is new. Taken: id, parents, eagerly, status, at, what RQ is shown, fields.
local function create()
  local id, parents, eagerly, status, at = take(), take_list(), take(), take(), take()
  local shown = take_list()
  redis.call('HSET', JOB .. id, 'sequence', redis.call('INCR', 'chariots:sequence'), 'revision', 0, 'status', '',
    unpack(take_list()))
  local job = load(id)
  if job.series ~= '' then redis.call('SADD', 'chariots:series:' .. job.series, id) end
  move_after(job, parents, eagerly, status, at, shown)
end

-- Does what is to be done for others when a job has come to its end; how many jobs waited for it.
local function free(job)
  local children = redis.call('SMEMBERS', JOB .. job.id .. ':children')
  for _, id in ipairs(children) do
    local child = load(id)
    if child and child.status == 'deferred' then
      if job.status == 'done' then redis.call('SREM', JOB .. id .. ':parents', job.id) end
      if job.status ~= 'done' then redis.call('ZADD', DUE, 0, id)
      elseif redis.call('EXISTS', JOB .. id .. ':parents') == 0 then
        redis.call('ZADD', DUE, child.run_at == '' and '0' or child.run_at, id)
      end
    end
  end
  redis.call('DEL', JOB .. job.id .. ':children')
  return #children
end
"""

MOVES_LUA = MIRROR_LUA + _MOVES
