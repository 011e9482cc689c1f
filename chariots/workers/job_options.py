"""How may a caller, or a pipeline, ask for its jobs to be run?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Self

from chariots.errors import InputError, nearest
from chariots.web.retry import RetryPolicy
from chariots.workers.job import NO_RETRY

__all__ = ["DAY", "JobOptions"]

DAY = 24 * 60 * 60.0  # seconds; for so long results are kept, unless somebody says otherwise

_PAST_SECONDS = 5.0  # by how much the clocks of a client and its server may differ
_LONGEST_KEY = 255
_MOST_PARENTS = 100
_LARGEST_PRIORITY = 2**31 - 1
_LONGEST_SECONDS = 100 * 366 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How a job is to be run; what is None is left to the pipeline, and then to the pool.

    Attributes:
        priority: of two jobs that wait, the one with the greater number runs first (0).
        timeout: how many seconds one attempt may take (no limit).
        retries: how often it is tried again after a failure, or a whole policy (0); see `RetryPolicy`.
        at: not before this time: seconds since the epoch, a datetime, or its text (ISO 8601; UTC where it names no
            zone).
        every: seconds from one run to the next; a job of this kind has a successor until it is canceled.
        after: the ids of jobs that must be done first. If one of them fails, this one does.
        idempotency_key: asking again with the same key gives the first job.
        result_ttl: how many seconds the result, or the failure, is kept (a day).
        concurrency: how many jobs of the pipeline may run at once, over all workers (any number).
    """

    priority: int | None = None
    timeout: float | None = None
    retries: RetryPolicy | None = None
    at: float | None = None
    every: float | None = None
    after: tuple[str, ...] = ()
    idempotency_key: str | None = None
    result_ttl: float | None = None
    concurrency: int | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any], *, now: float | None = None) -> Self:
        """Checks what somebody asks for.

        Args:
            given: the options by name; None means not given.
            now: the present time, in seconds since the epoch.

        Raises:
            InputError: if a name is not known or a value is none that can be; the message names the field, and all
                that is wrong is listed in ``errors``.
        """
        wrong: list[dict[str, Any]] = []
        found: dict[str, Any] = {}
        for name, value in given.items():
            check = _CHECKS.get(name)
            if check is None:
                wrong.append({"loc": [name], "expected": f"one of {', '.join(_CHECKS)}", "got": "another name"})
            elif value is not None:
                try:
                    found[name] = check(value)
                except (TypeError, ValueError, OverflowError) as error:
                    wrong.append({"loc": [name], "expected": str(error), "got": repr(value)[:80]})
        now = time.time() if now is None else now
        at = found.get("at")
        if at is not None and at < now - _PAST_SECONDS:
            wrong.append({"loc": ["at"], "expected": "a time that is still to come", "got": _iso(at)})
        if wrong:
            raise _refusal(wrong)
        return cls(**found)

    def over(self, defaults: JobOptions) -> JobOptions:
        """These options, with others for what they leave open.

        Args:
            defaults: what counts where nothing is said here.
        """
        merged = {}
        for each in fields(self):
            own = getattr(self, each.name)
            merged[each.name] = getattr(defaults, each.name) if own is None or own == () else own
        return JobOptions(**merged)

    def as_mapping(self) -> dict[str, Any]:
        """The options that are given, as plain JSON values."""
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        values["after"] = list(self.after) or None
        values["retries"] = None if self.retries is None else asdict(self.retries)
        return {name: value for name, value in values.items() if value is not None}


def _refusal(wrong: list[dict[str, Any]]) -> InputError:
    first = wrong[0]
    name = str(first["loc"][0])
    return InputError(
        f"a job was asked for with {name}={first['got']}, but {name} should be {first['expected']}."
        f"{nearest(name, _CHECKS) if name not in _CHECKS else ''} Nothing was queued; correct it and ask again.",
        errors=wrong,
    )


def _number(value: Any, expected: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(expected)
    return float(value)


def _whole(value: Any, expected: str) -> int:
    """A whole number, which JSON may also write as 3.0."""
    found = _number(value, expected)
    if not found.is_integer():
        raise TypeError(expected)
    return int(found)


def _seconds(expected: str, *, least: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        found = _number(value, expected)
        if not least <= found <= _LONGEST_SECONDS or (found == 0 and least > 0):
            raise ValueError(expected)
        return found

    return check


def _integer(expected: str, least: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        found = _whole(value, expected)
        if not least <= found <= _LARGEST_PRIORITY:
            raise ValueError(expected)
        return found

    return check


def _retries(value: Any) -> RetryPolicy:
    expected = "how often to try again (0 or more), or {attempts, base, maximum, jitter}"
    if isinstance(value, RetryPolicy):
        return value
    if isinstance(value, Mapping):
        policy = {**asdict(NO_RETRY), **value}
        if set(policy) != set(asdict(NO_RETRY)):
            raise TypeError(expected)
        numbers = {name: _number(number, expected) for name, number in policy.items()}
        return RetryPolicy(**{**numbers, "attempts": _whole(policy["attempts"], expected)})  # type: ignore[arg-type]  # a float is none
    found = _whole(value, expected)
    if not 0 <= found < _LARGEST_PRIORITY:
        raise ValueError(expected)
    return RetryPolicy(attempts=found + 1, base=NO_RETRY.base, maximum=NO_RETRY.maximum)


def _time(value: Any) -> float:
    expected = "a time: seconds since the epoch, or text such as 2030-01-31T12:00:00Z"
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError(expected) from error
    if isinstance(value, datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    found = _number(value, expected)
    if not 0 <= found <= 253_402_300_799:  # the end of the year 9999
        raise ValueError(expected)
    return found


def _after(value: Any) -> tuple[str, ...]:
    expected = f"the ids of at most {_MOST_PARENTS} jobs, in a list"
    ids = [value] if isinstance(value, str) else value
    if not isinstance(ids, list | tuple) or len(ids) > _MOST_PARENTS:
        raise TypeError(expected)
    if not all(isinstance(each, str) and each for each in ids):
        raise TypeError(expected)
    return tuple(dict.fromkeys(ids))


def _key(value: Any) -> str:
    expected = f"text of 1 to {_LONGEST_KEY} printable characters"
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_KEY or not value.isprintable():
        raise TypeError(expected)
    return value


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "priority": _integer("a whole number; greater ones run first", -_LARGEST_PRIORITY),
    "timeout": _seconds("a number of seconds greater than 0", least=1e-3),
    "retries": _retries,
    "at": _time,
    "every": _seconds("a number of seconds, 1 or more", least=1.0),
    "after": _after,
    "idempotency_key": _key,
    "result_ttl": _seconds("a number of seconds, 0 or more", least=0.0),
    "concurrency": _integer("a whole number, 1 or more", 1),
}
