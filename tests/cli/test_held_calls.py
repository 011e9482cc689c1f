"""Do system calls that keep the interpreter do what the ordinary ones do?"""

from __future__ import annotations

import os
import select
import selectors
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chariots.cli import held_calls
from chariots.cli.held_calls import HeldSelector, accept_now, receive_now, ring, send_now, silence
from chariots.cli.method_queue import MethodQueue
from chariots.cli.patient_socket import PatientSocket


@pytest.fixture(params=[True, False], ids=["held", "ordinary"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_calls, "IS_HELD", request.param)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def listening(family: int, address: object) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen()
    listener.setblocking(False)
    return listener


@pytest.mark.usefixtures("held")
def test_what_is_there_is_received(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    with pytest.raises(BlockingIOError):
        receive_now(here)
    there.sendall(b"a\0b")
    assert receive_now(here) == b"a\0b"
    there.close()
    assert receive_now(here) == b""


@pytest.mark.usefixtures("held")
def test_much_is_received_in_pieces(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    data = os.urandom(50_000)
    there.sendall(data)
    came = b""
    while len(came) < len(data):
        came += receive_now(here)
    assert came == data


@pytest.mark.usefixtures("held")
def test_what_is_taken_is_sent(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    assert send_now(here, b"a\0b") == 3
    assert there.recv(10) == b"a\0b"
    there.setblocking(False)
    sent = 0
    with pytest.raises(BlockingIOError):
        for _ in range(10_000):
            sent += send_now(here, bytes(30_000))
    there.settimeout(5)
    came = 0
    while came < sent:
        came += len(there.recv(2**20))
    there.close()
    with pytest.raises(BrokenPipeError):
        send_now(here, b"x")


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_connection_is_accepted_with_its_address(family: int, host: str) -> None:
    with listening(family, (host, 0)) as listener:
        with pytest.raises(BlockingIOError):
            accept_now(listener)
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.connect(listener.getsockname())
            select.select([listener], [], [], 5)
            descriptor, address = accept_now(listener)
            with PatientSocket(listener, descriptor) as taken:
                assert address == client.getsockname()
                assert not os.get_inheritable(descriptor)
                assert (taken.family, taken.type) == (listener.family, listener.type)
                client.sendall(b"hello")
                assert taken.recv(5) == b"hello"


@pytest.mark.usefixtures("held")
def test_a_connection_of_this_machine_is_accepted(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with listening(socket.AF_UNIX, path) as listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        descriptor, _ = accept_now(listener)
        with socket.socket(fileno=descriptor) as taken:
            taken.sendall(b"hello")
            assert client.recv(5) == b"hello"


def test_a_selector_tells_who_has_something(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    with HeldSelector() as selector:
        selector.register(here, selectors.EVENT_READ, "here")
        assert selector.select(0) == []
        there.sendall(b"x")
        assert [(key.data, events) for key, events in selector.select(5)] == [("here", selectors.EVENT_READ)]
        selector.modify(here, selectors.EVENT_WRITE, "here")
        assert [events for _, events in selector.select(5)] == [selectors.EVENT_WRITE]
        selector.unregister(here)
        assert selector.select(0) == []
        with pytest.raises(OSError, match="Bad file descriptor"):
            selector.register(9999, selectors.EVENT_READ)


@pytest.mark.usefixtures("held")
def test_a_bell_rings_until_it_is_silenced() -> None:
    bell = os.eventfd(0, os.EFD_NONBLOCK)
    try:
        ring(bell)
        ring(bell)
        assert select.select([bell], [], [], 0)[0]
        silence(bell)
        assert not select.select([bell], [], [], 0)[0]
        silence(bell)  # which nobody has rung
    finally:
        os.close(bell)


def test_a_queue_calls_all_of_it_in_order_and_some_at_once() -> None:
    queue = MethodQueue()
    queue.defer(list)  # before it begins: it is called then
    queue.init()
    try:
        called: list[int] = []
        for number in range(200):
            queue.defer(called.append, number)
        steps = 0
        while select.select([queue], [], [], 0)[0]:
            queue.run_callbacks(queue)
            steps += 1
        assert called == list(range(200))
        assert steps > 2, "whatever else happens to the loop has its turn in between"
    finally:
        queue.close()


def test_a_patient_socket_sends_all_of_it(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with PatientSocket(here, os.dup(here.fileno())) as patient:
        patient.setblocking(False)  # which says nothing: whoever must not wait says so with each call
        data = os.urandom(16_000)
        came = bytearray()

        def read() -> None:
            while len(came) < 2 * len(data):
                came.extend(there.recv(1000))

        reader = threading.Thread(target=read)
        reader.start()
        patient.sendall(data)
        patient.sendall(memoryview(data))
        reader.join(10)
        assert bytes(came) == data + data
