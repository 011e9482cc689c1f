"""Does Redis keep every promise of a job store, and what of its own?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import Connection, ConnectionPool
from redis.retry import Retry

from chariots.errors import BodyTooLargeError, UnreachableError
from chariots.workers.in_redis import steps
from chariots.workers.in_redis.connection import REDIS_VARIABLE, for_server
from chariots.workers.in_redis.store import RedisJobStore
from chariots.workers.job import LogLine
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import JobQuery
from chariots.workers.rules import Released, Succeeded, ended
from chariots.workers.stores import open_store
from tests.workers.contract.support import APP, RESULT, WORKER, a_job, add, claim, claim_of, fail, finish, now_of
from tests.workers.redis_support import emptied, holders
from tests.workers.store_contract import JobStoreContract


@pytest.fixture
def client(redis_url: str) -> Redis:
    """A client of an empty database."""
    return emptied(redis_url)


@pytest.fixture
def store(client: Redis) -> Iterator[RedisJobStore]:
    """An empty store."""
    found = RedisJobStore(for_server(client))
    yield found
    found.close()


@pytest.fixture
def other(client: Redis) -> Iterator[RedisJobStore]:
    """A second object on the same place, as another process has one."""
    found = RedisJobStore(for_server(client))
    yield found
    found.close()


class TestRedisJobStore(JobStoreContract):
    """Every promise of `JobStore`, kept by Redis."""


# -- what is kept where -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_an_input_is_held_once(client, store, size):
    body = b'"MARKER' + b"x" * size + b'"'
    job = add(store, body)
    assert holders(client, b"MARKER") == [f"chariots:job:{job.id}:input"]
    claim(store)
    assert holders(client, b"MARKER") == [f"chariots:job:{job.id}:input"]


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_the_jobs_of_a_series_share_one_input(client, store, size):
    job = add(store, b'"MARKER' + b"x" * size + b'"', every=3600.0)
    finish(store, claim(store))
    assert len(store.find(JobQuery())) == 2
    assert holders(client, b"MARKER") == [f"chariots:job:{job.id}:input"]


def test_the_input_of_a_series_goes_with_its_last_job(client, store):
    add(store, b'"MARKER"', every=3600.0, result_ttl=0.0)
    finish(store, claim(store))
    (following,) = store.find(JobQuery(statuses=(JobStatus.deferred,)))
    store.expire()
    assert len(holders(client, b"MARKER")) == 1
    store.cancel(following.id)
    store.expire()
    assert holders(client, b"MARKER") == []


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_result_is_held_once(client, store, size):
    add(store)
    job = claim(store)
    result = b'"MARKER' + b"x" * size + b'"'
    outcome = ended(job, Succeeded())
    assert store.keep(outcome, result)
    assert store.settle(replace(outcome, result_attempt=job.token))
    assert holders(client, b"MARKER") == [f"chariots:job:{job.id}:result:{job.token}"]


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_what_a_refused_attempt_brought_is_not_held(client, store, size):
    add(store)
    late = claim(store)
    assert store.settle(ended(late, Released()))
    claim(store)
    assert not finish(store, late, b'"MARKER' + b"x" * size + b'"')
    assert not store.keep(ended(late, Succeeded()), b'"MARKER' + b"x" * size + b'"')
    assert holders(client, b"MARKER") == []


def test_a_large_value_whose_step_never_comes_goes_by_itself(client, store):
    store._steps.stage("a test", "chariots:job:1:input", b"x" * 1_000_000, "input")
    assert 0 < client.ttl("chariots:job:1:input") <= 600


def test_an_input_whose_sending_was_interrupted_is_refused_and_nothing_is_queued(client, store, monkeypatch):
    to_redis = store._steps.redis.append

    def after_it_expired(key, piece):
        client.delete(key)
        return to_redis(key, piece)

    monkeypatch.setattr(store._steps.redis, "append", after_it_expired)
    with pytest.raises(UnreachableError, match=r"its input was sent\. Nothing was changed"):
        add(store, b'"MARKER' + b"x" * 3 * steps.PIECE + b'"')
    assert store.find(JobQuery()) == []
    assert client.keys("chariots:job:*") == []


def test_of_a_job_that_was_forgotten_nothing_is_left(client, store):
    add(store, idempotency_key="key")
    job = claim(store)
    store.report(claim_of(job), None, [LogLine(0, 1.0, "INFO", "line")])
    done = ended(job, Succeeded())
    assert store.settle(replace(done, expires_at=1.0), RESULT)
    while store.expire():
        pass
    assert [key for key in client.keys("*") if job.id.encode() in key] == []
    assert client.keys("chariots:key:*") == []


@pytest.mark.parametrize("what", ["input", "result"])
def test_what_redis_cannot_keep_is_refused_with_a_way_out(client, store, monkeypatch, what):
    monkeypatch.setattr(steps, "MOST_BYTES", 100)
    if what == "result":
        add(store)
        job = claim(store)
    with pytest.raises(BodyTooLargeError, match=f"its {what} is 101 bytes.*Save what is large elsewhere"):
        finish(store, job, b"x" * 101) if what == "result" else add(store, b"x" * 101)
    assert len(store.find(JobQuery())) == (what == "result")


def test_failures_may_be_kept_for_another_time_than_results(client):
    store = RedisJobStore(for_server(client), failure_ttl=7.0)
    for how, seconds in ((fail, 7.0), (finish, 3600.0)):
        add(store)
        job = claim(store)
        how(store, job)
        ended_job = now_of(store, job)
        assert ended_job.expires_at == pytest.approx(ended_job.ended_at + seconds)


# -- answers that are lost --------------------------------------------------------------------------------------------


class Deaf(Connection):
    """A connection that loses the next answer to a step, after Redis has taken it."""

    loses_next = False
    _is_step = False

    def send_command(self, *args, **kwargs):
        self._is_step = args[0] == "EVALSHA"
        return super().send_command(*args, **kwargs)

    def read_response(self, *args, **kwargs):
        answer = super().read_response(*args, **kwargs)
        if self._is_step and Deaf.loses_next:
            Deaf.loses_next = False
            self.disconnect()
            raise ConnectionError("the answer was lost")
        return answer


@pytest.fixture
def deaf(client: Redis, monkeypatch: pytest.MonkeyPatch) -> RedisJobStore:
    """A store that tries again, over connections that may lose answers."""
    monkeypatch.setattr(Deaf, "loses_next", False)
    kept = {name: client.connection_pool.connection_kwargs[name] for name in ("host", "port", "db")}
    retry = Retry(NoBackoff(), 2, supported_errors=(ConnectionError,))
    return RedisJobStore(Redis(connection_pool=ConnectionPool(connection_class=Deaf, **kept, retry=retry)))


def losing(step):
    """Takes a step whose first answer is lost."""
    Deaf.loses_next = True
    found = step()
    assert not Deaf.loses_next, "no answer was lost"
    return found


def test_a_claim_whose_answer_was_lost_gives_the_same_job_again(store, deaf):
    first = add(store)
    add(store)
    deaf.claim("another worker", "another app")  # by now Redis knows the script
    job = losing(lambda: deaf.claim(WORKER, APP))
    assert (job.id, job.attempts) == (first.id, 1)
    assert [beat.job_id for beat in store.running()] == [first.id]


def test_an_end_whose_answer_was_lost_counts_and_is_told_so(store, deaf):
    add(store)
    job = claim(deaf)
    assert losing(lambda: finish(deaf, job))
    assert store.result_of(now_of(store, job)) == RESULT


def test_a_job_whose_acknowledgement_was_lost_is_there_once(store, deaf):
    add(deaf)
    job = a_job()
    assert losing(lambda: deaf.add(job, b"1")) == job
    assert [found.id for found in store.find(JobQuery(limit=1))] == [job.id]
    assert len(store.find(JobQuery())) == 2


# -- other processes --------------------------------------------------------------------------------------------------


def test_scripts_that_redis_has_forgotten_are_brought_again(client, store):
    add(store)
    client.script_flush()
    assert finish(store, claim(store))


def test_the_environment_names_another_address_for_workers(client, store, monkeypatch):
    described = store.describe()
    kept = client.connection_pool.connection_kwargs
    monkeypatch.setenv(REDIS_VARIABLE, f"redis://127.0.0.1:{kept['port']}/{kept['db'] + 1}")
    add(store)
    elsewhere = open_store(described)
    assert elsewhere.find(JobQuery()) == []
    elsewhere.close()


def test_a_worker_keeps_failures_as_long_as_the_pool_says(client):
    described = RedisJobStore(for_server(client), failure_ttl=7.0).describe()
    store = open_store(described)
    add(store)
    job = claim(store)
    fail(store, job)
    found = now_of(store, job)
    assert found.expires_at == pytest.approx(found.ended_at + 7.0)
    store.close()


def test_many_jobs_of_a_pipeline_at_its_limit_keep_nobody_waiting(store):
    for _ in range(300):
        add(store, target="slow", concurrency=1, priority=9)
    claim(store)
    fast = add(store, target="fast")
    assert claim(store).id == fast.id
