"""What is a worker? A process that takes jobs from the queue, and beside it one that runs them.

The first never imports the app: it stays small, keeps speaking to Redis whatever an op does, and can kill the
second one, whose crash it survives. The second one keeps the app and its models from job to job.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING

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
LOOK_SECONDS = 0.25  # between two looks at the clock while a job runs
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


class Leave:
    """Whether the worker has to leave, and how.

    Its handler of signals takes notes and never raises, as RQ's does: amid an answer of Redis that would lose a job.

    Attributes:
        is_asked: whether to leave once no job is at hand.
        at_once: whether not to wait for the job at hand.
        exit_status: what to leave with.
    """

    def __init__(self) -> None:
        self.is_asked = self.at_once = False
        self.exit_status = 0
        self._since = 0.0

    def ask(self, signum: int, frame: FrameType | None) -> None:
        """Notes a signal; a supervisor may send one twice, so two within a second are one."""
        moment = time.monotonic()
        if not self.is_asked:
            self.is_asked, self._since = True, moment
            _log.info("Leaving after the job at hand; a second signal ends it at once")
        elif moment - self._since >= 1.0:
            self.at_once = True


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
        """Handles the signals while the worker works."""
        self.leave.ask(signum, frame)
        self._stop_requested = True

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
        self.monitor_work_horse(job, queue)
        self.set_state(WorkerStatus.IDLE)

    def monitor_work_horse(self, job: Job, queue: Queue) -> None:
        """Waits for the end of a job, and speaks for it meanwhile."""
        limit = job.timeout or 0
        began = spoke = time.monotonic()
        killed = ""
        while not self.child.is_done(wait=LOOK_SECONDS) and self.child.ended is None:
            moment = time.monotonic()
            if moment - spoke >= BEAT_SECONDS:
                spoke = moment
                self._speak_for(job, moment - began)
            if not killed and self.leave.at_once:
                killed = "killed, for its worker was told twice to stop"
                self.kill_horse()
            elif not killed and limit > 0 and moment - began > limit + GRACE_SECONDS:
                killed = f"killed {GRACE_SECONDS} s after its time limit of {limit:g} s"  # C code hears no alarm
                self.kill_horse()
        self._horse_pid = 0
        ended = self.child.ended
        if ended is None:
            return
        self._bury(job, queue, killed or _in_words(ended))
        if not self.child.was_ready:  # the app could be imported once, and now it can not: leave the other jobs alone
            self.leave.is_asked = True
            self.leave.exit_status = 1
        elif not self.leave.is_asked:
            self.child.start()

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
