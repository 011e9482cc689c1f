"""How many predictions a second does one process give, beside the frameworks a user would otherwise pick?

The iris data, a PCA and a logistic regression, one row per request, with 1, 8 and 64 clients; all servers in turns.
Each is asked in its own protocol, and those that can run requests together do so, and do not, as two rows.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading

from benchmarks import peers
from benchmarks.iris_apps import FOLDER, train
from benchmarks.load import Load, load
from benchmarks.servers import Call, Served, ask, started
from benchmarks.serving_apps import DISPATCHED, GRANIAN, OURS, missing, servers
from benchmarks.table import Row, median

CLIENTS = (1, 8, 64)
GOALS = {1: 1.0, 8: 2.5, 64: 4.0}  # times the best peer
BATCH = 24  # requests at once, one of them bad


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
        every = servers()
        absent = {server.name: reason for server in every if (reason := missing(server)) is not None} | peers.absent()
        there = [server for server in every if server.name not in absent]
        running, failed = started([*there, *peers.peers()], folder, {FOLDER: folder}, stack)
        found = measured(running, rounds, seconds)
        rows = compared(found)
        for server in running:
            for name, call in server.calls.items():
                if name != DISPATCHED:
                    rows.append(harm(server, name, call, 3 if short else 20))
        rows += [Row("serving", name, None, note=reason) for name, reason in (absent | failed).items()]
        return rows


def measured(running: list[Served], rounds: int, seconds: float) -> dict[tuple[str, int], list[Load]]:
    """Loads every server in turn; gives what came of each round, by row and number of clients."""
    found: dict[tuple[str, int], list[Load]] = {}
    asked = [(server, name, call) for server in running for name, call in server.calls.items()]
    if rounds > 1:  # some learn from what they are asked how much they put together
        for server, _, call in asked:
            with server.awake():
                load(server.port, call.path, call.body, call.expected, clients=max(CLIENTS), seconds=seconds)
    for turn in range(rounds):
        for clients in CLIENTS:
            for server, name, call in reversed(asked) if turn % 2 else asked:
                with server.awake():
                    came = load(server.port, call.path, call.body, call.expected, clients=clients, seconds=seconds)
                if came.bad and name.startswith("chariots"):
                    raise AssertionError(f"{name} gave {came.bad} answers that were not right")
                found.setdefault((name, clients), []).append(came)
    return found


def compared(found: dict[tuple[str, int], list[Load]]) -> list[Row]:
    """Our rates and waits beside those of the best peer."""
    rate = {key: median([one.rate for one in loads]) for key, loads in found.items()}
    names = list(dict.fromkeys(name for name, _ in found))
    others = [name for name in names if not name.startswith("chariots")]
    rows: list[Row] = []
    for ours, goals in ((OURS, GOALS), (DISPATCHED, {64: 1.6}), (GRANIAN, {})):
        if ours not in names:
            continue
        for clients in CLIENTS:
            best = max(others, key=lambda name: rate[name, clients])
            what = f"{ours}, {clients} clients: predictions a second / the best peer"
            note = f"{rate[ours, clients]:,.0f}/s; {best} {rate[best, clients]:,.0f}/s"
            value = rate[ours, clients] / rate[best, clients]
            rows.append(Row("serving", what, value, "x", goals.get(clients), ">=", note))
    many = max(CLIENTS)
    wait = {name: median([one.middle for one in found[name, many]]) for name in others}
    best = min(others, key=lambda name: wait[name])
    for ours in (OURS, GRANIAN):
        if ours in names:
            late = median([one.late for one in found[ours, many]])
            note = f"{late * 1000:.1f} ms; {best} {wait[best] * 1000:.1f} ms"
            what = f"{ours}, {many} clients: 99th percentile / the best peer's median"
            rows.append(Row("serving", what, late / wait[best], "x", 1.0 if ours == OURS else None, "<=", note))
    for name in names:
        # A peer may refuse; that is not counted in its rate.
        bad = sum(one.bad for clients in CLIENTS for one in found[name, clients])
        note = " / ".join(f"{rate[name, clients]:,.0f}" for clients in CLIENTS) + (f"; {bad} refused" if bad else "")
        what = f"{name}: predictions a second, with 1 / 8 / 64 clients"
        rows.append(Row("serving", what, rate[name, many], "/s", note=note))
    return rows


def harm(server: Served, name: str, call: Call, rounds: int) -> Row:
    """How many good requests fail because a bad one came with them."""
    failed: list[int] = []

    def good(barrier: threading.Barrier) -> None:
        barrier.wait()
        status, _ = ask(server.port, call.path, call.body)
        if status != 200:
            failed.append(status)

    def bad(barrier: threading.Barrier) -> None:
        barrier.wait()
        ask(server.port, call.path, call.bad)

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
    promised = 0.0 if name.startswith("chariots") else None
    what = f"{name}: good requests that failed beside a bad one"
    return Row("serving", what, float(len(failed)), "", promised, "<=", f"of {asked}")
