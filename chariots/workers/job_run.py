"""What happens in one attempt at a job?

A training takes effect in two places: the op store gets versions, the job store an end. So that a crash between the two
makes neither happen twice, the end is put aside first, then everything is saved under the key of the job, then the end
is written. Whoever tries again finds that the key is there, and the end that belongs to it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chariots import schema
from chariots.errors import (
    AlreadySavedError,
    BackendError,
    ChariotsError,
    ConflictError,
    InputError,
    JobTimeoutError,
    StoreUnavailableError,
    UnknownNameError,
    UnreachableError,
)
from chariots.pipelines.reporting import reporting_to
from chariots.pipelines.store import SaveKey
from chariots.web import tracing
from chariots.workers.job_store import Claim
from chariots.workers.jobs import failure, output_failure, problem_json
from chariots.workers.reporter import NodeByNode, Reporter
from chariots.workers.rules import Canceled, Ending, Lost, Raised, Succeeded, ended

if TYPE_CHECKING:
    from chariots.pipelines.callbacks import PipelineCallback
    from chariots.serving import PipelineResponse, PipelinesServer
    from chariots.workers.job import Job
    from chariots.workers.job_store import JobStore

__all__ = ["JobRun", "LeaseLostError", "Stopped", "timed_out"]

AWAY_SECONDS = 5.0  # before a job is tried again that found no op store; doubled the next time

_logger = logging.getLogger(__name__)


class Stopped(BaseException):
    """Raised in the middle of an op that has to stop; no ``except Exception`` of the op gets in its way."""


class LeaseLostError(ConflictError):
    """Raised where an attempt wants to write and the job belongs to another one by now."""


class JobRun:
    """One attempt at one job, in the process that runs it.

    Args:
        app: the app.
        store: the jobs.
        job: the job, as it was claimed.
        tell: tells the parent process something.

    Attributes:
        job: the job.
        reporter: what the job says of itself.
    """

    def __init__(self, app: PipelinesServer, store: JobStore, job: Job, tell: Callable[..., None]) -> None:
        self.job = job
        self.claim = Claim(job.id, job.token)
        self.reporter = Reporter(store, self.claim)
        self.callbacks: Sequence[PipelineCallback] = (NodeByNode(self.reporter),)
        self._app, self._store, self._tell = app, store, tell
        self._end: Job | None = None
        self._result: bytes | None = None
        self._is_kept = False
        self._why: str | None = None  # why it is to stop
        self._may_stop = False

    # -- running ------------------------------------------------------------------------------------------------------

    def execute(self) -> None:
        """Runs the job; what came of it is there for `settle`."""
        try:
            with tracing.job(self.job), self.reporter, reporting_to(self.reporter.say):
                if not self._was_saved_before():
                    self._execute()
        except LeaseLostError:
            _logger.warning("job %s belongs to another worker by now; what this one did is dropped", self.job.id)
        except AlreadySavedError as error:
            self._take_up(int(error.extra["attempt"]))

    def _execute(self) -> None:
        try:
            with self._stoppable():
                ending = self._ending()
        except Stopped:
            ending = self._stopped()
        except (LeaseLostError, AlreadySavedError):
            raise
        except (StoreUnavailableError, UnreachableError) as error:
            ending = self._store_away(error)
        except Exception as error:  # noqa: BLE001  # an op may raise anything, and all of it goes to who asked
            tracing.job_failed(error)
            is_final = isinstance(error, InputError | UnknownNameError)
            ending = Raised(problem_json(self._worded(error)), is_final=is_final)
        if not self._is_kept:
            self._conclude(ending)

    def _ending(self) -> Ending:
        body = self._store.input_of(self.job.id)
        if body is None:
            raise UnknownNameError(f"job {self.job.id!r} was to run, but its input is gone. Ask for it again.")
        value = schema.loads_consuming(body)
        if self.job.kind == "promote":
            return self._promote(value)
        try:
            response = self._app.execute_pipeline(self.job.target, value, attempt=self)
        except BaseException:
            self._is_kept, self._result = False, None  # nothing was saved, so what was put aside is not the end
            raise
        return Succeeded() if self._is_kept else self._succeeded(response, ())

    def _promote(self, value: Any) -> Ending:
        store = self._app.op_store_client
        if store is None or not hasattr(store, "promote"):
            raise ConflictError(
                f"pipeline {self.job.target!r} was to be promoted, but the app has no op store that can. Give it an "
                "op_store_client."
            )
        given = value if isinstance(value, dict) else {}
        event = store.promote(self.job.target, **{name: given[name] for name in ("alias", "reason") if name in given})
        self._result = schema.dumps({"event": event.id, "alias": event.alias, "after": event.after})
        return Succeeded()

    def before_save(self, response: PipelineResponse, learned: Collection[str]) -> SaveKey:
        """Puts the end of a training aside before it is saved; see `chariots.workers.attempt.Attempt`."""
        self._may_stop = False  # from here on it happens
        self._tell(event="saving", job=self.job.id)
        self._conclude(self._succeeded(response, learned))
        assert self._end is not None
        self._is_kept = True
        if not self._store.keep(self._end, self._result):
            raise LeaseLostError(f"job {self.job.id!r} was to be saved, but it belongs to another worker by now")
        return SaveKey(self._key, self.job.token)

    @property
    def _key(self) -> str:
        return f"job {self.job.id} {self.job.reruns}"

    def _succeeded(self, response: PipelineResponse, learned: Collection[str]) -> Ending:
        versions = {name: str(version) for name, version in response.versions.items()}
        used = {name: text for name, text in versions.items() if name not in learned}
        produced = {name: text for name, text in versions.items() if name in learned}
        try:
            self._result = self._encoded(response.value)
        except BackendError as error:
            return Raised(problem_json(error), is_final=bool(learned), used=used, produced=produced)
        return Succeeded(used, produced)

    def _encoded(self, value: Any) -> bytes:
        try:
            result = schema.dumps(value, where="pipeline_output")
        except TypeError as error:
            raise output_failure(self.job.target, str(error)) from error
        most = getattr(self._app.worker_pool, "max_result_bytes", None)
        if most is not None and len(result) > most:
            raise output_failure(
                self.job.target,
                f"it is {len(result):,} bytes of JSON, and at most {most:,} are kept. Return less, save what is large "
                "elsewhere and return where, or give the worker pool a greater max_result_bytes.",
            )
        return result

    # -- what was done before -----------------------------------------------------------------------------------------

    def _was_saved_before(self) -> bool:
        """Whether an earlier attempt has saved what it learned, and was lost before it could say so."""
        ask = getattr(self._app.op_store_client, "saved_attempt", None)
        if self.job.attempts < 2 or self.job.kind != "pipeline" or ask is None:
            return False
        attempt = ask(self._key)
        if attempt is None:
            return False
        self._take_up(attempt)
        return True

    def _take_up(self, attempt: int) -> None:
        """Makes the end of an earlier attempt that of the job."""
        kept = self._store.kept(Claim(self.job.id, attempt))
        if kept is None:
            self._conclude(Lost(f"attempt {attempt} saved what it had learned, but its output is gone"))
            return
        self._end = replace(
            kept, token=self.job.token, attempts=self.job.attempts, deaths=self.job.deaths, result_attempt=attempt
        )
        self._result, self._is_kept = None, True

    # -- the end ------------------------------------------------------------------------------------------------------

    def settle(self, store: JobStore) -> None:
        """Writes what came of the attempt.

        Args:
            store: the jobs.

        Raises:
            ChariotsError: if that is not possible now; then it may be tried again.
        """
        if self._end is None:
            return  # another attempt has the job
        progress = self.reporter.progress or self._end.progress
        end = replace(self._end, progress=progress, logged=self.job.logged + self.reporter.told)
        if self._is_kept and end.result_attempt is None:
            end = replace(end, result_attempt=self.job.token)
        if not store.settle(end, None if self._is_kept else self._result):
            _logger.warning("job %s belongs to another worker by now; its end was not written", self.job.id)

    def _conclude(self, ending: Ending) -> None:
        self._end = ended(self.job, ending)
        tracing.job_ended(self._end.status.value, self._end.error)

    def _store_away(self, error: ChariotsError) -> Ending:
        """The op store is away, and nobody knows whether a save has reached it: the next attempt will ask."""
        pause = AWAY_SECONDS * 2**self.job.deaths
        return Lost(f"the op store was away ({error.detail})", delay=pause)

    def _worded(self, error: Exception) -> Exception:
        if isinstance(error, ChariotsError):
            return error
        worded = failure(self.job.target, error)
        worded.__cause__ = error
        return worded

    # -- stopping -----------------------------------------------------------------------------------------------------

    def ask_to_stop(self, job_id: str, token: int, why: str) -> bool:
        """Notes that the job is to stop; called by another thread.

        Returns:
            whether it is this one, and may still be stopped.
        """
        if (job_id, token) != (self.claim.job_id, self.claim.token) or not self._may_stop:
            return False
        self._why = why
        return True

    def stop_here(self) -> None:
        """Stops the op; called by the handler of a signal, in the thread of the op.

        Raises:
            Stopped: if it is to stop and may.
        """
        if self._why is not None and self._may_stop:
            self._may_stop = False
            raise Stopped

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        self._may_stop = True
        try:
            yield
        finally:
            self._may_stop = False

    def _stopped(self) -> Ending:
        if self._why == "timeout":
            return Raised(timed_out(self.job).problem())
        if self._why == "lost":
            raise LeaseLostError(f"job {self.job.id!r} belongs to another worker by now")
        with contextlib.suppress(ChariotsError):
            self.reporter.tell()
        return Canceled()


def timed_out(job: Job) -> JobTimeoutError:
    """Words that an attempt took too long.

    Args:
        job: the job.
    """
    return JobTimeoutError(
        f"{job.kind} {job.target!r} was stopped after {job.timeout:g} s, which is all the time it had. Give it a "
        "greater timeout, or less to do."
    )
