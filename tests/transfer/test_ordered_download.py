"""Do the bytes of an object come in order over several connections, a little ahead of whoever uses them?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chariots.transfer import ordered_download
from chariots.transfer.connections import Connections
from chariots.transfer.http_origin import HttpOrigin
from chariots.transfer.ordered_download import OrderedDownload
from chariots.transfer.origins import ChangedError, PassingError, Pin
from tests.transfer.conftest import MEBIBYTE, eventually, some_bytes
from tests.transfer.hostile import Fault, HostileServer, Resource

BIG = some_bytes(40 * MEBIBYTE)


@pytest.fixture
def connections() -> Iterator[Connections]:
    made = Connections(20.0)
    yield made
    made.close()


@pytest.fixture
def resource(server: HostileServer) -> Resource:
    return server.put("/a", BIG)


@pytest.fixture
def origin(server: HostileServer, resource: Resource, connections: Connections) -> HttpOrigin:
    return HttpOrigin(server.url("/a"), len(BIG), connections)


def again(fetch: Callable[[], None]) -> None:
    """Tries a few times."""
    for _ in range(5):
        try:
            return fetch()
        except PassingError as error:
            failure = error
    raise failure


def download(origin: HttpOrigin) -> Iterator[bytes]:
    first = origin.open(0, MEBIBYTE, None)
    return OrderedDownload(origin, first.pin, again, first).chunks()


def test_all_bytes_come_in_order(origin: HttpOrigin, server: HostileServer) -> None:
    chunks = list(download(origin))
    assert b"".join(chunks) == BIG
    assert max(map(len, chunks)) <= MEBIBYTE
    assert server.bytes_sent() == len(BIG)
    assert len({asked.connection for asked in server.asked}) > 1


def test_an_object_may_be_begun_without_an_answer(origin: HttpOrigin) -> None:
    assert b"".join(OrderedDownload(origin, Pin(None, len(BIG)), again).chunks()) == BIG
    assert list(OrderedDownload(origin, Pin(None, 0), again).chunks()) == []


def test_a_piece_that_breaks_off_goes_on_where_it_was(
    origin: HttpOrigin, server: HostileServer, resource: Resource
) -> None:
    resource.faults.append(Fault(close_after=300_000, first=5))
    assert b"".join(download(origin)) == BIG
    assert server.bytes_sent() < len(BIG) + 5 * 300_000


def test_an_answer_with_fewer_bytes_is_followed_by_another(origin: HttpOrigin, resource: Resource) -> None:
    resource.faults.append(Fault(shortened_to=700_000, first=6))
    assert b"".join(download(origin)) == BIG


def test_a_failure_that_lasts_is_raised_behind_the_bytes_that_came(origin: HttpOrigin, resource: Resource) -> None:
    resource.faults.append(Fault(status=503, skip=2))
    found = bytearray()
    with pytest.raises(PassingError, match="503"):
        for chunk in download(origin):
            found += chunk
    assert len(found) >= MEBIBYTE
    assert found == BIG[: len(found)]


def test_bytes_of_two_states_are_never_mixed(origin: HttpOrigin, resource: Resource) -> None:
    resource.replacement, resource.replace_after = bytes(len(BIG)), 5 * MEBIBYTE
    found = bytearray()
    with pytest.raises(ChangedError):
        for chunk in download(origin):
            found += chunk
    assert found == BIG[: len(found)]


def test_a_server_without_ranges_is_refused(origin: HttpOrigin, resource: Resource) -> None:
    pin = origin.open(0, 1, None).pin
    resource.ranges = False
    with pytest.raises(PassingError, match="whichever part is asked for"):
        list(OrderedDownload(origin, pin, again).chunks())


def test_little_is_fetched_ahead_of_whoever_is_slow(
    origin: HttpOrigin, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered_download, "_MOST", 2)
    chunks = download(origin)
    found = bytearray(next(chunks))
    # All connections rest as soon as so much is there, and the memory holds no more than one piece beyond it.
    eventually(lambda: server.bytes_sent() >= 16 * MEBIBYTE)
    assert server.bytes_sent() <= 16 * MEBIBYTE + 8 * MEBIBYTE
    for chunk in chunks:
        found += chunk
    assert found == BIG


def test_whoever_stops_early_waits_for_nobody(origin: HttpOrigin, resource: Resource) -> None:
    resource.faults.append(Fault(stall_after=300_000, skip=1))  # until the test is over
    chunks = download(origin)
    assert next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert next(chunks, None) is None
