"""Is a client that asks again at once found without sleeping, and is nobody else looked for in vain?"""

from __future__ import annotations

import pytest

from chariots.cli.lookout import LONGER_SECONDS, PROMPT_SECONDS, Events, Lookout

CAME: Events = [(7, 1)]
MICROSECOND = 1e-6


class Client:
    """Asks so long after it was waited for; each look at a clock, and each poll, takes a microsecond."""

    def __init__(self, after: float) -> None:
        self.after = after
        self.now = 0.0
        self.asks_at: float | None = None
        self.slept = 0
        self.looked = 0

    def clock(self) -> float:
        self.now += MICROSECOND
        return self.now

    def poll(self, timeout: float | None, most: int) -> Events:
        assert most == 5
        self.now += MICROSECOND
        if self.asks_at is None:
            self.asks_at = self.now + self.after
        if timeout == 0.0:
            self.looked += 1
            if self.now < self.asks_at:
                return []
        else:
            self.slept += 1
            self.now = max(self.now, self.asks_at)
        self.asks_at = None
        return CAME


def waited(client: Client, times: int, *, processors: int = 2, is_alone: bool = True) -> Client:
    """Has a lookout wait for the requests of a client."""
    lookout = Lookout(client.poll, processors, client.clock)
    for _ in range(times):
        assert lookout.wait(1.0, 5, is_alone=is_alone) == CAME
    return client


def test_a_client_that_asks_at_once_is_slept_for_once() -> None:
    client = waited(Client(LONGER_SECONDS / 2), 10)
    assert client.slept == 1
    assert client.looked > 9


def test_one_that_takes_its_time_is_not_looked_for() -> None:
    client = waited(Client(2 * PROMPT_SECONDS), 10)
    assert (client.slept, client.looked) == (10, 0)


def test_one_that_slows_down_is_looked_for_once_more() -> None:
    client = Client(LONGER_SECONDS / 2)
    lookout = Lookout(client.poll, 2, client.clock)
    for _ in range(3):
        lookout.wait(1.0, 5, is_alone=True)
    client.after, before = 1.0, client.now
    lookout.wait(1.0, 5, is_alone=True)
    assert client.slept == 2
    assert client.looked * 2 * MICROSECOND < 3 * LONGER_SECONDS
    assert client.now - before == pytest.approx(1.0, abs=1e-4)
    looked = client.looked
    lookout.wait(1.0, 5, is_alone=True)
    assert (client.slept, client.looked) == (3, looked)


@pytest.mark.parametrize("alone_and_processors", [(False, 2), (True, 1)])
def test_nobody_is_looked_for_among_several_or_on_one_processor(alone_and_processors: tuple[bool, int]) -> None:
    is_alone, processors = alone_and_processors
    client = waited(Client(LONGER_SECONDS / 2), 10, processors=processors, is_alone=is_alone)
    assert (client.slept, client.looked) == (10, 0)


def test_where_nothing_comes_nothing_is_given() -> None:
    lookout = Lookout(lambda timeout, most: [], 2)
    assert lookout.wait(0.0, 5, is_alone=True) == []
    assert lookout.wait(0.0, 5, is_alone=True) == []  # after the look, which the first one led to
