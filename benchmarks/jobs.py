"""What does a job cost, beside the same job on RQ's own workers and on huey? And a large one, in memory?

One worker each, an app that imports scikit-learn, an empty pipeline; jobs are queued before the worker starts, and
their rate is that between the first end and the last. Redis keeps an append-only file, synced every second. huey syncs
nothing, keeps no versions, and loses the job of a worker that is killed.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.table import Row, interleaved, median
from tests.redis_server import find_redis_binary, free_port

FOLDER, PLACE = "CHARIOTS_BENCHMARK_FOLDER", "CHARIOTS_BENCHMARK_JOBS"  # as `benchmarks.jobs_app` has them
ROOT = Path(__file__).resolve().parents[1]
APP = "benchmarks.jobs_app"
MIB = 2**20


def main(short: bool = False) -> list[Row]:
    """Measures jobs.

    Args:
        short: fewer jobs and rounds.

    Returns:
        the rows of the table.
    """
    jobs, rounds, trips = (60, 1, 40) if short else (400, 5, 300)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(redis_server(folder))
        return [
            *drained(folder, redis, jobs, rounds),
            *round_trips(folder, redis, trips),
            *large_inputs(folder, redis, 10 if short else 50),
        ]


# -- how many a second --------------------------------------------------------------------------------------------


def drained(folder: Path, redis: str, jobs: int, rounds: int) -> list[Row]:
    """How fast one worker gets through a queue, in turn with its peers."""
    rates = interleaved(
        {
            "RQ pool": lambda: rate_of_ours(redis, fresh(folder), jobs),
            "rq worker": lambda: rate_of_rq("rq worker", redis, fresh(folder), jobs),
            "SimpleWorker": lambda: rate_of_rq("SimpleWorker", redis, fresh(folder), jobs),
            "embedded pool": lambda: rate_of_ours(None, fresh(folder), jobs),
            "huey": lambda: rate_of_huey(fresh(folder), jobs),
        },
        rounds,
    )
    found = {name: median(values) for name, values in rates.items()}

    def row(ours: str, peer: str, target: float) -> Row:
        note = f"{ours} {found[ours]:.0f} jobs/s, {peer} {found[peer]:.0f}"
        return Row("jobs", f"{ours}: jobs a second / {peer}", found[ours] / found[peer], "x", target, ">=", note)

    return [row("RQ pool", "rq worker", 5.0), row("RQ pool", "SimpleWorker", 0.9), row("embedded pool", "huey", 0.5)]


def rate_of_ours(redis: str | None, folder: Path, jobs: int) -> float:
    """Jobs a second of our worker, in a place of its own."""
    with asking(place_in(folder) if redis is None else redis, folder) as (app, environment):
        pool = app.worker_pool
        asked = [pool.execute_pipeline_async(app.served["empty"].current.pipeline, None, app) for _ in range(jobs)]
        with process("-m", "chariots", "worker", f"{APP}:app", **environment):
            ended = [wait_for(lambda each=each: pool.job(each).ended_at) for each in asked]
    return rate(ended)


def rate_of_rq(kind: str, redis: str, folder: Path, jobs: int) -> float:
    """Jobs a second of a worker of RQ that has imported the app before."""
    from redis import Redis
    from rq import Queue

    queue = Queue("benchmark", connection=Redis.from_url(redis))
    asked = [queue.enqueue("benchmarks.jobs_peers.run_empty") for _ in range(jobs)]
    with process("-m", "benchmarks.jobs_peers", kind, **{PLACE: redis, FOLDER: str(folder)}) as worker:
        worker.wait()
    for job in asked:
        job.refresh()
    return rate([job.ended_at.timestamp() for job in asked if job.ended_at is not None])


def rate_of_huey(folder: Path, jobs: int) -> float:
    """Jobs a second of one process of huey."""
    environment = {PLACE: place_in(folder), FOLDER: str(folder), "CHARIOTS_BENCHMARK_HUEY": str(folder / "huey.sqlite")}
    with patched(environment), imported("benchmarks.jobs_peers", APP) as peers:
        asked = [peers.run_empty_in_huey() for _ in range(jobs)]
        command = ("-m", "huey.bin.huey_consumer", "benchmarks.jobs_peers.huey", "-w1", "-k", "process", "-q")
        with process(*command, **environment):
            return rate([wait_for(lambda each=each: each.get(preserve=True)) for each in asked])


def rate(ended: list[float]) -> float:
    """Jobs a second, from the first end to the last."""
    return (len(ended) - 1) / (max(ended) - min(ended))


# -- how long one takes -------------------------------------------------------------------------------------------


def round_trips(folder: Path, redis: str, trips: int) -> Iterator[Row]:
    """How long an empty job takes: asked for over HTTP, run by a worker, its result seen by the client that waits."""
    for name, url in (("embedded pool", None), ("RQ pool", redis)):
        place = fresh(folder)
        environment = {PLACE: url or place_in(place), FOLDER: str(place)}
        with serving(environment) as (client, _), process("-m", "chariots", "worker", f"{APP}:app", **environment):
            took = sorted(trip(client) for _ in range(trips + 20))[: trips + 20]
        yield Row("jobs", f"{name}: round trip of an empty job, p50", median(took) * 1e3, "ms", 10, "<=", "over HTTP")
        yield Row("jobs", f"{name}: the same, p99", took[int(len(took) * 0.99) - 1] * 1e3, "ms", 50)


def trip(client: Any) -> float:
    """Seconds that one empty job takes."""
    began = time.perf_counter()
    if client.wait(client.call_pipeline("empty", use_worker=True), timeout=120).job_status.value != "done":
        raise AssertionError("an empty job failed")
    return time.perf_counter() - began


# -- how much room a large one takes ------------------------------------------------------------------------------


def large_inputs(folder: Path, redis: str, size: int) -> Iterator[Row]:
    """The peak of memory while an input of so many mebibytes passes, beside its size."""
    inputs = {
        "text": "x" * (size * MIB),
        "matrix": [[random.random() for _ in range(100)] for _ in range(size * MIB // 2050)],
    }
    for name, url in (("embedded pool", None), ("RQ pool", redis)):
        for kind, value in inputs.items():
            place = fresh(folder)
            environment = {PLACE: url or place_in(place), FOLDER: str(place)}
            with (
                serving(environment) as (client, server),
                process("-m", "chariots", "worker", f"{APP}:app", **environment),
            ):
                client.wait(client.call_pipeline("length", [1], use_worker=True), timeout=120)
                found = child_of(server.pid), worker_pid(environment)
                before = [reset_peak(pid) for pid in found]
                client.wait(client.call_pipeline("length", value, use_worker=True), timeout=300)
                length = len(json.dumps(value))
                for process_name, pid, start in zip(("server", "worker"), found, before, strict=True):
                    extra = (peak(pid) - start) / length
                    what = f"{name}: {length / MIB:.0f} MiB of {kind}, peak of the {process_name}"
                    yield Row("jobs", what, extra, "inputs", 2.5)


def reset_peak(pid: int) -> int:
    """Forgets the peak of a process so far; gives what it has now, in bytes."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak(pid)


def peak(pid: int) -> int:
    """The most memory a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]  # the line is there


def child_of(pid: int) -> int:
    """The process that a server under gunicorn answers with."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def worker_pid(environment: dict[str, str]) -> int:
    """The process that runs the jobs."""
    with asking(environment[PLACE], Path(environment[FOLDER])) as (app, _):
        return int(wait_for(app.worker_pool.workers)[0].pid)


# -- what it runs on ----------------------------------------------------------------------------------------------


def fresh(folder: Path) -> Path:
    """A new folder."""
    return Path(tempfile.mkdtemp(dir=folder))


def place_in(folder: Path) -> str:
    """The database of an app in a folder."""
    return f"sqlite:///{folder / 'db.sqlite'}"


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis as a team would have it; gives its URL."""
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "yes"]
    server = subprocess.Popen([str(find_redis_binary()), *options], stdout=subprocess.DEVNULL)
    try:
        from redis import Redis

        client = Redis(port=port)
        wait_for(lambda: answers(client))
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def answers(client: Any) -> bool:
    """Whether Redis is there."""
    from redis.exceptions import ConnectionError as NotThereError

    try:
        return bool(client.ping())
    except NotThereError:
        return False


@contextmanager
def process(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs Python in a process of its own, and ends it."""
    command = [sys.executable, *arguments]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, **quiet)  # type: ignore[call-overload]
    try:
        yield started
    finally:
        started.terminate()
        started.wait()


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[tuple[Any, subprocess.Popen[bytes]]]:
    """Serves the app over HTTP; gives a client and the server."""
    from chariots import Client

    port = free_port()
    with process("-m", "chariots", "serve", f"{APP}:app", "--port", str(port), **environment) as server:
        client = Client(f"http://127.0.0.1:{port}", retries=0)
        wait_for(lambda: reached(client))
        yield client, server


def reached(client: Any) -> bool:
    """Whether the server answers."""
    try:
        return client.is_pipeline_loaded("empty") is not None
    except ConnectionError:
        return False


@contextmanager
def asking(place: str, folder: Path) -> Iterator[tuple[Any, dict[str, str]]]:
    """The app in this process, to ask for jobs; and what its workers have to find in their environment."""
    environment = {PLACE: place, FOLDER: str(folder)}
    with patched(environment), imported(APP) as module:
        yield module.app, environment


@contextmanager
def imported(name: str, *others: str) -> Iterator[Any]:
    """A module, imported anew in the present environment; the others are forgotten before and after."""
    for each in (name, *others):
        sys.modules.pop(each, None)
    try:
        yield importlib.import_module(name)
    finally:
        for each in (name, *others):
            sys.modules.pop(each, None)


@contextmanager
def patched(environment: dict[str, str]) -> Iterator[None]:
    """Sets variables of the environment for a while."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def wait_for(look: Callable[[], Any], seconds: float = 300.0) -> Any:
    """Looks until there is something to see."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"nothing came within {seconds:g} s")
