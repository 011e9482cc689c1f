"""Does a worker come, count, finish what it began, and go, also when Redis goes and comes?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis
from rq import SimpleWorker

from chariots.workers import JobStatus
from tests.workers.support import DEADLINE, Caller, eventually, one_worker


def begun(folder: Path) -> list[int]:
    """Waits until a `wait` job runs; gives the ids of the process it runs in and of its parent."""
    text = eventually(
        lambda: (folder / "begun").exists() and (folder / "begun").read_text(), "the beginning of the job"
    )
    return [int(word) for word in text.split()]


def gone(pid: int) -> bool:
    """Whether a process that is not our child has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_workers_count_while_they_live(own_jobs):
    pool = own_jobs.app.worker_pool
    assert pool.n_workers == 0
    with one_worker(pool):
        assert pool.n_workers == 1
    assert pool.n_workers == 0


def test_a_worker_that_is_asked_to_leave_finishes_its_job_first(own_jobs, tmp_path):
    caller = Caller(own_jobs)
    process = own_jobs.app.worker_pool.spawn_worker()
    queued = caller.call_pipeline("wait", str(tmp_path), use_worker=True)
    begun(tmp_path)
    assert caller.fetch_job(queued.job_id, "wait").job_status is JobStatus.running
    process.terminate()
    (tmp_path / "go").touch()
    assert process.wait(timeout=DEADLINE) == 0
    assert caller.fetch_job(queued.job_id, "wait").value == "went"


def test_a_worker_that_is_asked_twice_leaves_at_once_and_its_job_goes_back_to_the_queue(own_jobs, tmp_path):
    caller = Caller(own_jobs)
    process = own_jobs.app.worker_pool.spawn_worker()
    queued = caller.call_pipeline("wait", str(tmp_path), use_worker=True)
    inner, _ = begun(tmp_path)

    def ask() -> bool:
        process.terminate()  # two signals within a second count as one, for a supervisor may send both
        return process.poll() is not None

    eventually(ask, "the end of the worker")
    assert gone(inner)
    assert caller.fetch_job(queued.job_id, "wait").job_status is JobStatus.queued


def test_a_worker_that_leaves_takes_its_second_process_along(own_jobs):
    caller = Caller(own_jobs)
    with one_worker(own_jobs.app.worker_pool):
        inner = caller.job("where").value[0]
    eventually(lambda: gone(inner), "the end of the second process")


def test_a_job_asked_for_before_there_is_a_worker_waits_for_one(own_jobs):
    caller = Caller(own_jobs)
    queued = caller.call_pipeline("echo", "early", use_worker=True)
    assert caller.fetch_job(queued.job_id, "echo").job_status is JobStatus.queued
    with one_worker(own_jobs.app.worker_pool):
        assert caller.end_of(queued, "echo").value == "early"


def test_workers_of_other_queues_and_dead_ones_do_not_count(own_jobs):
    pool = own_jobs.app.worker_pool
    other = SimpleWorker(["other_queue"], connection=pool.redis)
    other.register_birth()
    pool.redis.sadd("rq:workers:chariots_workers", "rq:worker:died-without-a-word")
    assert pool.n_workers == 0
    other.register_death()


def test_a_silent_worker_counts_for_some_seconds_at_most(own_jobs):
    pool = own_jobs.app.worker_pool
    with one_worker(pool):
        (key,) = pool.redis.smembers("rq:workers:chariots_workers")
        eventually(lambda: 0 < pool.redis.ttl(key) <= 8, "the short lease")


def test_the_job_of_a_worker_that_was_killed_is_run_by_another(own_jobs, tmp_path):
    caller, pool = Caller(own_jobs), own_jobs.app.worker_pool
    process = pool.spawn_worker()
    queued = caller.call_pipeline("wait", str(tmp_path), use_worker=True)
    inner, _ = begun(tmp_path)
    process.kill()
    process.wait(timeout=DEADLINE)
    eventually(lambda: gone(inner), "the end of the process that ran the job")
    (tmp_path / "go").touch()
    with one_worker(pool):
        assert caller.end_of(queued, "wait").value == "went"
    job = pool.job(queued.job_id)
    assert (job.attempts, job.deaths) == (2, 1)


def test_a_worker_outlasts_a_restart_of_redis(own_jobs, own_redis):
    caller = Caller(own_jobs)
    with one_worker(own_jobs.app.worker_pool):
        own_redis.kill()
        own_redis.start()
        assert caller.job("echo", "again").value == "again"


def test_a_job_outlasts_a_restart_of_redis(own_jobs, own_redis, tmp_path):
    caller = Caller(own_jobs)
    with one_worker(own_jobs.app.worker_pool):
        queued = caller.call_pipeline("wait", str(tmp_path), use_worker=True)
        begun(tmp_path)
        own_redis.kill()
        (tmp_path / "go").touch()
        own_redis.start()
        assert caller.end_of(queued, "wait").value == "went"


def test_no_process_has_the_password_on_its_command_line(own_jobs, own_redis, tmp_path, monkeypatch):
    Redis.from_url(own_redis.url).config_set("requirepass", "opensesame")
    url = f"redis://:opensesame@127.0.0.1:{own_redis.port}/0"
    from chariots.workers import RQWorkerPool

    pool = RQWorkerPool(redis=Redis.from_url(url))
    monkeypatch.setattr(own_jobs.app, "worker_pool", pool)
    caller = Caller(own_jobs)
    with one_worker(pool) as outer:
        inner = caller.job("where").value[0]
        lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (outer, inner)]
    assert all(b"tests.workers.apps.jobs:app" in line for line in lines)
    assert not any(b"opensesame" in line for line in lines)


def worker(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs ``chariots worker`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "chariots", "worker", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import a_package_nobody_has", "No module named 'a_package_nobody_has'"),
        ("raise SystemExit(7)", "importing the app ended the process"),
        ("from chariots import PipelinesServer\napp = PipelinesServer([])", "the app has no worker pool"),
        ("app = 3", "that is a int"),
        ("", "has no 'app'"),
    ],
)
def test_an_app_that_cannot_be_worked_for_ends_the_worker_with_the_reason(tmp_path, source, told):
    (tmp_path / "odd_app.py").write_text(source)
    ended = worker("odd_app:app", folder=tmp_path)
    assert ended.returncode == 1
    assert told in ended.stderr
    assert "a worker for 'odd_app:app' was asked for" in ended.stderr
