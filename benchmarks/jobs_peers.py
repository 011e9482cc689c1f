"""The same work as the jobs of `benchmarks.jobs_app`, for the queues that chariots is measured beside."""

from __future__ import annotations

import os
import sys
import time

from huey import SqliteHuey

from benchmarks.jobs_app import app

huey = SqliteHuey("benchmark", filename=os.environ.get("CHARIOTS_BENCHMARK_HUEY", ":memory:"))


def run_empty() -> None:
    """What one job does."""
    app.execute_pipeline("empty")


@huey.task()
def run_empty_in_huey() -> float:
    """What one job does; gives the time of its end."""
    run_empty()
    return time.time()


def work(kind: str) -> None:
    """Works on the queue of RQ until it is empty, the app being imported already."""
    import rq
    from redis import Redis

    worker: type[rq.worker.BaseWorker] = {"rq worker": rq.Worker, "SimpleWorker": rq.SimpleWorker}[kind]
    worker(["benchmark"], connection=Redis.from_url(os.environ["CHARIOTS_BENCHMARK_JOBS"])).work(
        burst=True, logging_level="ERROR"
    )


if __name__ == "__main__":
    work(sys.argv[1])
