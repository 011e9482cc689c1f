"""What does a prediction over HTTP cost, beside a Flask view written by hand for the same model?

The iris data, a PCA and a logistic regression. Both servers run under gunicorn with one worker process; one client
asks them in turns over a connection that stays open. Both read the same body and answer with the same one.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.iris_apps import FOLDER, PATH, train
from benchmarks.models import FLOWERS
from benchmarks.table import Row, median

ROOT = Path(__file__).resolve().parents[1]
REQUESTS = 25  # in a row, before the other server has its turn


def main(short: bool = False) -> list[Row]:
    """Measures one prediction.

    Args:
        short: fewer rounds.

    Returns:
        the row of the table.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        train(folder)
        made = {"chariots": "chariots_app", "by hand": "flask_app"}
        clients = {name: stack.enter_context(served(factory, folder)) for name, factory in made.items()}
        bodies = {name: ask(client) for name, client in clients.items()}
        if len({json.dumps(body["pipeline_output"]) for body in bodies.values()}) != 1:
            raise AssertionError(f"the two servers do not answer the same: {bodies}")
        took: dict[str, list[float]] = {name: [] for name in clients}
        for turn in range(40 if short else 200):
            for name in sorted(clients, reverse=turn % 2 == 1):
                took[name].extend(timed(partial(ask, clients[name])) for _ in range(REQUESTS))
        ours, theirs = (median(took[name]) * 1e6 for name in ("chariots", "by hand"))
        beside = f"chariots {ours:.0f} us, by hand {theirs:.0f} us (medians)"
        return [Row("http", "a prediction / a Flask view by hand", ours / theirs, "x", 1.25, "<=", beside)]


def timed(work: Any) -> float:
    """Seconds on the clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ask(connection: http.client.HTTPConnection) -> Any:
    """One prediction."""
    body = json.dumps({"pipeline_input": FLOWERS})
    connection.request("POST", PATH, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    found = json.loads(answer.read())
    if answer.status != 200:
        raise AssertionError(found)
    return found


@contextmanager
def served(factory: str, folder: str) -> Iterator[http.client.HTTPConnection]:
    """Serves what a factory of this module makes; gives an open connection to it."""
    # With threads gunicorn keeps connections open; one client keeps one of them busy.
    options = ["--workers=1", "--threads=2", "--keep-alive=60", "--bind=127.0.0.1:0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, f"benchmarks.iris_apps:{factory}()"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, FOLDER: folder},
    )
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if listening := re.search(r"Listening at: http://([\d.]+):(\d+)", line):
                break
        else:
            raise RuntimeError(f"gunicorn did not start:\n{''.join(said)}")
        connection = http.client.HTTPConnection(listening[1], int(listening[2]), timeout=60)
        yield connection
        connection.close()
    finally:
        process.terminate()
        process.communicate()
