"""How long until a server gives its first prediction, and what does one more process of it take?

The start is measured from the moment a process is made, beside one that imports scikit-learn, unpickles the same model
and predicts by hand. Memory is what all processes take together, where pages that they share count once (PSS).
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.iris_apps import FOLDER, train
from benchmarks.models import FLOWERS, logistic
from benchmarks.servers import PATIENCE, ROOT, Served, Server, ask, chariots_serve, family, memory
from benchmarks.serving_apps import IRIS
from benchmarks.table import Row, interleaved, median

APP = "benchmarks.iris_apps:chariots_app"
BY_HAND = f"""
import pickle, sys
import sklearn
with open(sys.argv[1], "rb") as file:
    model = pickle.load(file)
print(model.predict({FLOWERS})[0], flush=True)
sys.stdin.read()
"""
FEW, MANY = 2, 4  # processes, where they share what their parent has imported


def main(short: bool = False) -> list[Row]:
    """Measures both.

    Args:
        short: fewer rounds.

    Returns:
        the rows of the table.
    """
    # Where it is set, our code would be compiled at every start, and that of installed packages would not.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        train(folder)
        model = Path(folder) / "model.pickle"
        model.write_bytes(pickle.dumps(logistic()))
        return [start(folder, model, 1 if short else 9), *memory_of_one_more(folder, model)]


def start(folder: str, model: Path, rounds: int) -> Row:
    """The time to the first right answer, beside that to the first prediction by hand."""

    def served() -> float:
        began = time.perf_counter()
        with serving(folder, 1):
            return time.perf_counter() - began

    def by_hand() -> float:
        began = time.perf_counter()
        with predicting(model):
            return time.perf_counter() - began

    tasks = {"serve": served, "by hand": by_hand}
    interleaved(tasks, 1)  # the files are read from the disk, and compiled, once
    took = interleaved(tasks, rounds)
    ours, theirs = median(took["serve"]), median(took["by hand"])
    what = "chariots serve: first prediction after its start / scikit-learn and a pickle by hand"
    return Row("start", what, ours / theirs, "x", 1.2, "<=", f"{ours * 1e3:.0f} ms; by hand {theirs * 1e3:.0f} ms")


def memory_of_one_more(folder: str, model: Path) -> list[Row]:
    """What a process adds to what all take together, where they are several, and so share what was imported."""
    together: dict[int, int] = {}
    private: list[int] = []
    for workers in (1, FEW, MANY):
        with serving(folder, workers) as server:
            pids = at_rest(server, workers)
            together[workers] = sum(memory(pid) for pid in pids)
            private = [memory(pid, "Private") for pid in pids]
    with predicting(model) as process:
        by_hand = memory(process.pid, "Rss")
    each = (together[MANY] - together[FEW]) / (MANY - FEW)
    second = (together[FEW] - together[1]) / (FEW - 1)
    every = ", ".join(f"{found / 2**20:.0f}" for found in private)
    note = f"of {MANY} beside {FEW}; private of the parent and {MANY} processes {every} MiB"
    alone = f"1 process {together[1] / 2**20:.0f} MiB; the parent imports for itself and the others then"
    return [
        Row("start", "chariots serve: memory of one more process (PSS)", each / 2**20, "MiB", 40.0, "<=", note),
        Row(
            "start",
            "chariots serve: memory of the second process, and the parent's (PSS)",
            second / 2**20,
            "MiB",
            note=alone,
        ),
        Row("start", "scikit-learn and a pickle by hand: memory (RSS)", by_hand / 2**20, "MiB"),
    ]


def at_rest(server: Served, workers: int) -> list[int]:
    """Asks until all processes are there and take no more memory: as far as can be seen, each has loaded and answered.

    Args:
        server: what serves.
        workers: how many processes it is to have beside their parent.

    Returns:
        all of them.
    """
    taken = 0
    while True:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _: is_right(server), range(200)))
        pids = family(server.pid)
        before, taken = taken, sum(memory(pid) for pid in pids)
        if len(pids) == workers + 1 and abs(taken - before) < 2**20:
            return pids


@contextlib.contextmanager
def serving(folder: str, workers: int) -> Iterator[Served]:
    """Runs ``chariots serve``; begins when it has given the first right answer."""
    command = chariots_serve(APP, workers=workers)
    server = Served(Server("chariots serve", command, {"iris": IRIS}), folder, {FOLDER: folder})
    try:
        while not is_right(server):
            time.sleep(0.002)
            if not server.is_running:
                raise RuntimeError("chariots serve ended before it answered")
        yield server
    finally:
        server.end()


@contextlib.contextmanager
def predicting(model: Path) -> Iterator[subprocess.Popen[str]]:
    """Predicts by hand; begins when the prediction is there."""
    command = [sys.executable, "-c", BY_HAND, str(model)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=ROOT, env=dict(os.environ), **pipes) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "0\n":
            raise RuntimeError("the prediction by hand is not right")
        yield process
        process.kill()


def is_right(server: Served) -> bool:
    """Whether it gives the right answer; False while nobody listens."""
    try:
        status, answer = ask(server.port, IRIS.path, IRIS.body, timeout=PATIENCE)
    except ConnectionError:
        return False
    return status == 200 and IRIS.expected in answer
