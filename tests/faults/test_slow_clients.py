"""Is a server still there for everybody while clients send, or read, as slowly as they can, or far too much?"""

from __future__ import annotations

import contextlib
import http.client
import os
import selectors
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chariots.cli.patient_worker import ARRIVAL_SECONDS
from chariots.errors import BodyTooLargeError
from chariots.op_store import OpStoreClient
from tests.cli.programs import CHARIOTS, started
from tests.faults.counting import counted
from tests.op_store.support import blob_files, version

THREADS = 4
CLIENTS = 10 * THREADS
MOST = 20  # connections that a worker takes where it is crowded; a thousand are opened by nobody in a test
ZEROS = "0" * 64
HOST = b"Host: localhost\r\n"

# What each kind of slow client sends before it goes quiet, or goes on byte by byte.
SLOW: dict[str, bytes] = {
    "nothing": b"",
    "half a line": b"POST /v1/pipe",
    "a head without an end": b"POST /v1/pipeline_exists HTTP/1.1\r\n" + HOST + b"X-Slow: ",
    "a small body without an end": (
        b"POST /v1/pipeline_exists HTTP/1.1\r\n" + HOST + b'Content-Length: 100\r\n\r\n{"pipeline_name": "'
    ),
    "a body that nobody asked for": b"GET /livez HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\n",
    "a large body without an end": (
        b"PUT /v2/blobs/" + ZEROS.encode() + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 100000000\r\n\r\nx"
    ),
    "a body that waits to be asked for": (
        b"PUT /v2/blobs/"
        + ZEROS.encode()
        + b" HTTP/1.1\r\n"
        + HOST
        + b"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps everything."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A store as ``chariots op-store serve`` runs it, with few threads."""
    command = [*CHARIOTS, "op-store", "serve", "--path", "store", "--port", "0", "--threads", str(THREADS)]
    with started(command, folder) as (address, _):
        yield address


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same, where a worker takes few connections."""
    few = f"from gunicorn.config import WorkerConnections; WorkerConnections.default = {MOST}"
    program = f"{few}; import runpy; runpy.run_module('chariots', run_name='__main__')"
    command = [sys.executable, "-c", program, "op-store", "serve", "--path", "store", "--port", "0"]
    with started([*command, "--threads", str(THREADS)], tmp_path_factory.mktemp("crowded")) as (address, _):
        yield address


@contextlib.contextmanager
def connections(url: str, number: int) -> Iterator[list[socket.socket]]:
    """Opens connections, and closes them at the end."""
    target = urlsplit(url)
    with contextlib.ExitStack() as opened:
        yield [
            opened.enter_context(socket.create_connection((target.hostname, target.port), timeout=60))
            for _ in range(number)
        ]


@contextlib.contextmanager
def trickling(slow: list[socket.socket], byte: bytes) -> Iterator[None]:
    """Sends a byte on each connection ten times a second."""
    done = threading.Event()

    def send() -> None:
        while not done.wait(0.1):
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.send(byte)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        done.set()
        sender.join()


def use_the_store(url: str, name: str) -> None:
    """Saves and loads an op of a size that has to be read by a thread."""
    client = OpStoreClient(url)
    data = os.urandom(300_000)
    client.save_op_bytes(name, version("1"), data)
    assert client.get_op_bytes_for_version(name, version("1")) == data


@pytest.mark.parametrize("kind", SLOW)
def test_others_are_answered_while_slow_clients_hold_their_connections(url: str, kind: str) -> None:
    # Bodies that are read by threads are held to a pace, and keep others with such bodies waiting until then.
    number = THREADS if "body that waits" in kind or "large" in kind else CLIENTS
    with counted(f"{number} clients at once send {kind}"), connections(url, number) as slow:
        for connection in slow:
            connection.sendall(SLOW[kind])
        with trickling(slow, b"x") if "nothing" not in kind else contextlib.nullcontext():
            client = OpStoreClient(url)
            for _ in range(20):
                assert client.pipeline_exists("train") is False
            if number == CLIENTS:
                use_the_store(url, kind)


@pytest.mark.parametrize("kind", ["half a line", "a large body without an end", "one request after which it stays"])
def test_more_connections_than_a_server_takes_keep_nobody_out(crowded: str, kind: str) -> None:
    asked = SLOW.get(kind, b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
    with counted(f"{3 * MOST} connections where {MOST} are taken send {kind}"), contextlib.ExitStack() as opened:
        waiting = opened.enter_context(selectors.DefaultSelector())
        for _ in range(3 * MOST):
            (connection,) = opened.enter_context(connections(crowded, 1))
            connection.sendall(asked)
            if kind not in SLOW:
                answer = http.client.HTTPResponse(connection)
                answer.begin()
                assert answer.read() == b'{"status":"alive"}'
            waiting.register(connection, selectors.EVENT_READ)
        assert OpStoreClient(crowded).pipeline_exists("train") is False
        # Whoever has waited longest made room, and was not kept until the patience with it had ended (then it is 408).
        (key, _), *_ = waiting.select(60)
        told = key.fileobj.recv(1000)  # type: ignore[union-attr]
        assert told.startswith(b"HTTP/1.1 503 ") if kind in SLOW else told == b""
        if "large" not in kind:
            use_the_store(crowded, kind)


def test_what_never_ends_is_cut_off_and_leaves_nothing(url: str, folder: Path) -> None:
    with connections(url, 2) as (head, body):
        head.sendall(SLOW["half a line"])
        body.sendall(SLOW["a large body without an end"])
        for connection in (head, body):
            connection.settimeout(ARRIVAL_SECONDS + 30)
        with trickling([body], b"x"):
            with counted("a request that never ends is cut off"):
                assert head.recv(1000).startswith(b"HTTP/1.1 408 ")
                assert head.recv(1000) == b""
            with counted("a body of a byte every tenth of a second is cut off"):
                assert body.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert [path for path in blob_files(folder / "store") if ZEROS in path.name] == []


def test_clients_that_do_not_read_their_answers_hold_nobody_up(url: str) -> None:
    client = OpStoreClient(url)
    sha256 = client.write_blob(os.urandom(30_000_000))
    with counted(f"{THREADS - 1} clients never read their answer"), connections(url, THREADS - 1) as slow:
        for connection in slow:
            connection.sendall(f"GET /v2/blobs/{sha256} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        use_the_store(url, "unread")


def test_clients_that_never_close_a_finished_connection_hold_nobody_up(url: str) -> None:
    with counted(f"{CLIENTS} clients leave finished connections open"), connections(url, CLIENTS) as slow:
        for connection in slow:
            connection.sendall(b"GET /livez HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
        # Were they waited for one after the other, two seconds each, this would take longer than a socket waits.
        with connections(url, 1) as (caller,):
            caller.settimeout(CLIENTS)
            caller.sendall(b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
            assert caller.recv(1000).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("route", ["/v2/resolve", "/v1/pipeline_exists", "/v2/saves"])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(url: str, route: str) -> None:
    size = 10**15
    with counted("a body of a petabyte is announced"), connections(url, 1) as (caller,):
        caller.sendall(f"POST {route} HTTP/1.1\r\nContent-Length: {size}\r\nHost: localhost\r\n\r\n{{".encode())
        answer = http.client.HTTPResponse(caller, method="POST")
        answer.begin()
        assert answer.status == BodyTooLargeError.status
        assert BodyTooLargeError.slug.encode() in answer.read()
    use_the_store(url, "after")
