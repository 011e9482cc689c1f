"""Is everybody allowed as much as was said, and not more, over all processes?"""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chariots.web.rates import Rates
from chariots.web.settings import Rate


def test_all_of_it_may_be_asked_for_at_once_and_then_it_comes_back_bit_by_bit() -> None:
    rates = Rates(Rate(10, 60.0))
    assert [rates.wait(b"a", now=1000.0) for _ in range(10)] == [0.0] * 10
    assert round(rates.wait(b"a", now=1000.0), 6) == 6.0
    assert round(rates.wait(b"a", now=1004.0), 6) == 2.0
    assert rates.wait(b"a", now=1006.0) == 0.0
    assert rates.wait(b"a", now=1006.0) > 0.0


def test_clients_do_not_count_for_one_another() -> None:
    rates = Rates(Rate(1, 60.0))
    assert [rates.wait(name, now=5.0) for name in (b"a", b"b", b"c")] == [0.0] * 3


@given(st.lists(st.floats(0, 2), min_size=1, max_size=60), st.integers(1, 8))
def test_no_window_ever_holds_more_than_twice_the_rate(gaps: list[float], requests: int) -> None:
    rates = Rates(Rate(requests, 1.0))
    moment, allowed = 100.0, []
    for gap in gaps:
        moment += gap
        if not rates.wait(b"a", now=moment):
            allowed.append(moment)
    for first in allowed:
        assert sum(first <= each < first + 1.0 for each in allowed) <= 2 * requests


def _ask(file: str, answers: multiprocessing.Queue[int]) -> None:
    rates = Rates(Rate(100, 3600.0), Path(file))
    answers.put(sum(not rates.wait(b"a") for _ in range(80)))


def test_the_processes_of_a_server_count_together(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=_ask, args=(str(tmp_path / "rates"), answers)) for _ in range(3)]
    for process in processes:
        process.start()
    allowed = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert sum(allowed) in (100, 101)  # an hour hundredths is 36 s, in which three processes may well start
