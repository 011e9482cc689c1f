"""What is a worker? A process that takes jobs from the queue, and beside it one that runs them.

The first never imports the app: it stays small, keeps speaking to Redis whatever an op does, and can kill the
second one, whose crash it survives. The second one keeps the app and its models from job to job.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError
from rq.exceptions import DequeueTimeout, InvalidJobOperation
from rq.job import JobStatus as RQJobStatus
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import WorkerStatus

from chariots.workers import redis_connection
from chariots.workers.rq_lease import BEAT_SECONDS, LeasedWorker
from chariots.workers.rq_pipe import ChildProcess
from chariots.workers.rq_pool import QUEUE_NAME

if TYPE_CHECKING:
    from redis import Redis
    from rq import Queue
    from rq.job import Job

__all__ = ["run_worker"]

GRACE_SECONDS = 10  # how long a job may outlast its time limit before its process is killed
AGAIN_SECONDS = 5.0  # between two attempts to work, when Redis fails
DEQUEUE_SECONDS = 1  # how long one wait for a job takes, and so how late an idle worker leaves

_log = logging.getLogger("rq.worker")
_log.addFilter(lambda record: "cleaning registries" not in str(record.msg))  # it does so every few seconds


def run_worker(app_reference: str) -> int:
    """Works on the jobs of an app until told to stop; this is ``chariots worker module:app``.

    On SIGTERM or Ctrl+C the worker finishes the job at hand, then leaves; on a second one it leaves at once.

    Args:
        app_reference: ``"module:attribute"``, where the app is. The Redis is that of the app's worker pool,
            or that of the environment variable CHARIOTS_WORKER_REDIS (a URL) where it is set.

    Returns:
        the exit status: 0 after being told to stop, 1 if the app could not be imported.
    """
    leave = Leave()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave.ask)
    child = ChildProcess(app_reference)
    try:
        first = child.first_answer(give_up=lambda: leave.is_asked)
        if leave.is_asked:
            return leave.exit_status
        if first.get("event") != "ready":
            why = first.get("message", "importing the app ended the process, see above.")
            sys.stderr.write(f"a worker for {app_reference!r} was asked for, but {why}\n")
            return 1
        connection = redis_connection.for_worker(first["redis"])
        while True:
            try:
                SupervisingWorker(child, connection, leave).work()
            except RedisError as error:
                _log.warning("Redis at %s: %s", redis_connection.address(connection), error)
            if leave.is_asked:
                return leave.exit_status
            time.sleep(AGAIN_SECONDS)
    finally:
        child.stop()


@dataclass
class Leave:
    """Whether the worker has been asked to leave, and the exit status to leave with."""

    is_asked: bool = False
    exit_status: int = 0

    def ask(self, signum: int, frame: FrameType | None) -> None:
        """Notes a signal; the worker looks here whenever it waits."""
        self.is_asked = True


class SupervisingWorker(LeasedWorker):
    """The RQ worker of the first process, which hands every job to the second one.

    Args:
        child: the second process.
        connection: the Redis to take jobs from.
        leave: where to note that the worker has to leave.
    """

    def __init__(self, child: ChildProcess, connection: Redis, leave: Leave) -> None:
        super().__init__([QUEUE_NAME], connection=connection, serializer=JSONSerializer)
        self.child = child
        self.leave = leave

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Leaves once nothing is at hand; RQ would raise here, amid an answer of Redis that may carry a job."""
        self.log.info("Worker %s: leaving after the job at hand; a second signal ends it at once", self.name)
        self.leave.is_asked = self._stop_requested = True
        self._shutdown_requested_date = now()
        signal.signal(signal.SIGINT, self.request_force_stop)
        signal.signal(signal.SIGTERM, self.request_force_stop)

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """Kills the second process and leaves; what RQ counts as one signal, sent twice, is ignored."""
        try:
            super().request_force_stop(signum, frame)
        except SystemExit:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the rest takes a moment, and is not to be cut short
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            raise

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Waits for a job, or for being asked to leave."""
        self.set_state(WorkerStatus.IDLE)
        while not self.leave.is_asked:
            try:
                self.heartbeat()
                if self.should_run_maintenance_tasks:
                    self.run_maintenance_tasks()  # type: ignore[no-untyped-call]  # RQ leaves it untyped
                found = self.queue_class.dequeue_any(
                    self.queues,
                    DEQUEUE_SECONDS,
                    connection=self.connection,
                    job_class=self.job_class,
                    serializer=self.serializer,
                    death_penalty_class=self.death_penalty_class,
                )
            except DequeueTimeout:
                continue
            if found is not None:
                self.log.info("Worker %s: %s, job %s", self.name, found[0].description, found[0].id)
                return found
        return None

    def wait_for_horse(self) -> tuple[int | None, int | None, Any]:
        """Waits for the end of the second process, once it was killed to leave at once."""
        return self.child.pid, self.child.wait(), None

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Has one job run, and sees to it that the job ends, whatever becomes of the process that runs it."""
        execution = self.prepare_execution(job)
        self.child.order(
            {
                "job": job.id,
                "queue": queue.name,
                "worker": self.name,
                "execution": execution.id,
                "began": execution.created_at.isoformat(),
            }
        )
        self._horse_pid = self.child.pid
        try:
            self.monitor_work_horse(job, queue)
        except SystemExit:  # told to stop a second time; the process of the job has been killed
            self.connection.connection_pool.disconnect(inuse_connections=False)  # one may be amid an answer
            self._bury(job, queue, "its worker was told twice to stop")
            raise
        self.set_state(WorkerStatus.IDLE)

    def monitor_work_horse(self, job: Job, queue: Queue) -> None:
        """Waits for the end of a job, and speaks for it meanwhile."""
        limit = job.timeout or 0
        began = spoke = time.monotonic()
        exceeded = False
        while not self.child.is_done(wait=1.0) and self.child.ended is None:
            elapsed = time.monotonic() - began
            if time.monotonic() - spoke >= BEAT_SECONDS:
                spoke = time.monotonic()
                self._speak_for(job, elapsed)
            if limit > 0 and elapsed > limit + GRACE_SECONDS and not exceeded:
                exceeded = True  # an op in C code does not hear that its time is over
                self.kill_horse()
        self._horse_pid = 0
        ended = self.child.ended
        if ended is None:
            return
        why = f"killed {GRACE_SECONDS} s after its time limit of {limit:g} s" if exceeded else _in_words(ended)
        self._bury(job, queue, why)
        if self.child.was_ready:
            self.child.start()
        else:  # the app could be imported once, and now it can not: leave the other jobs to other workers
            self.leave.is_asked = self._stop_requested = True
            self.leave.exit_status = 1

    def _speak_for(self, job: Job, elapsed: float) -> None:
        try:
            self.set_current_job_working_time(elapsed)
            self.maintain_heartbeats(job)
        except RedisError as error:
            self.log.warning("Worker %s: no word could be sent to Redis: %s", self.name, error)

    def _bury(self, job: Job, queue: Queue, why: str) -> None:
        """Marks a job failed, unless it had written its end to Redis before its process ended."""
        try:
            if job.get_status() in {RQJobStatus.FINISHED, RQJobStatus.FAILED}:
                return
        except InvalidJobOperation:
            return  # it is done, and its result was not to be kept
        job.started_at, job.ended_at = job.started_at or now(), now()
        self.log.warning("Worker %s: the process of job %s ended: %s", self.name, job.id, why)
        self.handle_job_failure(job, queue=queue, exc_string=why)


def _in_words(ended: int) -> str:
    return f"killed by {signal.Signals(-ended).name}" if ended < 0 else f"exit status {ended}"
