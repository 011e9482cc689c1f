"""How is a job written into a hash of Redis, and read back?

What the scripts read or change has a field of its own; everything else is one JSON text in the field ``rest``. An empty
field stands for None. Scripts write numbers that they were given as text, or that Redis counts, so none is rounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from chariots.workers.job import Job

__all__ = ["new_fields", "read", "settled_fields", "table"]

_TEXTS = frozenset({"app", "target", "status", "worker", "series", "idempotency_key"})
_NUMBERS = frozenset(
    {
        "priority",
        "concurrency",
        "run_at",
        "started_at",
        "attempts",
        "token",
        "progress",
        "logged",
        "cancel_requested",
        "is_expired",
    }
)
_REST = frozenset(Job.__dataclass_fields__) - _TEXTS - _NUMBERS

# What an attempt must not write: it may know an old value, and the scripts keep the true one.
_KEPT_BY_SCRIPTS = frozenset(
    {"status", "token", "attempts", "worker", "started_at", "logged", "cancel_requested", "is_expired"}
)
_NEVER_CHANGES = frozenset({"app", "target", "series", "idempotency_key", "priority", "concurrency"})


def new_fields(job: Job) -> dict[str, str]:
    """Every field of a job but its status, which the script that moves it writes."""
    return _written(job, frozenset({"status"}))


def settled_fields(job: Job) -> dict[str, str]:
    """The fields of a job that an attempt decides about."""
    unknown = {"progress"} if job.progress is None else set()
    return _written(job, _KEPT_BY_SCRIPTS | _NEVER_CHANGES | unknown)


def read(found: Sequence[bytes] | Mapping[bytes, bytes]) -> Job | None:
    """Reads the answer to HGETALL.

    Args:
        found: names and values, by turns or as a table.

    Returns:
        the job; None if there is no such hash.
    """
    fields = table(found)
    if not fields:
        return None
    values: dict[str, Any] = json.loads(fields["rest"])
    for name in _TEXTS:
        if text := fields.get(name):
            values[name] = text
    for name in _NUMBERS:
        if text := fields.get(name):
            values[name] = json.loads(text)
    return Job.from_mapping(values)


def table(found: Sequence[bytes] | Mapping[bytes, bytes]) -> dict[str, str]:
    """The answer to HGETALL as a table; redis-py has made one already, unless a script asked."""
    pairs = found.items() if isinstance(found, Mapping) else zip(found[::2], found[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in pairs}


def _written(job: Job, but: frozenset[str] | set[str]) -> dict[str, str]:
    fields = {name: str(_value(job, name) or "") for name in _TEXTS - but}
    for name in _NUMBERS - but:
        value = _value(job, name)
        fields[name] = "" if value is None else json.dumps(value, default=asdict)
    fields["rest"] = json.dumps({name: _value(job, name) for name in _REST}, default=asdict)
    return fields


def _value(job: Job, name: str) -> Any:
    value = getattr(job, name)
    return value.value if name == "status" else value
