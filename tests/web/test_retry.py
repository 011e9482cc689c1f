"""How often is something tried again, and after which pauses?"""

from __future__ import annotations

from typing import Any

import pytest

from chariots.web import RetryPolicy


def test_pauses_double_up_to_the_longest() -> None:
    policy = RetryPolicy(attempts=6, base=0.5, maximum=3, jitter=0)
    assert list(policy.delays()) == [0.5, 1.0, 2.0, 3, 3]


def test_jitter_shortens_pauses_at_random() -> None:
    policy = RetryPolicy(attempts=1001, base=1, maximum=1, jitter=0.4)
    delays = list(policy.delays())
    assert all(0.6 <= delay <= 1 for delay in delays)
    assert len(set(delays)) > 100


def test_one_attempt_has_no_pause() -> None:
    assert list(RetryPolicy(attempts=1).delays()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attempts": 0}, "attempts=0: there is always a first attempt; give 1 or more"),
        ({"base": -1}, "pauses are not negative"),
        ({"maximum": -1}, "pauses are not negative"),
        ({"jitter": 1.5}, "give a number from 0 to 1"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RetryPolicy(**options)
