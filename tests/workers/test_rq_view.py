"""Do RQ's own tools tell the truth about our jobs and workers, and can nothing that is done to them change a job?"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from redis import Redis
from rq import Queue, SimpleWorker, Worker
from rq.exceptions import NoSuchJobError
from rq.job import Job as RQJob
from rq.registry import (
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)
from rq.serializers import JSONSerializer

from chariots.workers.in_redis.connection import for_server
from chariots.workers.in_redis.store import RedisJobStore
from chariots.workers.job import Job, WorkerInfo
from chariots.workers.job_options import JobOptions
from chariots.workers.job_status import JobStatus
from chariots.workers.rules import Canceled, Raised, Released, Succeeded, ended, new_job
from tests.workers.redis_support import emptied

APP, WORKER, BODY = "view:app", "worker-1", b'{"number": 1}'
WHERE = {
    "started": StartedJobRegistry,
    "finished": FinishedJobRegistry,
    "failed": FailedJobRegistry,
    "canceled": CanceledJobRegistry,
    "deferred": DeferredJobRegistry,
    "scheduled": ScheduledJobRegistry,
}


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


def add(store: RedisJobStore, **options: object) -> Job:
    """Keeps a new job."""
    given = JobOptions(**options)
    job = new_job(APP, "pipeline", "train", given, input_sha256="", input_size=len(BODY), result_ttl=3600.0)
    return store.add(job, BODY)


def claim(store: RedisJobStore) -> Job:
    """Takes the next job."""
    job = store.claim(WORKER, APP)
    assert job is not None
    return job


def shown(client: Redis, job: Job) -> RQJob:
    """A job as RQ tells of it."""
    return RQJob.fetch(job.id, connection=client, serializer=JSONSerializer)


def places(client: Redis, job: Job) -> set[str]:
    """Where RQ sees a job: in the queue, or in which registries."""
    queue = Queue("chariots_workers", connection=client, serializer=JSONSerializer)
    listed = {name: kind(queue=queue).get_job_ids() for name, kind in WHERE.items()}
    listed["queued"] = queue.get_job_ids()
    # Some releases of RQ name the execution behind the id.
    return {name for name, ids in listed.items() if job.id in {each.partition(":")[0] for each in ids}}


def seen(client: Redis, job: Job) -> tuple[str, set[str]]:
    """The status and the place of a job in the eyes of RQ."""
    return str(shown(client, job).get_status().value), places(client, job)


# -- jobs -------------------------------------------------------------------------------------------------------------


def test_a_job_that_waits_is_in_the_queue(client, store):
    job = add(store)
    assert seen(client, job) == ("queued", {"queued"})
    assert len(Queue("chariots_workers", connection=client)) == 1


def test_a_job_names_one_function_and_its_id_as_json(client, store):
    job = add(store, timeout=90.0)
    found = shown(client, job)
    assert (found.func_name, list(found.args), found.timeout) == ("chariots.workers.rq_jobs.run_job", [job.id], 90)
    assert found.meta == {"app": APP, "kind": "pipeline", "target": "train"}
    payload = zlib.decompress(client.hget(f"rq:job:{job.id}", "data"))
    assert json.loads(payload) == ["chariots.workers.rq_jobs.run_job", None, [job.id], {}]


def test_a_job_that_runs_says_since_when_and_where(client, store):
    add(store)
    job = claim(store)
    assert seen(client, job) == ("started", {"started"})
    found = shown(client, job)
    assert found.worker_name == WORKER
    assert found.started_at.timestamp() == pytest.approx(job.started_at, abs=1e-3)


def test_a_job_that_is_done_is_finished_until_it_expires(client, store):
    add(store)
    job = claim(store)
    store.settle(ended(job, Succeeded()), b"1")
    assert seen(client, job) == ("finished", {"finished"})
    assert shown(client, job).ended_at is not None
    assert 0 < client.ttl(f"rq:job:{job.id}") <= 3600


def test_a_job_that_failed_says_why(client, store):
    add(store)
    job = claim(store)
    store.settle(ended(job, Raised({"detail": "the op divided by zero"}, is_final=True)))
    assert seen(client, job) == ("failed", {"failed"})
    assert zlib.decompress(client.hget(f"rq:job:{job.id}", "exc_info")) == b"the op divided by zero"


def test_a_job_that_was_canceled_is_seen_as_such(client, store):
    waiting = add(store)
    store.cancel(waiting.id)
    assert seen(client, waiting) == ("canceled", {"canceled"})
    add(store)
    running = claim(store)
    store.settle(ended(running, Canceled()))
    assert seen(client, running) == ("canceled", {"canceled"})


def test_a_job_that_waits_for_a_time_or_another_job_is_seen_as_such(client, store):
    parent = add(store)
    child = add(store, after=(parent.id,))
    later = add(store, at=time.time() + 1e6)
    assert seen(client, child) == ("deferred", {"deferred"})
    assert seen(client, later) == ("scheduled", {"scheduled"})
    store.settle(ended(claim(store), Succeeded()), b"1")
    assert seen(client, child) == ("queued", {"queued"})


def test_a_job_that_is_given_back_or_run_again_is_in_the_queue_again(client, store):
    add(store)
    store.settle(ended(claim(store), Released()))
    job = claim(store)
    store.settle(ended(job, Raised({"detail": "no"}, is_final=True)))
    store.rerun(job.id)
    assert seen(client, job) == ("queued", {"queued"})
    assert client.ttl(f"rq:job:{job.id}") == -1


def test_a_job_whose_result_is_gone_is_gone_for_rq(client, store):
    add(store)
    job = claim(store)
    store.settle(replace(ended(job, Succeeded()), expires_at=1.0), b"1")
    store.expire()
    with pytest.raises(NoSuchJobError):
        shown(client, job)
    assert places(client, job) == set()


# -- workers ----------------------------------------------------------------------------------------------------------


def test_workers_are_seen_with_the_job_at_hand(client, store):
    add(store)
    job = claim(store)
    store.greet(WorkerInfo(WORKER, APP, "host", 17, 1.5, job.id))
    (worker,) = Worker.all(connection=client, serializer=JSONSerializer)
    assert (worker.name, worker.hostname, worker.pid) == (WORKER, "host", 17)
    assert worker.get_state() == "busy"
    assert worker.get_current_job_id() == job.id
    assert worker.queue_names() == ["chariots_workers"]
    assert worker.birth_date.timestamp() == 1.5


def test_a_worker_that_waits_has_no_job(client, store):
    store.greet(WorkerInfo(WORKER, APP, "host", 17, 1.5, "some job"))
    store.greet(WorkerInfo(WORKER, APP, "host", 17, 1.5))
    (worker,) = Worker.all(queue=Queue("chariots_workers", connection=client))
    assert (worker.get_state(), worker.get_current_job_id()) == ("idle", None)


def test_a_worker_that_parts_or_falls_silent_is_seen_no_more(client, store):
    for name in ("one", "two"):
        store.greet(WorkerInfo(name, APP, "host", 17, 1.5))
    assert 0 < client.ttl("rq:worker:one") <= 8
    store.part("one")
    client.delete("rq:worker:two", "chariots:worker:two")  # as when its time is over
    assert store.workers() == []
    assert Worker.all(connection=client) == []
    assert client.smembers("rq:workers") == client.smembers("rq:workers:chariots_workers") == set()


def test_workers_of_plain_rq_are_not_ours(client, store):
    for queue in ("chariots_workers", "another"):
        SimpleWorker([queue], connection=client).register_birth()
    assert store.workers() == []


def test_rq_info_shows_jobs_and_workers(client, store):
    add(store)
    store.greet(WorkerInfo(WORKER, APP, "host", 17, 1.5))
    kept = client.connection_pool.connection_kwargs
    url = f"redis://127.0.0.1:{kept['port']}/{kept['db']}"
    told = subprocess.run(
        [sys.executable, "-m", "rq.cli", "info", "--url", url, "--raw"], capture_output=True, text=True, timeout=60
    )
    assert "queue chariots_workers 1" in told.stdout, told.stderr
    assert WORKER in told.stdout


# -- nothing that is done to RQ's keys changes a job ------------------------------------------------------------------


def test_a_worker_of_plain_rq_refuses_and_the_job_is_not_lost(client, store):
    job = add(store)
    SimpleWorker(["chariots_workers"], connection=client, serializer=JSONSerializer).work(burst=True)
    refused = shown(client, job)
    assert refused.get_status() == "failed"
    assert "chariots worker module:app" in str(refused.latest_result().exc_string)
    assert claim(store).id == job.id
    assert store.settle(ended(replace(job, token=1), Succeeded()), b"1")
    assert seen(client, job) == ("finished", {"finished"})


def test_a_function_that_somebody_else_queued_is_never_run(client, store):
    queue = Queue("chariots_workers", connection=client, serializer=JSONSerializer)
    foreign = queue.enqueue("os.getcwd")
    assert store.claim(WORKER, APP) is None
    job = add(store)
    assert claim(store).id == job.id
    assert store.claim(WORKER, APP) is None
    assert foreign.get_status() == "queued"
    assert queue.get_job_ids() == [foreign.id]


def test_a_job_written_by_hand_in_our_name_is_never_run(client, store):
    queue = Queue("chariots_workers", connection=client, serializer=JSONSerializer)
    queue.enqueue("chariots.workers.rq_jobs.run_job", args=("f" * 32,))
    assert store.claim(WORKER, APP) is None


def test_a_job_outlives_the_loss_of_all_that_rq_sees(client, store):
    job = add(store)
    for key in client.keys("rq:*"):
        client.delete(key)
    assert claim(store).id == job.id
    for key in client.keys("rq:*"):
        client.delete(key)
    assert store.settle(ended(replace(job, token=1), Succeeded()), b"1")
    found = store.get(job.id)
    assert found is not None
    assert found.status is JobStatus.done


@pytest.mark.parametrize("how", ["cancel", "delete", "requeue"])
def test_what_somebody_does_to_a_job_with_rq_changes_nothing(client, store, how):
    job = add(store)
    found = shown(client, job)
    if how == "requeue":
        Queue("chariots_workers", connection=client, serializer=JSONSerializer).enqueue_job(found)
    else:
        getattr(found, how)()
    assert store.get(job.id) == job
    assert claim(store).id == job.id
    assert store.claim(WORKER, APP) is None
