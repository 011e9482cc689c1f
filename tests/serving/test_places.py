"""Are there few places where the interpreter is busy, and enough where it is not?"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from chariots.serving.places import PATIENCE_SECONDS, WINDOW_SECONDS, Places

LONG = 30.0  # seconds, for what happens at once


class Clock:
    """Time, and what the process has worked in it, as a test wants them."""

    def __init__(self) -> None:
        self.now = self.worked = 0.0

    def go_on(self, seconds: float, processors: float) -> None:
        self.now += seconds
        self.worked += processors * seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(clock: Clock) -> Callable[[int], Places]:
    return lambda processors: Places(processors, lambda: clock.now, lambda: clock.worked)


class Runs:
    """Threads that each take a place, and leave it when they are told to."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.inside = threading.Semaphore(0)
        self.leave = threading.Semaphore(0)
        self.gone = threading.Semaphore(0)
        self.threads: list[threading.Thread] = []

    def start(self, number: int) -> None:
        for _ in range(number):
            self.threads.append(threading.Thread(target=self._run, daemon=True))
            self.threads[-1].start()

    def _run(self) -> None:
        with self.places:
            self.inside.release()
            assert self.leave.acquire(timeout=LONG)
        self.gone.release()

    def entered(self, number: int) -> bool:
        return all(self.inside.acquire(timeout=LONG) for _ in range(number))

    def next(self, clock: Clock, processors: float) -> None:
        """One leaves, when a window is over in which the process worked so much."""
        clock.go_on(1.1 * WINDOW_SECONDS, processors)
        self.leave.release()
        assert self.gone.acquire(timeout=LONG)


def waiting(places: Places, number: int) -> None:
    """Waits until so many wait."""
    done = threading.Event()
    for _ in range(int(LONG / 0.01)):
        if len(places._waiting) == number:
            return
        done.wait(0.01)
    raise AssertionError(f"{len(places._waiting)} wait")


def test_a_lone_run_has_a_place_at_once(make: Callable[[int], Places]) -> None:
    places = make(1)
    for _ in range(3):
        with places, places:  # there are two, however few processors
            pass
    assert places.number == 2


def test_there_are_fewer_while_the_interpreter_has_all_it_can_do(make: Callable[[int], Places], clock: Clock) -> None:
    places = make(8)
    runs = Runs(places)
    runs.start(20)
    assert runs.entered(8)
    waiting(places, 12)
    runs.next(clock, 1.0)
    assert places.number == 4
    runs.next(clock, 1.02)
    assert places.number == 2
    runs.next(clock, 0.97)
    assert places.number == 1
    runs.next(clock, 1.0)
    assert places.number == 1
    # Eight were inside and four have left: nobody else comes in before four more have.
    assert not runs.inside.acquire(timeout=0.01)
    runs.leave.release(16)
    for thread in runs.threads:
        thread.join(LONG)
    assert not any(thread.is_alive() for thread in runs.threads)


def test_there_are_as_many_as_want_one_where_runs_wait_for_something_else(
    make: Callable[[int], Places], clock: Clock
) -> None:
    places = make(2)
    runs = Runs(places)
    runs.start(10)
    assert runs.entered(2)
    waiting(places, 8)
    runs.next(clock, 0.1)
    assert runs.entered(3)  # four places, one of which was taken all the time
    runs.next(clock, 0.1)
    assert runs.entered(5)
    assert places.number == 8
    runs.leave.release(8)


@pytest.mark.parametrize(
    ("processors", "at_first", "worked", "then"),
    [
        pytest.param(8, 2, 2.0, 4, id="runs compute outside of the interpreter"),
        pytest.param(4, 4, 3.9, 2, id="all processors are at work"),
        pytest.param(1, 4, 1.0, 2, id="the only processor is at work"),
    ],
)
def test_the_number_follows_what_the_processors_do(
    make: Callable[[int], Places], clock: Clock, processors: int, at_first: int, worked: float, then: int
) -> None:
    places = make(processors)
    places.number = at_first
    runs = Runs(places)
    runs.start(8)
    assert runs.entered(at_first)
    waiting(places, 8 - at_first)
    runs.next(clock, worked)
    assert places.number == then
    runs.leave.release(7)


def test_a_window_in_which_nobody_waited_for_long_tells_nothing(make: Callable[[int], Places], clock: Clock) -> None:
    places = make(2)
    runs = Runs(places)
    runs.start(3)
    assert runs.entered(2)
    waiting(places, 1)
    clock.go_on(10.0, 0.0)
    runs.leave.release()
    assert runs.entered(1)
    assert places.number == 2
    runs.leave.release(2)


def test_nobody_waits_for_long_for_those_who_take_their_time() -> None:
    """Two runs that do not end, and that keep the interpreter busy, keep nobody out."""
    clock = Clock()
    places = Places(2, lambda: clock.now, lambda: clock.worked)
    runs = Runs(places)
    runs.start(3)
    assert runs.entered(2)
    waiting(places, 1)
    clock.go_on(PATIENCE_SECONDS, 1.0)
    assert runs.entered(1)
    assert places.number == 1
    runs.leave.release(3)


def test_a_run_that_fails_leaves_its_place(make: Callable[[int], Places]) -> None:
    places = make(2)
    for _ in range(5):
        with pytest.raises(ZeroDivisionError), places:
            raise ZeroDivisionError
    with places, places:
        pass
