"""Is everything that may be asked for understood, and everything else refused by its name?"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from chariots.errors import InputError
from chariots.web.retry import RetryPolicy
from chariots.workers.job_options import JobOptions

NOW = 1_800_000_000.0


def read(**given: Any) -> JobOptions:
    """The options somebody gives."""
    return JobOptions.read(given, now=NOW)


def test_nothing_needs_to_be_given() -> None:
    assert read() == JobOptions()
    assert read(priority=None, timeout=None, after=None) == JobOptions()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("priority", 0, 0),
        ("priority", -3, -3),
        ("timeout", 1, 1.0),
        ("timeout", 0.5, 0.5),
        ("retries", 0, RetryPolicy(attempts=1, base=1.0, maximum=60.0)),
        ("retries", 3, RetryPolicy(attempts=4, base=1.0, maximum=60.0)),
        ("retries", {"attempts": 2, "base": 5}, RetryPolicy(attempts=2, base=5.0, maximum=60.0)),
        ("retries", RetryPolicy(attempts=9), RetryPolicy(attempts=9)),
        ("every", 1, 1.0),
        ("after", ["a", "b", "a"], ("a", "b")),
        ("after", "a", ("a",)),
        ("after", [], ()),
        ("idempotency_key", "k é", "k é"),
        ("result_ttl", 0, 0.0),
        ("concurrency", 1, 1),
    ],
)
def test_what_may_be_given_is_understood(name: str, value: object, expected: object) -> None:
    assert getattr(read(**{name: value}), name) == expected


@pytest.mark.parametrize(
    "value",
    [
        NOW + 60,
        int(NOW) + 60,
        datetime.fromtimestamp(NOW + 60, UTC),
        datetime.fromtimestamp(NOW + 60, UTC).replace(tzinfo=None),
        datetime.fromtimestamp(NOW + 60, timezone(timedelta(hours=5))),
        datetime.fromtimestamp(NOW + 60, UTC).isoformat(),
        datetime.fromtimestamp(NOW + 60, UTC).isoformat().replace("+00:00", "Z"),
        datetime.fromtimestamp(NOW + 60, UTC).isoformat().replace("+00:00", ""),
    ],
)
def test_a_time_may_be_written_in_several_ways(value: object) -> None:
    assert read(at=value).at == NOW + 60


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("priority", value) for value in (1.5, "1", True, 2**31, -(2**31), [])),
        *(("timeout", value) for value in (0, -1, "1", True, math.nan, math.inf, 1e-4, 1e12)),
        *(("retries", value) for value in (-1, 1.5, "1", True, {"tries": 1}, {"attempts": 0}, {"base": "1"}, [])),
        *(("at", value) for value in (NOW - 60, -1, 1e300, "tomorrow", True, math.nan, [])),
        *(("every", value) for value in (0, 0.5, -1, "1", math.inf)),
        *(("after", value) for value in (1, [1], [""], {"a": 1}, [str(number) for number in range(101)])),
        *(("idempotency_key", value) for value in ("", "x" * 256, "a\x00", "a\n", 1)),
        *(("result_ttl", value) for value in (-1, "1", math.nan, True)),
        *(("concurrency", value) for value in (0, -1, 1.5, "1", True, 2**31)),
    ],
)
def test_what_cannot_be_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"{name}=.*{name} should be .*Nothing was queued") as raised:
        read(**{name: value})
    (told,) = raised.value.extra["errors"]
    assert told["loc"] == [name]
    assert raised.value.status == 422


def test_a_time_that_has_just_passed_is_forgiven() -> None:
    assert read(at=NOW - 4).at == NOW - 4


def test_an_option_that_nobody_knows_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"prioritty.*Did you mean 'priority'"):
        read(prioritty=1)


def test_everything_that_is_wrong_is_listed() -> None:
    with pytest.raises(InputError) as raised:
        read(priority="high", timeout=-1, at=NOW - 60, unknown=1)
    assert [each["loc"] for each in raised.value.extra["errors"]] == [["priority"], ["timeout"], ["unknown"], ["at"]]


def test_what_is_not_given_is_left_to_the_defaults() -> None:
    defaults = JobOptions(priority=1, timeout=2.0, after=("a",), concurrency=3)
    own = JobOptions(priority=0, after=("b",))
    assert own.over(defaults) == JobOptions(priority=0, timeout=2.0, after=("b",), concurrency=3)
    assert JobOptions().over(defaults) == defaults


def test_options_travel_as_json_and_come_back() -> None:
    options = read(priority=1, timeout=2, retries=3, at=NOW + 60, every=60, after=["a"], idempotency_key="k")
    assert JobOptions.read(options.as_mapping(), now=NOW) == options
    assert JobOptions().as_mapping() == {}
