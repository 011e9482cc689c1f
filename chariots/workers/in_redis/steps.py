"""How does a step of a job reach Redis? (what the scripts are given, and how large values go)"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from chariots.errors import BodyTooLargeError, UnreachableError
from chariots.workers.in_redis import connection, mirror, record
from chariots.workers.in_redis.scripts import SCRIPTS
from chariots.workers.job import Job
from chariots.workers.job_status import JobStatus
from chariots.workers.rules import successor

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["JOB", "MOST_BYTES", "PIECE", "Steps", "counted", "flat"]

JOB = "chariots:job:"
MOST_BYTES = 500_000_000  # Redis itself refuses 512 MiB, whatever its memory
NOTHING = ("none", b"")
_INLINE_BYTES = 64 * 1024  # what a script may copy
PIECE = 2**20
_STAGED_SECONDS = 600  # how long a large value waits for the step that takes it
_LOOK_SECONDS = 1.0  # how long one blocking call takes at most


class Steps:
    """The scripts of one Redis.

    Args:
        redis: the client to ask through; its answers must not be decoded.
        failure_ttl: how many seconds failures are kept; None for as long as results.
    """

    def __init__(self, redis: Redis, failure_ttl: float | None = None) -> None:
        self.redis: Any = redis  # typed, every answer might be text: redis-py cannot know that these are bytes
        self.failure_ttl = failure_ttl
        self._scripts = {name: redis.register_script(text) for name, text in SCRIPTS.items()}
        patience = redis.connection_pool.connection_kwargs.get("socket_timeout")
        self._look_seconds = min(_LOOK_SECONDS, patience / 2) if patience else _LOOK_SECONDS

    def asked(self, asked: str) -> AbstractContextManager[None]:
        """Words the failures of Redis; see `connection.reachable`."""
        return connection.reachable(self.redis, asked)

    def run(self, script: str, asked: str, *arguments: Any) -> Any:
        """Takes one step.

        Args:
            script: its name.
            asked: what is being done, for messages.
            arguments: what the script takes.

        Raises:
            UnreachableError: if Redis does not answer, or cannot take it now; then nothing was changed.
        """
        with self.asked(asked):
            return self._scripts[script](args=arguments)

    def block(self, key: str, seconds: float) -> bool:
        """Waits for a token in a list, for a moment or so many seconds, whichever is less; whether there was one."""
        return self.redis.blpop([key], timeout=max(0.01, min(seconds, self._look_seconds))) is not None

    def stage(self, asked: str, key: str, value: bytes | None, what: str) -> tuple[str, bytes]:
        """Brings a value on its way to a script: a small one with it, a large one ahead of it, in pieces.

        What goes through the client at once is copied there, more than once.

        Args:
            asked: what is being done, for messages.
            key: where it will be.
            value: the value, if there is one.
            what: what it is, for messages.

        Returns:
            what the script takes.

        Raises:
            BodyTooLargeError: if Redis cannot keep it.
            UnreachableError: if Redis does not answer, or was away in between.
        """
        if value is None:
            return NOTHING
        if len(value) > MOST_BYTES:
            raise BodyTooLargeError(
                f"{asked}, but its {what} is {len(value):,} bytes of JSON, and Redis keeps {MOST_BYTES:,} at most. "
                "Save what is large elsewhere and pass on where."
            )
        if len(value) <= _INLINE_BYTES:
            return "inline", value
        whole = memoryview(value)
        with self.asked(asked):
            self.redis.set(key, bytes(whole[:PIECE]), ex=_STAGED_SECONDS)
            for start in range(PIECE, len(whole), PIECE):
                piece = bytes(whole[start : start + PIECE])
                if self.redis.append(key, piece) != start + len(piece):  # it expired, or a piece was sent twice
                    self.redis.delete(key)
                    raise UnreachableError(
                        f"{asked}, but Redis at {connection.address(self.redis)} was away while its {what} was sent. "
                        "Nothing was changed; ask again."
                    )
        return "staged", b""

    def look_up(self, job_id: str) -> tuple[Job | None, str]:
        """A job, and which revision of it that is."""
        with self.asked(f"job {job_id!r} was asked for"):
            found = self.redis.hgetall(JOB + job_id)
        return record.read(found), found.get(b"revision", b"").decode()

    def owner(self, job_id: str) -> str:
        """The id of the job whose input is that of a job: the first of its series."""
        series = self.redis.hget(JOB + job_id, "series")
        return series.decode() if series else job_id

    def input_of(self, job_id: str) -> bytearray | None:
        """The input of a job; None if it is not there (any more).

        It comes in pieces, as it went.
        """
        key = f"{JOB}{job_id}:input"
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.hget(JOB + job_id, "series")
            pipe.exists(key)
            pipe.strlen(key)
            pipe.getrange(key, 0, PIECE - 1)
            series, is_there, length, piece = pipe.execute()
        if series and series.decode() != job_id:
            return self.input_of(series.decode())
        whole = bytearray(piece)
        while len(whole) < length and (piece := self.redis.getrange(key, len(whole), len(whole) + PIECE - 1)):
            whole += piece
        return whole if is_there and len(whole) == length else None

    def creation(self, job: Job) -> list[object]:
        """What the scripts take to write a job that is new."""
        shown = flat(mirror.new_hash(job, self.redis))
        return [job.id, *_placed(job), *counted(shown), *counted(flat(record.new_fields(job)))]

    def settle(self, job: Job, asked: str, staged: tuple[str, bytes]) -> tuple[str, int]:
        """Writes the end of the attempt whose token a job has.

        Returns:
            ``done``, ``gone`` where the job is another's by now, or ``cancel`` where it is to be canceled instead; and
            how many jobs waited for its end.
        """
        job = self._lasting(job)
        return self._write(job, asked, job.token, "", staged, record.settled_fields(job))

    def replace(self, job: Job, revision: str, asked: str) -> tuple[str, int]:
        """Writes a job that does not run, as `settle` does, if it has not changed since it was looked up."""
        job = self._lasting(job)
        return self._write(job, asked, "", revision, NOTHING, record.new_fields(job))

    def _lasting(self, job: Job) -> Job:
        if self.failure_ttl is None or job.status is not JobStatus.failed or job.ended_at is None:
            return job
        return replace(job, expires_at=job.ended_at + self.failure_ttl)

    def _write(
        self,
        job: Job,
        asked: str,
        token: int | str,
        revision: str,
        staged: tuple[str, bytes],
        fields: Mapping[str, str],
    ) -> tuple[str, int]:
        following = successor(job) if job.status.is_final else None
        answer, freed = self.run(
            "write",
            asked,
            job.id,
            token,
            revision,
            uuid4().hex,
            *staged,
            "" if job.result_attempt is None else job.result_attempt,
            *_placed(job),
            *counted(flat(mirror.ended(job))),
            *counted(flat(fields)),
            *([0] if following is None else [1, *self.creation(following)]),
        )
        return answer.decode(), freed


def counted(texts: Sequence[object]) -> list[object]:
    """A list as scripts take it: its length first."""
    return [len(texts), *texts]


def _placed(job: Job) -> list[object]:
    """Where a job goes: what it waits for, whether it is queued if that is done, its status, and when that changes."""
    parents = () if job.status.is_final or job.attempts else job.after
    is_late = job.run_at is None or job.run_at <= time.time()
    at = job.expires_at if job.status.is_final else job.run_at
    return [*counted(parents), int(bool(parents) and is_late), job.status.value, "" if at is None else repr(float(at))]


def flat(fields: Mapping[str, object]) -> list[object]:
    """A table as scripts take it: names and values by turns."""
    return [each for pair in fields.items() for each in pair]
