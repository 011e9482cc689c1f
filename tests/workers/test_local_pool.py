"""Where do the jobs of a server lie that says nothing, or something wrong, about it?"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chariots import Chariots
from chariots.errors import ConflictError
from chariots.op_store import OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.pipelines import PipelinesServer
from chariots.testing.pool_contract import eventually
from chariots.workers import Job, JobOptions, JobQuery, JobStatus, LocalWorkerPool, local_pool
from chariots.workers.job_options import DAY
from chariots.workers.rules import new_job


def test_a_server_with_a_folder_has_its_jobs_there(tmp_path: Path) -> None:
    app = Chariots([], tmp_path)
    assert isinstance(app.worker_pool, LocalWorkerPool)
    assert app.worker_pool.jobs(JobQuery()) == []
    assert app.worker_pool.db_url is not None
    assert str(tmp_path / "db.sqlite") in app.worker_pool.db_url
    app.worker_pool.close()


def test_a_server_may_do_without_workers(tmp_path: Path) -> None:
    assert Chariots([], tmp_path, worker_pool=None).worker_pool is None


def test_a_pool_takes_the_database_of_an_op_store_in_the_same_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'versions.sqlite'}"
    store = OpStoreServer(FileSaver(str(tmp_path)), url)
    app = PipelinesServer([], op_store_client=store.client(), worker_pool=LocalWorkerPool())
    assert app.worker_pool.db_url == url


def test_a_database_that_was_given_wins(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    assert Chariots([], tmp_path / "store", worker_pool=LocalWorkerPool(url)).worker_pool.db_url == url


def test_without_a_database_the_setting_is_named() -> None:
    app = PipelinesServer([], worker_pool=LocalWorkerPool())
    with pytest.raises(ConflictError, match="db_url"):
        app.worker_pool.jobs(JobQuery())


@pytest.mark.parametrize("url", ["sqlite:///:memory:", "sqlite://"])
def test_the_memory_of_a_process_is_no_place_for_jobs(url: str) -> None:
    with pytest.raises(ValueError, match="other processes"):
        LocalWorkerPool(url)


def test_a_negative_number_of_workers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="workers=-1"):
        LocalWorkerPool(f"sqlite:///{tmp_path / 'jobs.sqlite'}", workers=-1)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[LocalWorkerPool]:
    """One that starts no worker."""
    pool = LocalWorkerPool(f"sqlite:///{tmp_path / 'store' / 'jobs.sqlite'}", workers=0)
    yield pool
    pool.close()


def leave_a_job(pool: LocalWorkerPool) -> None:
    """Puts a job there as an earlier server has left it."""
    job = new_job("my_app:app", "pipeline", "p", JobOptions(), input_sha256="", input_size=2, result_ttl=DAY)
    pool.job_store.add(job, b"{}")


def test_a_job_that_has_failed_again_by_the_time_that_one_looks_was_run_again(
    pool: LocalWorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_a_job(pool)

    def fail() -> Job:
        job = pool.job_store.claim("a worker", "my_app:app")
        assert job is not None
        assert pool.job_store.settle(replace(job, status=JobStatus.failed))
        found = pool.job_store.get(job.id)
        assert found is not None
        return found

    failed, queue = fail(), pool.job_store.rerun

    def queue_and_fail(job_id: str) -> Job:
        queue(job_id)
        return fail()

    monkeypatch.setattr(pool.job_store, "rerun", queue_and_fail)
    again = pool.rerun(failed.id)
    assert (again.status, again.reruns) == (JobStatus.failed, 1)
    monkeypatch.setattr(pool.job_store, "rerun", pool.job_store.get)  # as where the input is gone
    with pytest.raises(ConflictError, match="its input is gone"):
        pool.rerun(failed.id)


@pytest.fixture
def looks_after_jobs() -> Callable[[], bool]:
    """Tells whether a thread does that was not there when the test began."""
    others = set(threading.enumerate())
    return lambda: any(thread.name == "chariots-jobs" for thread in set(threading.enumerate()) - others)


def test_a_server_that_starts_again_goes_on_with_the_jobs_that_were_left(
    pool: LocalWorkerPool, looks_after_jobs: Callable[[], bool]
) -> None:
    leave_a_job(pool)
    pool.resume()
    eventually(looks_after_jobs, "a thread that looks after jobs")


def test_whoever_calls_first_does_not_wait_until_it_is_known_which_jobs_were_left(
    pool: LocalWorkerPool, looks_after_jobs: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_pool, "_RESUME_SECONDS", 0.0)
    asked, answered = threading.Event(), threading.Event()

    def find(_: JobQuery) -> list[object]:
        asked.set()
        answered.wait(30)
        return []

    leave_a_job(pool)
    monkeypatch.setattr(pool.job_store, "find", find)
    pool.resume()
    assert asked.wait(30)
    answered.set()
    pool.close()
    assert not looks_after_jobs()


def test_a_pool_that_is_closed_asks_for_no_jobs_any_more(
    pool: LocalWorkerPool, looks_after_jobs: Callable[[], bool]
) -> None:
    leave_a_job(pool)
    pool.resume()
    pool.close()
    assert not looks_after_jobs()


def test_jobs_that_cannot_be_reached_are_told_in_the_log(
    pool: LocalWorkerPool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local_pool, "_RESUME_SECONDS", 0.0)
    pool.job_store.close()
    (Path(pool.db_url.removeprefix("sqlite:///"))).write_bytes(b"no database" * 1000)
    pool.resume()
    eventually(lambda: "cannot be reached" in caplog.text, "a warning")


def test_a_folder_that_is_gone_is_not_made_again(
    pool: LocalWorkerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_pool, "_RESUME_SECONDS", 0.0)
    shutil.rmtree(tmp_path / "store")
    pool.resume()
    pool._resuming.join()
    assert not (tmp_path / "store").exists()
