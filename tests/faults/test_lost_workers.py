"""What becomes of a job when whatever runs it, or watches that, is killed or halted? It ends, once."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from chariots.workers import JobStatus
from tests.faults.counting import LIMIT, counted, rounds
from tests.faults.jobs import Shop, beginnings, kill, shop

PLACES = ["SQLite", "PostgreSQL", "Redis"] if LIMIT >= 100 else ["SQLite", "Redis"]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    """Where the jobs lie: each of the three in turn."""
    return str(request.param)


@pytest.fixture
def open_shop(request: pytest.FixtureRequest, place: str, tmp_path: Path) -> Iterator[Shop]:
    """The app on that place."""
    folder = tmp_path / "store"
    match place:
        case "SQLite":
            url = f"sqlite:///{folder / 'db.sqlite'}"
        case "PostgreSQL":
            url = request.getfixturevalue("postgres_database")
        case _:
            url = request.getfixturevalue("own_redis").url
    with shop(url, folder) as opened:
        yield opened


def test_a_storm_of_kills_loses_no_job_and_does_none_twice(open_shop: Shop, place: str) -> None:
    jobs, kills = (400, 50) if LIMIT >= 100 else (24, 3)
    chance = random.Random(place)
    open_shop.hire(2)
    open_shop.wait_for_workers(2)
    asked = [open_shop.ask("learn", [number, number + 1]) for number in range(jobs)]
    for _ in range(kills):
        time.sleep(chance.uniform(0.0, 0.5))
        children = [worker.pid for worker in open_shop.pool.workers()]
        victims = [*children, open_shop.workers[-1].pid]
        victim = chance.choice(victims)
        kill(victim)
        if victim == open_shop.workers[-1].pid:
            open_shop.workers[-1].wait()
            open_shop.hire(2)
    for job in asked:
        with counted(f"a job in a storm of kills ({place})"):
            ended = open_shop.end_of(job)
            assert ended.status in (JobStatus.done, JobStatus.failed)
            if ended.status is JobStatus.done:
                assert open_shop.saves_of(job) == 1
            else:
                assert ended.deaths >= 3
                assert open_shop.saves_of(job) <= 1
    assert sum(open_shop.counts().values()) == jobs


@pytest.mark.parametrize("victim", ["child", "worker"])
def test_a_job_is_done_once_whoever_is_killed_in_the_middle_of_it(
    open_shop: Shop, place: str, victim: str, tmp_path: Path
) -> None:
    chance = random.Random(f"{place} {victim}")
    open_shop.hire()
    for _ in range(rounds(100)):
        with counted(f"kill -9 of a {victim} in the middle of a job ({place})"):
            open_shop.wait_for_workers()
            job = open_shop.ask("learn", [chance.random()])
            time.sleep(chance.uniform(0.0, 0.06))
            if victim == "child":
                kill(open_shop.pool.workers()[0].pid)
            else:
                open_shop.workers[-1].kill()
                open_shop.workers[-1].wait()
                open_shop.hire()
            ended = open_shop.end_of(job)
            assert ended.status is JobStatus.done
            assert open_shop.saves_of(job) == 1


def test_a_job_of_a_worker_that_died_is_begun_again_within_the_stated_time(
    open_shop: Shop, place: str, tmp_path: Path
) -> None:
    with counted(f"a worker dies, another takes its job ({place})"):
        first = open_shop.hire()
        open_shop.wait_for_workers()
        job = open_shop.ask("wait", str(tmp_path))
        open_shop.until(partial(beginnings, tmp_path), "the beginning of the job")
        open_shop.hire()
        open_shop.wait_for_workers(2)
        kill(first.pid)
        first.wait()
        open_shop.until(lambda: len(beginnings(tmp_path)) == 2, "the second beginning")
        begun = open_shop.pool.job(job.id)
        (tmp_path / "go").touch()
        assert (begun.attempts, begun.deaths) == (2, 1)
        assert "no sign of life for 8 s" in str((begun.error or {}).get("detail"))
        assert open_shop.end_of(job).status is JobStatus.done


def test_a_halted_process_is_taken_for_dead_and_cannot_write_when_it_comes_back(
    open_shop: Shop, place: str, tmp_path: Path
) -> None:
    with counted(f"a halted process comes back late ({place})"):
        worker = open_shop.hire()
        open_shop.wait_for_workers()
        job = open_shop.ask("wait", str(tmp_path))
        open_shop.until(partial(beginnings, tmp_path), "the beginning of the job")
        child = int(beginnings(tmp_path)[0])
        for pid in (worker.pid, child):
            kill(pid, signal.SIGSTOP)
        open_shop.hire()
        open_shop.until(lambda: len(beginnings(tmp_path)) == 2, "the second beginning")
        begun = open_shop.pool.job(job.id)
        for pid in (child, worker.pid):
            kill(pid, signal.SIGCONT)
        time.sleep(0.5)  # time to do harm in; none is as good for a worker that does none
        (tmp_path / "go").touch()
        ended = open_shop.end_of(job)
        assert (ended.status, ended.token, ended.worker) == (JobStatus.done, begun.token, begun.worker)


def test_a_worker_asked_twice_to_leave_puts_its_job_back(open_shop: Shop, place: str, tmp_path: Path) -> None:
    with counted(f"SIGTERM twice ({place})"):
        worker = open_shop.hire()
        open_shop.wait_for_workers()
        job = open_shop.ask("wait", str(tmp_path))
        open_shop.until(partial(beginnings, tmp_path), "the beginning of the job")

        def left() -> bool:
            worker.terminate()
            time.sleep(0.3)
            return worker.poll() is not None

        open_shop.until(left, "the end of the worker")
        again = open_shop.pool.job(job.id)
        assert (again.status, again.deaths) == (JobStatus.queued, 0)
        (tmp_path / "go").touch()
        open_shop.hire()
        assert open_shop.end_of(job).status is JobStatus.done


def test_a_worker_asked_to_leave_finishes_its_job_first(open_shop: Shop, place: str, tmp_path: Path) -> None:
    with counted(f"SIGTERM in the middle of a job ({place})"):
        worker = open_shop.hire()
        open_shop.wait_for_workers()
        job = open_shop.ask("wait", str(tmp_path))
        open_shop.until(partial(beginnings, tmp_path), "the beginning of the job")
        worker.terminate()
        (tmp_path / "go").touch()
        assert worker.wait(timeout=60) == 0
        ended = open_shop.pool.job(job.id)
        assert (ended.status, ended.attempts) == (JobStatus.done, 1)


def test_an_output_that_is_too_large_fails_the_job_and_not_the_worker(open_shop: Shop, place: str) -> None:
    with counted(f"a result beyond the limit ({place})"):
        open_shop.hire()
        job = open_shop.end_of(open_shop.ask("echo", "x" * 3_000_000))  # the app of the contracts allows two
        assert job.status is JobStatus.failed
        assert "max_result_bytes" in str((job.error or {}).get("detail"))
        assert open_shop.end_of(open_shop.ask("echo", 1)).status is JobStatus.done
