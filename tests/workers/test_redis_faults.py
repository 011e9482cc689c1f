"""What becomes of jobs when Redis dies, hangs, is full, or does not let us in?"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from redis import Redis

from chariots.errors import ChariotsError, UnreachableError
from chariots.workers.in_redis.connection import for_server, for_worker, settings
from chariots.workers.in_redis.store import RedisJobStore
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import JobQuery, JobStore
from tests.redis_server import RedisServer
from tests.workers.contract.support import (
    APP,
    BODY,
    RESULT,
    WORKER,
    a_job,
    add,
    all_at_once,
    an_ended_job,
    claim,
    claim_of,
    finish,
    now_of,
)

LARGE = b'"' + b"x" * 1_000_000 + b'"'


@pytest.fixture
def store(own_redis: RedisServer) -> Iterator[RedisJobStore]:
    """The jobs as a server asks for them, which waits for nobody."""
    found = RedisJobStore(for_server(Redis.from_url(own_redis.url)))
    yield found
    found.close()


@pytest.fixture
def patient(own_redis: RedisServer) -> Iterator[RedisJobStore]:
    """The jobs as a worker asks for them, which tries again."""
    found = RedisJobStore(for_worker(settings(for_server(Redis.from_url(own_redis.url)))))
    yield found
    found.close()


def user(server: RedisServer, *rules: str) -> RedisJobStore:
    """The jobs, for a user with some rights."""
    Redis.from_url(server.url).execute_command("ACL", "SETUSER", "somebody", "on", ">opensesame", *rules)
    return RedisJobStore(for_server(Redis.from_url(f"redis://somebody:opensesame@127.0.0.1:{server.port}/0")))


# -- Redis dies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_with_an_append_only_file_nothing_that_was_acknowledged_is_lost(own_redis, store, end):
    done = an_ended_job(store)
    add(store)
    running = claim(store)
    waiting = add(store, LARGE)
    later = add(store, at=time.time() + 1e6)
    getattr(own_redis, end)()
    own_redis.start()
    assert now_of(store, done) == done
    assert store.result_of(done) == RESULT
    assert store.beat([claim_of(running)]) == {running.id: running}
    assert finish(store, running)
    assert store.input_of(waiting.id) == LARGE
    assert claim(store).id == waiting.id
    assert now_of(store, later) == later


def test_without_one_what_redis_has_not_saved_is_gone_and_known_to_be(own_redis, store):
    Redis.from_url(own_redis.url).config_set("appendonly", "no")
    job = add(store)
    own_redis.kill()
    own_redis.start()
    assert store.get(job.id) is None
    assert store.claim(WORKER, APP) is None


def test_while_redis_is_down_everything_is_refused_and_nothing_is_half_queued(own_redis, store):
    add(store)
    running = claim(store)
    own_redis.kill()
    steps = (
        lambda: store.add(a_job(), BODY),
        lambda: store.add(a_job(), LARGE),
        lambda: store.claim(WORKER, APP),
        lambda: finish(store, running),
        lambda: store.wait_for_change(running, 60.0),
        lambda: store.wait_for_work(APP, 60.0),
        store.workers,
        store.release_due,
    )
    for step in steps:
        with pytest.raises(UnreachableError, match="did not answer") as refused:
            step()
        assert refused.value.status == 503
    own_redis.start()
    assert store.find(JobQuery()) == [running]
    assert store.claim(WORKER, APP) is None
    assert finish(store, running)


def test_a_worker_outlasts_a_restart(own_redis, store, patient):
    add(store)
    running = claim(patient)
    add(store)
    own_redis.kill()

    def back() -> bool:
        own_redis.start()
        return True

    ended, _ = all_at_once([lambda: finish(patient, running), back])
    assert ended
    assert claim(patient).id != running.id


def test_a_wait_outlasts_a_restart(own_redis, store, patient):
    seen = add(store)

    def restart() -> None:
        own_redis.kill()
        own_redis.start()
        store.cancel(seen.id)

    found, _ = all_at_once([lambda: patient.wait_for_change(seen, 60.0), restart])
    assert found.status is JobStatus.canceled


# -- Redis hangs ------------------------------------------------------------------------------------------------------


def test_a_stalled_redis_is_given_up_within_seconds(own_redis, store):
    add(store)
    os.kill(own_redis.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        for body in (BODY, LARGE):
            with pytest.raises(UnreachableError, match="did not answer"):
                store.add(a_job(), body)
        assert time.monotonic() - began < 30  # with what redis-py does by itself it would be for ever
    finally:
        os.kill(own_redis.pid, signal.SIGCONT)


# -- Redis is full, or does not let us in -----------------------------------------------------------------------------


def test_a_full_redis_takes_no_job_and_says_why(own_redis, store):
    client = Redis.from_url(own_redis.url)
    client.config_set("maxmemory", "1")
    for body in (BODY, LARGE):
        with pytest.raises(UnreachableError, match="has no memory left"):
            store.add(a_job(), body)
    assert client.dbsize() == 0
    client.config_set("maxmemory", "0")
    assert finish(store, add(store) and claim(store))


def test_a_user_with_the_keys_of_both_is_enough(own_redis):
    store = user(own_redis, "~chariots:*", "~rq:*", "+@all", "-@dangerous", "-@admin")
    assert an_ended_job(store).status is JobStatus.done
    assert store.workers() == []


@pytest.mark.parametrize("rules", [("~chariots:*", "+@all"), ("~rq:*", "+@all"), ("~*", "+@all", "-zadd")])
def test_a_user_with_less_is_refused_and_nothing_is_half_done(own_redis, store, rules):
    less: JobStore = user(own_redis, *rules)
    with pytest.raises(ChariotsError, match="does not let the user do this") as refused:
        add(less)
    assert refused.value.status == 503
    assert "opensesame" not in str(refused.value)
    assert store.find(JobQuery()) == []
    assert store.claim(WORKER, APP) is None


def test_a_password_and_the_time_that_failures_are_kept_travel_to_a_worker_by_description(own_redis):
    Redis.from_url(own_redis.url).config_set("requirepass", "opensesame")
    here = RedisJobStore(for_server(Redis(host="127.0.0.1", port=own_redis.port, db=5, password="opensesame")))
    job = add(here)
    from chariots.workers.stores import open_store

    there = open_store(here.describe())
    assert there.get(job.id) == job
