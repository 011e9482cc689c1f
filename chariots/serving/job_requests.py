"""What does somebody ask for who sends a call or asks for a job, and how is a pool told?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from flask import request

from chariots import schema
from chariots.errors import ConflictError, InputError, NoWorkerPoolError
from chariots.serving.bodies import Body
from chariots.serving.inputs import ABSENT
from chariots.workers.base_worker_pool import BaseWorkerPool
from chariots.workers.job_options import JobOptions

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.serving.served import ServedPipeline
    from chariots.serving.server import PipelinesServer
    from chariots.workers.job import Job

__all__ = [
    "KEY_HEADER",
    "OPTION_NAMES",
    "WORKER_KEY",
    "Wish",
    "job_pool_of",
    "knows_jobs",
    "pipeline_defaults",
    "pool_of",
    "read_wish",
    "refuse_options",
    "submit",
]

WORKER_KEY = "use_worker"
KEY_HEADER = "Idempotency-Key"
OPTION_NAMES = frozenset(field.name for field in fields(JobOptions))
_DEFAULTS = ("priority", "timeout", "retries", "concurrency", "result_ttl")  # the others are about one job
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')


@dataclass(frozen=True, slots=True)
class Wish:
    """How a request wants a pipeline to be executed.

    Attributes:
        use_worker: whether by a worker; None leaves that to the pipeline and the server.
        options: how the job is to be run, if it becomes one.
        has_options: whether the request says anything about a job.
    """

    use_worker: bool | None
    options: JobOptions
    has_options: bool


_NOTHING = JobOptions()


def read_wish(members: Mapping[str, Any], *, strict: bool = False) -> Wish:
    """Reads what the current request says about how it wants to be executed.

    Args:
        members: the members of its body, without the input.
        strict: whether a member that is not known is an error.

    Raises:
        InputError: if anything of it cannot be; ``extra["errors"]`` lists all of it.
    """
    wish = members.get(WORKER_KEY)
    header = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    asked = members.keys() if strict else OPTION_NAMES & members.keys()
    given = {name: members[name] for name in asked if name != WORKER_KEY and members[name] is not None}
    is_clear = wish is None or type(wish) is bool
    if is_clear and header is None and not given:
        return Wish(wish, _NOTHING, has_options=False)
    refusals: list[InputError] = []
    if not is_clear:
        refusals.append(
            _refusal(
                f"{WORKER_KEY} should be true, false or null, not {schema.dumps(wish)[:40].decode('utf-8', 'ignore')}. "
                "Leave it out to let the pipeline and the server decide.",
                WORKER_KEY,
                "true, false or null",
                type(wish).__name__,
            )
        )
    if header is not None:
        key = _unquoted(header)
        if given.setdefault("idempotency_key", key) != key:
            refusals.append(
                _refusal(
                    f"idempotency_key is one thing in the body and another in the header {KEY_HEADER}. "
                    "Send it in one of them.",
                    "idempotency_key",
                    f"what the header {KEY_HEADER} says",
                    repr(given["idempotency_key"])[:80],
                )
            )
    options = _NOTHING
    try:
        options = JobOptions.read(given)
    except InputError as error:
        refusals.append(error)
    if refusals:
        raise InputError(refusals[0].detail, errors=[one for each in refusals for one in each.extra["errors"]])
    return Wish(wish, options, has_options=options != _NOTHING)


def refuse_options(wish: Wish, served: ServedPipeline, use_workers: bool | None) -> None:
    """Refuses a request that wants a job of some kind where somebody forbids that it becomes a job.

    Args:
        wish: what the request says.
        served: the pipeline.
        use_workers: what the server says.

    Raises:
        InputError: if the request has options, and it, the pipeline or the server says no to a worker.
    """
    who = next(
        (
            words
            for words, says in (
                (f"the request says {WORKER_KEY}: false", wish.use_worker),
                (f"pipeline {served.name!r} says use_worker=False", served.use_worker),
                ("the server says use_workers=False", use_workers),
            )
            if says is False
        ),
        None,
    )
    names = sorted(wish.options.as_mapping())
    if who is None or not names:
        return
    raise InputError(
        f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'} given, which only a job can have, but {who}. "
        "Nothing was run; leave the options out, or allow a worker.",
        errors=[
            {"loc": [name], "expected": "nothing, where no worker may be used", "got": "a value"} for name in names
        ],
    )


def pipeline_defaults(pipeline: Pipeline) -> JobOptions:
    """Checks how a pipeline wants its jobs to be run.

    Args:
        pipeline: the pipeline.

    Raises:
        ValueError: if one of its ``job_options`` is not known, is about one job only, or is none that can be.
    """
    for name in pipeline.job_options:
        if name in OPTION_NAMES and name not in _DEFAULTS:
            raise ValueError(
                f"pipeline {pipeline.name!r} has the job option {name!r}, but that is about one job and not about all "
                f"of a pipeline. Give it to the call; a pipeline may have {', '.join(_DEFAULTS)}."
            )
    try:
        return JobOptions.read(pipeline.job_options)
    except InputError as error:
        raise ValueError(f"pipeline {pipeline.name!r} has job_options that cannot be: {error}") from error


def pool_of(app: PipelinesServer, asked: str) -> BaseWorkerPool:
    """The pool of a server.

    Args:
        app: the server.
        asked: what was asked of it, for the message.

    Raises:
        NoWorkerPoolError: if it has none.
    """
    if app.worker_pool is None:
        raise NoWorkerPoolError(
            f"{asked}, but this server has no workers. Give it a pool with the setting worker_pool "
            "(worker_pool=LocalWorkerPool(...) or RQWorkerPool(...), for example), or do not ask for a worker."
        )
    return app.worker_pool


def job_pool_of(app: PipelinesServer, asked: str) -> BaseWorkerPool:
    """The pool of a server, where it can do more than the four things that every pool can.

    Args:
        app: the server.
        asked: what was asked of it, for the message.

    Raises:
        ConflictError: if it cannot, or there is none.
    """
    pool = pool_of(app, asked)
    if not knows_jobs(pool):
        raise ConflictError(
            f"{asked}, but the pool of this server is a {type(pool).__name__}, which can run a pipeline and tell what "
            "came of it, and no more. Let it override the other methods of BaseWorkerPool, or use LocalWorkerPool or "
            "RQWorkerPool."
        )
    return pool


def knows_jobs(pool: BaseWorkerPool | None) -> bool:
    """Whether a pool can do more than the four things that every pool can."""
    # Asked of the class: a pool from before there was more may have attributes of any name.
    return pool is not None and getattr(type(pool), "submit", BaseWorkerPool.submit) is not BaseWorkerPool.submit


def submit(app: PipelinesServer, served: ServedPipeline, kind: str, body: Body, key: str, options: JobOptions) -> Job:
    """Asks the pool of a server for a job.

    An input that was read is checked against the hints of the pipeline; one that was left as it came is checked by the
    worker.

    Args:
        app: the server.
        served: the pipeline.
        kind: what is done with it.
        body: what was sent.
        key: which member of it is the input.
        options: how the job is to be run.

    Returns:
        the job; the first one of its key where there was one.

    Raises:
        NoWorkerPoolError: if there is no pool.
        InputError: if the input does not fit.
        ConflictError: if the pool refuses, or knows no jobs.
    """
    pool = job_pool_of(app, f"a job of pipeline {served.name!r} was asked for")
    value = body.members.get(key, ABSENT) if body.raw is None else None
    if kind == "pipeline":
        if body.raw is None:
            served.inputs.read(value)
        options = options.over(served.job_options)
    text = body.raw
    if text is None:
        text = schema.dumps(None if value is ABSENT else value, where=key)
    return pool.submit(app, kind, served.name, text, options)


def _refusal(message: str, name: str, expected: str, got: str) -> InputError:
    return InputError(message, errors=[{"loc": [name], "expected": expected, "got": got}])


def _unquoted(header: str) -> str:
    """The key in a header, which the draft of its standard has in quotes."""
    found = _QUOTED.fullmatch(header.strip())
    return re.sub(r'\\(["\\])', r"\1", found[1]) if found else header.strip()
