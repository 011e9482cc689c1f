"""What is left of the speed of a compiled model when it is asked over HTTP?

One process of ``chariots serve`` with compiled models, beside itself answering a constant; and a forest of a hundred
trees, beside servers that ask the forest itself.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import replace

from benchmarks import peers, sized_apps
from benchmarks.iris_apps import FOLDER
from benchmarks.load import Load, load
from benchmarks.models import MODEL, THREADS, forest, iris
from benchmarks.servers import Call, Served, Server, as_json, ask, chariots_serve, started
from benchmarks.serving_apps import IRIS, missing, servers
from benchmarks.table import Row, median

CLIENTS = (1, 8, 64)
NAMES = ("compiled", "constant", "forest")
OURS = "chariots serve, compiled"
OTHERS = ("Flask on granian", "FastAPI", "LitServe")


def main(short: bool = False) -> list[Row]:
    """Measures both.

    Args:
        short: fewer and shorter rounds, beside FastAPI alone.

    Returns:
        the rows of the table.
    """
    rounds, seconds = (1, 0.6) if short else (5, 3.0)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        sized_apps.train(folder)
        every = [server for server in servers() if server.name in (("FastAPI",) if short else OTHERS)]
        others = [server for server in every if missing(server) is None] + ([] if short else peers.alone())
        running, failed = started([ours(), *others], folder, {FOLDER: folder, MODEL: "forest"}, stack)
        if not running or running[0].name != OURS:
            raise RuntimeError(f"{OURS} does not run: {failed.get(OURS)}")
        rows = beside_a_constant(running[0], rounds, seconds)
        rows += [one_row_of_a_forest(running, rounds, seconds), equal(running[0])]
        absent = {} if short else peers.absent()
        return rows + [Row("models", name, None, note=why) for name, why in (absent | failed).items()]


def ours() -> Server:
    """Chariots, with a pipeline for each name."""
    calls = {name: replace(IRIS, path=f"/pipelines/{name}/main") for name in NAMES}
    return Server(OURS, chariots_serve("benchmarks.sized_apps:app", threads=THREADS), calls)


def beside_a_constant(server: Served, rounds: int, seconds: float) -> list[Row]:
    """The rate of a compiled model, as a part of the rate of the same server that answers a constant."""
    found: dict[tuple[str, int], list[Load]] = {}
    for turn in range(rounds):
        for clients in CLIENTS:
            for name in ("constant", "compiled") if turn % 2 else ("compiled", "constant"):
                with server.awake():
                    found.setdefault((name, clients), []).append(asked(server, name, clients, seconds))
    rate = {key: median([one.rate for one in loads]) for key, loads in found.items()}
    rows = []
    for clients in CLIENTS:
        compiled, constant = rate["compiled", clients], rate["constant", clients]
        what = f"iris compiled, {clients} clients: predictions a second / a constant"
        note = f"{compiled:,.0f}/s; constant {constant:,.0f}/s"
        rows.append(Row("models", what, compiled / constant, "x", 0.6, ">=", note))
    return rows


def one_row_of_a_forest(running: list[Served], rounds: int, seconds: float) -> Row:
    """The rate of a compiled forest beside the best server that asks the forest itself."""
    rates: dict[str, list[float]] = {}
    for turn in range(rounds):
        for server in reversed(running) if turn % 2 else running:
            name = "forest" if server.name == OURS else next(iter(server.calls))
            with server.awake():
                rates.setdefault(server.name, []).append(asked(server, name, 1, seconds).rate)
    rate = {name: median(found) for name, found in rates.items()}
    what = "forest of 100 trees compiled, 1 client: predictions a second / the best peer, not compiled"
    mine = rate.pop(OURS)
    if not rate:
        return Row("models", what, None, "x", None, ">=", f"{mine:,.0f}/s; no peer is installed")
    best = max(rate, key=lambda name: rate[name])
    note = f"{mine:,.0f}/s; " + "; ".join(f"{name} {found:,.0f}/s" for name, found in rate.items())
    return Row("models", what, mine / max(rate[best], 1e-9), "x", 20.0, ">=", note)


def asked(server: Served, name: str, clients: int, seconds: float) -> Load:
    """Loads one row of a server."""
    call: Call = server.calls[name]
    came = load(server.port, call.path, call.body, call.expected, clients=clients, seconds=seconds)
    if came.bad:
        raise AssertionError(f"{server.name} gave {came.bad} answers that were not right ({name}, {clients} clients)")
    return came


def equal(server: Served) -> Row:
    """How many flowers the compiled forest says something else of than the forest, alone or all at once."""
    flowers, _ = iris()
    expected = forest().predict(flowers).tolist()
    path = server.calls["forest"].path
    every = flowers.tolist()
    answers = []
    with server.awake():
        for rows in (every, *([row] for row in every)):
            status, answer = ask(server.port, path, as_json({"pipeline_input": rows}))
            if status != 200:
                raise AssertionError(f"{server.name} was asked for {len(rows)} flowers, and answered {answer[:1000]}")
            answers.append(json.loads(answer)["pipeline_output"])
    together, each = answers[0], [one for answer in answers[1:] for one in answer]
    different = sum(a != b for a, b in zip(expected + expected, together + each, strict=True))
    what = "forest of 100 trees compiled: answers that differ from the forest's own"
    return Row("models", what, float(different), "", 0.0, "<=", f"of {2 * len(expected)}")
