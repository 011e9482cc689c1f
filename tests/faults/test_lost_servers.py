"""What becomes of a job when whoever took it, or the place where it lies, is gone for a while? It goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from chariots.errors import UnreachableError
from chariots.serving import PipelinesClient
from chariots.workers import JobStatus
from tests.faults.counting import counted, rounds, seconds
from tests.faults.jobs import MODULE, beginnings, kill, shop
from tests.frame.serving import wait_for_address
from tests.redis_server import RedisServer, free_port


@contextmanager
def serving(folder: Path, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Serves the app of the contracts, whose pool keeps a worker of its own."""
    environment = {
        **os.environ,
        "CHARIOTS_TEST_JOBS": f"sqlite:///{folder / 'db.sqlite'}",
        "CHARIOTS_TEST_FOLDER": str(folder),
        "CHARIOTS_TEST_WORKERS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "chariots", "serve", f"{MODULE}:app", "--port", str(port)]
    with log.open("ab") as output:
        server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        wait_for_address(server, log)
        yield server
    finally:
        server.terminate()
        server.wait(timeout=60)


def kill_all(server: subprocess.Popen[bytes]) -> None:
    """Kills a server and the processes that answer for it."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    server.kill()
    for child in children:
        kill(int(child))
    server.wait()


@pytest.mark.parametrize("takes_the_worker_along", [False, True])
def test_a_job_outlives_the_server_that_took_it(tmp_path: Path, takes_the_worker_along: bool) -> None:
    whom = "a server and its worker" if takes_the_worker_along else "a server"
    for number in range(rounds(10)):
        with counted(f"kill -9 of {whom} in the middle of a job"):
            folder, port = tmp_path / str(number), free_port()
            log = folder / "server.log"
            folder.mkdir()
            client = PipelinesClient(f"http://127.0.0.1:{port}")
            with serving(folder, port, log) as server:
                asked = client.call_pipeline("wait", str(folder), use_worker=True)
                _until(partial(beginnings, folder), "the beginning of the job")
                (worker,) = client.workers()
                kill_all(server)
                if takes_the_worker_along:
                    kill(worker.pid)
            (folder / "go").touch()
            with serving(folder, port, folder / "second.log"):
                done = client.wait(asked, timeout=120)
                assert (done.job_status, done.value) == (JobStatus.done, "went")
                assert len(beginnings(folder)) == (2 if takes_the_worker_along else 1)


def test_a_server_replaces_the_worker_it_has_lost(tmp_path: Path) -> None:
    for number in range(rounds(10)):
        with counted("kill -9 of the worker that a server keeps, in the middle of a job"):
            folder, port = tmp_path / str(number), free_port()
            folder.mkdir()
            client = PipelinesClient(f"http://127.0.0.1:{port}")
            with serving(folder, port, folder / "server.log"):
                asked = client.call_pipeline("wait", str(folder), use_worker=True)
                _until(partial(beginnings, folder), "the beginning of the job")
                child = client.workers()[0].pid
                watching = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
                kill(watching)
                kill(child)
                (folder / "go").touch()
                done = client.wait(asked, timeout=120)
                assert (done.job_status, done.value) == (JobStatus.done, "went")
                assert client.job(asked).deaths == 1


def test_a_job_outlives_the_end_of_redis(own_redis: RedisServer, tmp_path: Path) -> None:
    with shop(own_redis.url, tmp_path / "store") as opened:
        opened.hire()
        opened.wait_for_workers()
        for number in range(rounds(20)):
            with counted("kill -9 of Redis in the middle of a job"):
                folder = tmp_path / str(number)
                folder.mkdir()
                job = opened.ask("wait", str(folder))
                opened.until(partial(beginnings, folder), "the beginning of the job")
                own_redis.kill()
                (folder / "go").touch()  # it ends while there is nobody to tell
                time.sleep(0.2 * (number % 3))
                own_redis.start()
                ended = opened.end_of(job)
                assert (ended.status, ended.attempts) == (JobStatus.done, 1)


def test_while_redis_is_gone_nothing_is_half_queued_and_then_workers_go_on(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    with counted("Redis gone for 10 s"), shop(own_redis.url, tmp_path / "store") as opened:
        opened.hire()
        opened.wait_for_workers()
        before = opened.ask("echo", 1)
        opened.end_of(before)
        own_redis.stop()
        with pytest.raises(UnreachableError):
            opened.ask("echo", 2)
        time.sleep(seconds(10, 2))
        own_redis.start()
        assert sum(opened.counts().values()) == 1
        assert opened.end_of(opened.ask("echo", 3)).status is JobStatus.done


def test_a_clock_that_jumps_takes_no_job_from_its_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "store"
    with counted("a clock jumps an hour, there and back"), shop(f"sqlite:///{folder / 'db.sqlite'}", folder) as opened:
        opened.hire()
        opened.wait_for_workers()
        job = opened.ask("wait", str(tmp_path))  # from here on this process looks after it
        opened.until(partial(beginnings, tmp_path), "the beginning of the job")
        real = time.time
        for jump in (3600.0, -3600.0):
            monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
            time.sleep(5)
        monkeypatch.undo()
        (tmp_path / "go").touch()
        ended = opened.end_of(job)
        assert (ended.status, ended.attempts) == (JobStatus.done, 1)


def _until(look: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 120
    while not look():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.02)
