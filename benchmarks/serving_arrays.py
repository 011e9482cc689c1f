"""What does it cost to send ten thousand rows to a server, and to get as many back?

A batch of 10,000 x 100 numbers of single precision goes to a pipeline that answers with its input. As ``.npy`` and as
Arrow it is measured beside a bare copy: the same bytes, to a process that sends them back. As JSON it is measured
beside servers that read and write the same JSON. The client sends prepared bytes, and does nothing with those that come
back.
"""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import sys
import tempfile
import time
from functools import partial
from typing import Any

from benchmarks import peers
from benchmarks.iris_apps import FOLDER, PATH
from benchmarks.models import MODEL, THREADS
from benchmarks.servers import Call, Served, Server, as_json, chariots_serve, started
from benchmarks.serving_apps import missing, servers
from benchmarks.table import Row, interleaved, median

ROWS, COLUMNS = 10_000, 100
SMALL = [[1.0, 2.0, 3.0, 4.0]]  # what the servers are asked until they answer
OURS, ECHO = "chariots serve", "copy"
OTHERS = ("Flask on granian", "FastAPI", "LitServe")
NPY, ARROW = "application/x-npy", "application/vnd.apache.arrow.stream"
JSON = "application/json"
ROOM = bytearray(64 * 2**20)  # for answers, so that no memory is asked for while the clock runs


class Connection:
    """One that stays open, and reads every answer into the same memory.

    Args:
        server: whom to ask.
    """

    def __init__(self, server: Served) -> None:
        self.server = server
        self.socket = connected(server.port)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, path: str, kind: str, body: bytes) -> memoryview:
        """Asks, and gives the body of the answer.

        Raises:
            AssertionError: if the answer is not 200.
        """
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nAccept: {kind}\r\n"
        self.socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        self.socket.sendall(body)
        there = memoryview(ROOM)
        read, start = 0, 3  # 3: the end of the head is not found yet
        while start == 3:
            read += self._some(there[read:])
            start = ROOM.find(b"\r\n\r\n", 0, read) + 4
        told = bytes(there[:start]).lower()
        if not told.startswith(b"http/1.1 200"):
            raise AssertionError(f"{self.server.name}: {bytes(there[:500])!r}")
        length = told.partition(b"content-length:")[2].split(b"\r\n")[0]
        end = start + int(length) if length else 0  # 0: it comes in pieces, the last of which is empty
        while read < end or (not end and bytes(there[read - 5 : read]) != b"0\r\n\r\n"):
            read += self._some(there[read:])
        return there[start:read]

    def copy(self, body: bytes) -> memoryview:
        """Sends bytes to a process that sends them back."""
        self.socket.sendall(struct.pack("<Q", len(body)))
        self.socket.sendall(body)
        there = memoryview(ROOM)
        read = 0
        while read < len(body):
            read += self._some(there[read : len(body)])
        return there[:read]

    def _some(self, there: memoryview) -> int:
        read = self.socket.recv_into(there)
        if not read:
            raise ConnectionError(f"{self.server.name} closed the connection")
        return read


def main(short: bool = False) -> list[Row]:
    """Measures all forms.

    Args:
        short: fewer rounds, and as JSON beside FastAPI alone.

    Returns:
        the rows of the table.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        call = Call(PATH, as_json({"pipeline_input": SMALL}), "4.0")
        ours = Server(
            OURS,
            chariots_serve("benchmarks.sized_apps:app", threads=THREADS),
            {OURS: Call("/pipelines/array/main", call.body, "4.0")},
        )
        echo = Server(ECHO, (sys.executable, "-m", "benchmarks.serving_arrays", "{port}"), {})
        every = [server for server in servers(call) if server.name in (("FastAPI",) if short else OTHERS)]
        others = [server for server in every if missing(server) is None]
        others += [] if short else peers.asked_for(SMALL, "4.0")
        running, failed = started([ours, echo, *others], folder, {FOLDER: folder, MODEL: "same"}, stack)
        there = {server.name: server for server in running}
        rows = beside_a_copy(there, 5 if short else 41) + beside_peers(there, 1 if short else 7, failed)
        absent = {} if short else peers.absent()
        return rows + [Row("arrays", name, None, note=why) for name, why in (absent | failed).items()]


def beside_a_copy(there: dict[str, Served], rounds: int) -> list[Row]:
    """The speed of both forms, as a part of the speed of a copy."""
    rows = []
    with there[OURS].awake(), there[ECHO].awake():
        client, copier = Connection(there[OURS]), Connection(there[ECHO])
        for name, kind, path, body in (
            ("npy", NPY, "/pipelines/array/main", as_npy()),
            ("Arrow", ARROW, "/pipelines/table/main", as_arrow()),
        ):
            if body is None:
                rows.append(Row("arrays", name, None, note="pyarrow is not installed"))
                continue
            if not is_same(bytes(client.post(path, kind, body)), kind):
                raise AssertionError(f"the batch came back changed, as {name}")
            tasks = {"server": partial(client.post, path, kind, body), ECHO: partial(copier.copy, body)}
            took = interleaved({task: partial(seconds, work) for task, work in tasks.items()}, rounds)
            server, copy = median(took["server"]), median(took[ECHO])
            what = f"10,000 x 100 float32 there and back as {name}: speed / a copy over loopback"
            note = f"{server * 1e3:.1f} ms; copy of {len(body) / 1e6:.1f} MB {copy * 1e3:.1f} ms"
            rows.append(Row("arrays", what, copy / server, "x", 0.5, ">=", note))
    return rows


def beside_peers(there: dict[str, Served], rounds: int, failed: dict[str, str]) -> list[Row]:
    """How many times faster than the best peer it is as JSON."""
    batch = batch_of_json()
    bodies = {server.name: (PATH, as_json({"pipeline_input": batch}).encode()) for server in there.values()}
    bodies[OURS] = ("/pipelines/array/main", bodies[OURS][1])
    for server in peers.asked_for(batch, ""):
        call = server.calls[server.name]
        bodies[server.name] = (call.path, call.body.encode())
    took: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, server in there.items():
            if name == ECHO or name in failed:
                continue
            path, body = bodies[name]
            with server.awake():
                try:
                    took.setdefault(name, []).append(seconds(partial(Connection(server).post, path, JSON, body)))
                except (AssertionError, OSError) as error:
                    if name == OURS:
                        raise
                    failed[name] = f"as JSON: {str(error)[:200]}"
                    del took[name]
    mine = median(took.pop(OURS))
    what = "10,000 x 100 float32 there and back as JSON: speed / the best peer"
    if not took:
        return [Row("arrays", what, None, "x", note=f"{mine * 1e3:.0f} ms; no peer is installed")]
    theirs = {name: median(found) for name, found in took.items()}
    note = f"{mine * 1e3:.0f} ms; " + "; ".join(f"{name} {found * 1e3:.0f} ms" for name, found in theirs.items())
    return [Row("arrays", what, min(theirs.values()) / mine, "x", 1.5, ">=", note)]


def connected(port: int) -> socket.socket:
    """A connection to a server that may still be starting."""
    for _ in range(300):
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=120)
        time.sleep(0.1)
    raise ConnectionError(f"nobody listens on port {port}")


def seconds(work: Any) -> float:
    """How long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def batch_of_json() -> list[list[float]]:
    """The batch in numbers of four digits, as a client writes them who does not want to send noise."""
    import numpy as np

    rows: list[list[float]] = np.round(np.random.default_rng(0).normal(size=(ROWS, COLUMNS)), 4).tolist()
    return rows


def as_npy() -> bytes:
    """The batch as ``numpy.save`` writes it."""
    import numpy as np

    file = io.BytesIO()
    np.save(file, np.array(batch_of_json(), dtype=np.float32))
    return file.getvalue()


def as_arrow() -> bytes | None:
    """The batch as a table of a column for each feature; None where there is no pyarrow."""
    try:
        import pyarrow as arrow
    except ImportError:
        return None
    import numpy as np

    rows = np.array(batch_of_json(), dtype=np.float32)
    table = arrow.table({f"f{column}": np.ascontiguousarray(rows[:, column]) for column in range(COLUMNS)})
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def is_same(answer: bytes, kind: str) -> bool:
    """Whether an answer has the batch in it."""
    import numpy as np

    if kind == NPY:
        found = np.load(io.BytesIO(answer))
    else:
        import pyarrow as arrow

        found = arrow.ipc.open_stream(answer).read_pandas().to_numpy()
    return bool(found.dtype == np.float32 and np.array_equal(found, np.array(batch_of_json(), dtype=np.float32)))


def send_back(port: int) -> None:
    """Receives what each connection sends, and sends it back when it is whole, as a server does that has to read it."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        while True:
            connection, _ = listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection:
                while len(size := connection.recv(8, socket.MSG_WAITALL)) == 8:
                    there = memoryview(ROOM)[: struct.unpack("<Q", size)[0]]
                    read = 0
                    while read < len(there):
                        read += connection.recv_into(there[read:])
                    connection.sendall(there)


if __name__ == "__main__":
    send_back(int(sys.argv[1]))
