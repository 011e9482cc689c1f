"""In which process do the ops of a job run? In one that stays: it imports the app once, then runs many jobs.

`chariots.workers.rq_worker` starts it and tells it through a pipe what to do. It is started, not forked: a
process that has predicted with OpenMP or torch, or has spoken to a database, must not be forked. When its
parent is gone, so is the pipe, and it leaves once the job at hand is done.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from typing import Any, TextIO

from redis import Redis
from rq import Queue
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from chariots.errors import ChariotsError, ConflictError
from chariots.workers import app_reference, redis_connection
from chariots.workers.rq_lease import LeasedWorker
from chariots.workers.rq_pool import RUN_JOB

__all__ = ["main"]


class OnlyRunJob(Job):
    """A job that refuses every function but ours, whoever wrote it into Redis."""

    @property
    def func(self) -> Any:
        """The function of the job."""
        if self.func_name != RUN_JOB:
            raise ConflictError(
                f"a job asks for the function {self.func_name!r}, but workers of chariots run {RUN_JOB!r} "
                "alone. Use a queue of another name for other jobs."
            )
        return super().func


def main(arguments: list[str]) -> int:
    """Imports the app, says so, and runs the jobs that come in.

    Args:
        arguments: where the app is, and the numbers of the pipe ends to read from and to write to.

    Returns:
        the exit status: 1 if the app could not be imported.
    """
    reference, from_parent, to_parent = arguments[0], int(arguments[1]), int(arguments[2])
    for end in (from_parent, to_parent):
        os.set_inheritable(end, False)  # a process that an op starts must not hold the pipe open
    with open(from_parent, encoding="utf-8") as orders, open(to_parent, "w", encoding="utf-8") as answers:
        told = os.environ.pop(redis_connection.REDIS_VARIABLE, "")
        try:
            app = app_reference.load(reference)
            described = told or _redis_of(app)
        except ChariotsError as error:  # anything else is the app's own, and its stack is worth reading
            _say(answers, event="failed", message=str(error))
            return 1
        _say(answers, event="ready", redis=described)
        connection = redis_connection.for_worker(described)
        for line in orders:
            _run(json.loads(line), connection)
            _say(answers, event="done")
    return 0


def _run(order: dict[str, str], connection: Redis) -> None:
    """Runs one job and writes what came of it to Redis."""
    queue = Queue(order["queue"], connection=connection, serializer=JSONSerializer, job_class=OnlyRunJob)
    worker = LeasedWorker([queue], name=order["worker"], connection=connection, prepare_for_work=False)
    execution = Execution(order["execution"], order["job"], connection=connection, worker_name=worker.name)
    execution.created_at = datetime.fromisoformat(order["began"])
    worker.execution = execution
    worker.perform_job(OnlyRunJob.fetch(order["job"], connection=connection, serializer=JSONSerializer), queue)


def _redis_of(app: Any) -> str:
    pool = getattr(app, "worker_pool", None)
    client = getattr(pool, "redis", None)
    if client is None:
        has = "no worker pool" if pool is None else f"a {type(pool).__name__}, which is not on Redis"
        raise ConflictError(
            f"the app has {has}. Make it with worker_pool=RQWorkerPool(...), "
            f"or set {redis_connection.REDIS_VARIABLE} to the URL of the Redis."
        )
    return redis_connection.settings(client)


def _say(answers: TextIO, **message: Any) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
