"""How many predictions a second does one process give, beside the frameworks a user would otherwise pick?

The iris data, a PCA and a logistic regression, one row per request, with 1, 8 and 64 clients. All servers run at the
same time, and all but the one that is measured are stopped (SIGSTOP), so that they are measured in turns.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.http_prediction import FLOWERS, FOLDER, PATH, ROOT, train
from benchmarks.load import Load, load
from benchmarks.serving_apps import commands, missing
from benchmarks.table import Row, median

BODY = json.dumps({"pipeline_input": FLOWERS})
EXPECTED = '"pipeline_output":[0]'
CLIENTS = (1, 8, 64)
GOALS = {1: 1.0, 8: 2.5, 64: 4.0}  # times the best peer
BATCH = 24  # requests at once, one of them bad
OURS, DISPATCHED, GUNICORN = "chariots on granian", "chariots on granian, dispatched", "chariots serve"


class Served:
    """A server that runs, and is stopped until it is asked."""

    def __init__(self, name: str, port: int, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.port = port
        self._process = process

    def wait(self) -> None:
        """Waits until it answers, then stops it."""
        for _ in range(600):
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self._process.returncode} before it answered")
            try:
                if ask(self.port, BODY) == 200:
                    break
            except OSError:
                pass
            time.sleep(0.1)
        else:
            raise RuntimeError(f"{self.name} does not answer")
        for _ in range(20):
            ask(self.port, BODY)
        self._send(signal.SIGSTOP)

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Lets it run inside the block."""
        self._send(signal.SIGCONT)
        try:
            yield
        finally:
            self._send(signal.SIGSTOP)

    def end(self) -> None:
        """Ends it."""
        self._send(signal.SIGCONT)
        self._send(signal.SIGTERM)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._send(signal.SIGKILL)
            self._process.wait()

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself, which the next request tells
            os.killpg(self._process.pid, number)


def main(short: bool = False) -> list[Row]:
    """Measures every server that is installed.

    Args:
        short: fewer and shorter rounds.

    Returns:
        the rows of the table.
    """
    rounds, seconds = (1, 0.6) if short else (5, 3.0)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        train(folder)
        names = list(commands(0))
        absent = {name: needed for name in names if (needed := missing(name)) is not None}
        servers = [start(name, folder, stack) for name in names if name not in absent]
        for server in servers:
            server.wait()
        found = measured(servers, rounds, seconds)
        rows = compared(found)
        rows += [harm(server, 3 if short else 20) for server in servers if server.name != DISPATCHED]
        rows += [Row("serving", name, None, note=f"{needed} is not installed") for name, needed in absent.items()]
        return rows


def start(name: str, folder: str, stack: contextlib.ExitStack) -> Served:
    """Starts a server on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = stack.enter_context((Path(folder) / f"{port}.log").open("wb"))
    process = subprocess.Popen(
        commands(port)[name],
        cwd=ROOT,
        env={**os.environ, FOLDER: folder},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    server = Served(name, port, process)
    stack.callback(server.end)
    return server


def measured(servers: list[Served], rounds: int, seconds: float) -> dict[tuple[str, int], list[Load]]:
    """Loads every server in turn; gives what came of each round, by server and number of clients."""
    found: dict[tuple[str, int], list[Load]] = {}
    for turn in range(rounds):
        for clients in CLIENTS:
            for server in reversed(servers) if turn % 2 else servers:
                with server.awake():
                    came = load(server.port, PATH, BODY, EXPECTED, clients=clients, seconds=seconds)
                if came.bad:
                    raise AssertionError(f"{server.name} gave {came.bad} answers that were not right")
                found.setdefault((server.name, clients), []).append(came)
    return found


def compared(found: dict[tuple[str, int], list[Load]]) -> list[Row]:
    """Our rates and waits beside those of the best peer."""
    rate = {key: median([one.rate for one in loads]) for key, loads in found.items()}
    names = list(dict.fromkeys(name for name, _ in found))
    peers = [name for name in names if not name.startswith("chariots")]
    rows: list[Row] = []
    for ours, goals in ((OURS, GOALS), (GUNICORN, {} if OURS in names else GOALS), (DISPATCHED, {64: 1.6})):
        if ours not in names:
            continue
        for clients in CLIENTS:
            best = max(peers, key=lambda name: rate[name, clients])
            what = f"{ours}, {clients} clients: predictions a second / the best peer"
            note = f"{rate[ours, clients]:,.0f}/s; {best} {rate[best, clients]:,.0f}/s"
            value = rate[ours, clients] / rate[best, clients]
            rows.append(Row("serving", what, value, "x", goals.get(clients), ">=", note))
    many = max(CLIENTS)
    wait = {name: median([one.middle for one in found[name, many]]) for name in peers}
    best = min(peers, key=lambda name: wait[name])
    for ours in (OURS, GUNICORN):
        if ours in names:
            late = median([one.late for one in found[ours, many]])
            note = f"{late * 1000:.1f} ms; {best} {wait[best] * 1000:.1f} ms"
            what = f"{ours}, {many} clients: 99th percentile / the best peer's median"
            rows.append(Row("serving", what, late / wait[best], "x", 1.0 if ours == OURS else None, "<=", note))
    every = "; ".join(f"{name} {' / '.join(f'{rate[name, clients]:,.0f}' for clients in CLIENTS)}" for name in names)
    rows.append(Row("serving", "predictions a second with 1 / 8 / 64 clients", rate[names[0], many], "/s", note=every))
    return rows


def harm(server: Served, rounds: int) -> Row:
    """How many good requests fail because a bad one came with them."""
    body = json.dumps({"pipeline_input": [FLOWERS[0][:3]]})
    failed: list[int] = []

    def good(barrier: threading.Barrier) -> None:
        barrier.wait()
        status = ask(server.port, BODY)
        if status != 200:
            failed.append(status)

    def bad(barrier: threading.Barrier) -> None:
        barrier.wait()
        ask(server.port, body)

    with server.awake():
        for _ in range(rounds):
            barrier = threading.Barrier(BATCH)
            threads = [threading.Thread(target=good, args=(barrier,)) for _ in range(BATCH - 1)]
            threads.append(threading.Thread(target=bad, args=(barrier,)))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    asked = rounds * (BATCH - 1)
    promised = 0.0 if server.name.startswith("chariots") else None
    what = f"{server.name}: good requests that failed beside a bad one"
    return Row("serving", what, float(len(failed)), "", promised, "<=", f"of {asked}")


def ask(port: int, body: str) -> int:
    """Asks once, on a connection of its own; gives the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", PATH, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()
