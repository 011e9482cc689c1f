"""Does a server that is asked for three times what it can give still give what it can, and tell the others at once?

First so many clients ask one process of ``chariots serve`` as fast as it answers: that is its capacity. Then requests
come at three times that rate, whether or not they are answered, for half a minute. Then one calm client asks.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace

from benchmarks import sized_apps
from benchmarks.flood import Flood
from benchmarks.iris_apps import FOLDER, train
from benchmarks.load import load
from benchmarks.servers import ROOT, Call, Served, Server, chariots_serve, resident, started
from benchmarks.serving_apps import IRIS
from benchmarks.table import Row

TIMES = 3.0  # its capacity
CLIENTS = 64  # that it is measured with
CONNECTIONS = 900  # of the thousand that a worker takes
CALM_AT_LEAST = 0.01  # seconds that a calm client may wait; less is up to the machine
SERVERS: Mapping[str, tuple[str, Call]] = {
    "iris": ("benchmarks.iris_apps:chariots_app", IRIS),
    "an op of 5 ms": ("benchmarks.sized_apps:app", replace(IRIS, path="/pipelines/busy/main")),
}


def main(short: bool = False) -> list[Row]:
    """Measures both servers.

    Args:
        short: for a short time, with one of them.

    Returns:
        the rows of the table.
    """
    rows: list[Row] = []
    for name, (app, call) in list(SERVERS.items())[: 1 if short else None]:
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            (train if name == "iris" else sized_apps.train)(folder)
            server = Server(name, chariots_serve(app), {name: call})
            running, failed = started([server], folder, {FOLDER: folder}, stack)
            if failed:
                raise RuntimeError(failed[name])
            with running[0].awake():
                rows += overloaded(running[0], call, *((1.0, 3.0) if short else (5.0, 30.0)))
    return rows


def overloaded(server: Served, call: Call, calmly: float, seconds: float) -> list[Row]:
    """Measures one server.

    Args:
        server: the server, awake.
        call: what it is asked.
        calmly: seconds to measure what it can give.
        seconds: how long it is asked for more.
    """
    asked = (server.port, call.path, call.body, call.expected)
    calm = load(*asked, clients=1, seconds=calmly)
    capacity = load(*asked, clients=CLIENTS, seconds=calmly).rate
    if not capacity:
        raise AssertionError(f"{server.name} gave no answer at all")
    quick = max(2 * calm.late, CALM_AT_LEAST)
    words = [*asked, TIMES * capacity, seconds, CONNECTIONS, quick]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.flood", *map(str, words)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    took: list[int] = []
    with process:
        while process.poll() is None:
            took.append(sum(map(resident, server.processes())))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=min(1.0, seconds / 10))
        assert process.stdout is not None
        told = process.stdout.read()
    if process.returncode:
        raise RuntimeError("the flood broke, see above")
    return told_in_rows(server.name, Flood(**json.loads(told)), capacity, took, quick)


def told_in_rows(name: str, flood: Flood, capacity: float, took: list[int], quick: float) -> list[Row]:
    """The rows of one server."""
    # The first seconds fill queues and pools; what is there after them is not to grow.
    settled, end = took[len(took) // 4], max(took[-max(1, len(took) // 4) :])
    sent = f"asked {flood.rate:,.0f}/s, {flood.unsent:,} not for want of a connection"
    given = f"{flood.good:,.0f}/s of {capacity:,.0f}/s; {sent}; median {flood.middle * 1e3:.0f} ms"
    refused = f"of {flood.refused:,}; 99th percentile {flood.refusal_late * 1e3:.1f} ms"
    memory = f"{settled / 2**20:.1f} MiB, then {end / 2**20:.1f} MiB"
    under = f"{name} at {TIMES:.0f}x its capacity"
    return [
        Row("overload", f"{under}: right answers a second / capacity", flood.good / capacity, "x", 0.9, ">=", given),
        Row("overload", f"{under}: the slowest refusal", flood.refusal_worst * 1e3, "ms", 50.0, "<=", refused),
        Row("overload", f"{under}: neither answered nor refused", float(flood.broken), "", 0.0, "<="),
        Row("overload", f"{under}: memory at the end / after a quarter", end / settled, "x", 1.05, "<=", memory),
        Row(
            *("overload", f"{under}: seconds until a calm client is answered as before", flood.recovery, "s", 1.0),
            note=f"within {quick * 1e3:.1f} ms, three times in a row",
        ),
    ]
