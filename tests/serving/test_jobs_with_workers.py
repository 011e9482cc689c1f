"""Do jobs go through HTTP, the embedded pool and its worker processes, and back?"""

from __future__ import annotations

import importlib
import sys

import pytest

from chariots.serving import PipelinesClient
from chariots.testing.pool_contract import eventually
from chariots.workers import JobStatus
from chariots.workers.job import LogLine, Progress
from tests.serving.support import Http, live

MODULE = "tests.workers.apps.contract"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def app(folder):
    """An app as a worker imports it, with one worker of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARIOTS_TEST_JOBS", f"sqlite:///{folder / 'store' / 'db.sqlite'}")
        patch.setenv("CHARIOTS_TEST_FOLDER", str(folder / "store"))
        patch.delitem(sys.modules, MODULE, raising=False)
        app = importlib.import_module(MODULE).app
        worker = app.worker_pool.spawn_worker()
        yield app
        worker.terminate()
        worker.wait(60)
        sys.modules.pop(MODULE, None)


@pytest.fixture(scope="module")
def url(app):
    with live(app) as url:
        yield url


@pytest.fixture
def client(url):
    return PipelinesClient(url)


def test_a_call_comes_back_from_a_worker(client):
    asked = client.call_pipeline("echo", {"a": [1, None]}, use_worker=True)
    done = client.wait(asked, timeout=60)
    assert (done.value, done.job_status, set(done.versions)) == ({"a": [1, None]}, JobStatus.done, {"echo"})
    assert client.fetch_job(asked.job_id, "echo").value == {"a": [1, None]}


def test_a_failure_comes_back_with_its_stack(client):
    failed = client.wait(client.enqueue("fail", "no such flower"), timeout=60)
    with pytest.raises(Exception, match="no such flower") as raised:
        failed.raise_for_failure()
    assert "raise LookupError" in str(raised.value.__cause__)


def test_progress_and_log_are_streamed_while_the_worker_works(client, tmp_path):
    told = []
    for event in client.stream(client.enqueue("steps", str(tmp_path))):
        told.append(event.data)
        if isinstance(event.data, Progress) and event.data.current == 2:
            (tmp_path / "go").touch()
    assert {"steps: step 1 taken", "steps: step 2 taken"} <= {line.text for line in told if isinstance(line, LogLine)}
    assert told[-1].status is JobStatus.done


def test_a_job_that_runs_is_stopped(client, tmp_path):
    job = client.enqueue("wait", str(tmp_path))
    eventually(lambda: (tmp_path / "begun").exists(), "the beginning of the job")
    asked = client.cancel(job)
    assert asked.status is JobStatus.canceled or asked.cancel_requested
    assert client.wait(job, timeout=60).job_status is JobStatus.canceled


def test_what_failed_runs_again_with_its_input(client, tmp_path):
    job = client.enqueue("fail_twice", str(tmp_path / "counted"))
    for _ in range(2):
        assert client.wait(job, timeout=60).job_status is JobStatus.failed
        client.rerun(job)
    assert client.wait(job, timeout=60).value == 3


def test_retries_come_by_themselves(client, tmp_path):
    job = client.enqueue("fail_twice", str(tmp_path / "counted"), retries={"attempts": 3, "base": 0.01})
    assert client.wait(job, timeout=60).value == 3


def test_a_promotion_waits_for_its_training(client):
    training = client.enqueue("learn", [1.0, 2.0, 6.0])
    promotion = client.enqueue("mean", kind="promote", after=training)
    assert client.wait(promotion, timeout=60).raise_for_failure().job_status is JobStatus.done
    assert client.job(training).versions_produced.keys() == {"mean"}


def test_a_large_input_arrives_whole(client):
    value = [float(number) for number in range(200_000)]
    training = client.enqueue("learn", value)
    client.wait(client.enqueue("mean", kind="promote", after=training), timeout=60).raise_for_failure()
    client.load_pipeline("mean")
    assert client.call_pipeline("mean", 0).value == sum(value) / len(value)


def test_a_result_that_is_kept_for_no_time_is_gone(client, url):
    job = client.enqueue("echo", 1, result_ttl=0)
    eventually(lambda: client.job(job).is_expired, "the end of the time of the result")
    assert Http(url).request("GET", f"/jobs/{job.id}/result").status == 410


def test_the_jobs_of_the_app_and_its_workers_are_listed(client):
    job = client.enqueue("echo", 1, idempotency_key="listed")
    client.wait(job, timeout=60)
    assert job.id in {found.id for found in client.jobs("done", "echo")}
    assert [worker.app for worker in client.workers()] == [job.app]


def test_once_a_job_is_done_its_key_gives_its_answer(client):
    first = client.wait(client.call_pipeline("echo", 7, idempotency_key="once"), timeout=60)
    again = client.call_pipeline("echo", 7, idempotency_key="once")
    assert (again.job_id, again.value, again.job_status) == (first.job_id, 7, JobStatus.done)
