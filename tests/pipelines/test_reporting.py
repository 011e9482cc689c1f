"""How does an op say how far it is, and to whom?"""

from __future__ import annotations

import threading

from chariots import progress
from chariots.pipelines.reporting import is_wanted, reporting_to


def test_progress_that_nobody_wants_goes_nowhere():
    assert not is_wanted()
    assert progress(1, 2, "half") is None


def test_progress_goes_to_whoever_runs_the_op():
    told = []
    with reporting_to(lambda *given: told.append(given)):
        assert is_wanted()
        progress(1)
        progress(2, 3, "nearly")
    progress(3, 3)
    assert told == [(1, None, ""), (2, 3, "nearly")]


def test_the_progress_of_one_thread_is_not_that_of_another():
    told, ready, go = [], threading.Event(), threading.Event()

    def other() -> None:
        ready.set()
        go.wait(10)
        progress(1, 1, "from elsewhere")

    thread = threading.Thread(target=other)
    thread.start()
    ready.wait(10)
    with reporting_to(lambda *given: told.append(given)):
        go.set()
        thread.join()
    assert told == []


def test_the_inner_of_two_listeners_is_told():
    outer, inner = [], []
    with reporting_to(lambda *given: outer.append(given)):
        with reporting_to(lambda *given: inner.append(given)):
            progress(1)
        progress(2)
    assert (outer, inner) == ([(2, None, "")], [(1, None, "")])
