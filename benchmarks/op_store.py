"""How fast does a large op travel through an op store server, beside a plain file, and in how much memory?

A client process saves and loads an op through a server process on loopback, and in turn writes, syncs and reads
the same bytes as a plain file in the same folder. The peak memory is that of a further client, which saves and
loads once, and of the server.

Run it with ``python -m benchmarks.op_store``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.table import Row, interleaved, median, show
from chariots.op_store import OpStoreClient, OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.versioning import Version

MEBIBYTE = 2**20
ROOT = Path(__file__).parents[1]
FOLDER = "CHARIOTS_BENCHMARK_FOLDER"


def application() -> object:
    """The op store that the server process serves."""
    folder = os.environ[FOLDER]
    store = OpStoreServer(FileSaver(f"{folder}/ops"), f"sqlite:///{folder}/db.sqlite")
    store.upgrade()
    return store.flask


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, int]]:
    """Runs an op store in a process of its own; yields its URL and the number of the process that answers."""
    options = ["--workers=1", "--threads=4", "--bind=127.0.0.1:0", "--worker-tmp-dir=/tmp"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, "benchmarks.op_store:application()"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, FOLDER: str(folder), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
    )
    try:
        assert process.stderr is not None
        url, worker, said = "", 0, []
        for line in process.stderr:
            said.append(line)
            if listening := re.search(r"Listening at: (http://\S+)", line):
                url = listening[1]
            if booting := re.search(r"Booting worker with pid: (\d+)", line):
                worker = int(booting[1])
                break
        if not url or not worker:
            raise RuntimeError("the server did not start:\n" + "".join(said))
        yield url, worker
    finally:
        process.terminate()
        process.communicate()


def peak_memory(process: int) -> float:
    """The most memory that a running process ever held, in MiB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def through_the_store(client: OpStoreClient, size: int, number: int) -> float:
    """Saves and loads an op of new random bytes; returns the seconds it took."""
    data = os.urandom(size)
    version = Version().update_patch(str(number).encode())
    started = time.perf_counter()
    client.save_op_bytes("large", version, data)
    loaded = client.get_op_bytes_for_version("large", version)
    took = time.perf_counter() - started
    assert loaded == data
    return took


def as_a_file(path: Path, size: int) -> float:
    """Writes, syncs and reads a file of new random bytes; returns the seconds it took."""
    data = os.urandom(size)
    started = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())
    loaded = path.read_bytes()
    took = time.perf_counter() - started
    assert loaded == data
    path.unlink()
    return took


def time_both(url: str, folder: Path, size: int, rounds: int) -> dict[str, list[float]]:
    """Measures store and file in turn, in this process."""
    client = OpStoreClient(url)
    numbers = iter(range(10_000))
    through_the_store(client, MEBIBYTE, next(numbers))  # what is paid once: connections, imports, tables
    tasks = {
        "store": lambda: through_the_store(client, size, next(numbers)),
        "file": lambda: as_a_file(folder / "plain", size),
    }
    return interleaved(tasks, rounds)


def save_and_load_once(url: str, size: int) -> float:
    """Saves and loads one op in this process; returns the most memory it ever held, in MiB."""
    client = OpStoreClient(url)
    version = Version()
    data = os.urandom(size)
    client.save_op_bytes("large", version, data)
    del data
    assert len(client.get_op_bytes_for_version("large", version)) == size
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MEBIBYTE if sys.platform == "darwin" else 1024)


def rows(short: bool = False) -> list[Row]:
    """Measures everything.

    Args:
        short: fewer rounds.

    Returns:
        one row for each number.
    """
    size = 100 * MEBIBYTE
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as (url, worker):
        held = _in_new_process("memory", url, name, size, 1)
        took = _in_new_process("time", url, name, size, 3 if short else 9)
        server_peak = peak_memory(worker)
    store, file, client_peak = median(took["store"]), median(took["file"]), held["client"]
    blob = size / MEBIBYTE
    beside = f"store {store * 1000:.0f} ms, file {file * 1000:.0f} ms"
    return [
        Row("op store", "100 MiB saved and loaded, speed beside a file", file / store, "x", 0.5, ">=", beside),
        Row("op store", "peak memory of the client", client_peak / blob, "blobs", 2.5, "<=", f"{client_peak:.0f} MiB"),
        Row("op store", "peak memory of the server", server_peak / blob, "blobs", 2.5, "<=", f"{server_peak:.0f} MiB"),
    ]


def _in_new_process(what: str, url: str, folder: str, size: int, rounds: int) -> dict[str, list[float]]:
    command = [sys.executable, "-m", "benchmarks.op_store", what, url, folder, str(size), str(rounds)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=environment)
    measured: dict[str, list[float]] = json.loads(ran.stdout)
    return measured


def main() -> None:
    """Prints the table, or one measurement for the process that asked for it."""
    if len(sys.argv) > 1 and sys.argv[1] in ("time", "memory"):
        what, url, folder, size, rounds = sys.argv[1:]
        if what == "time":
            print(json.dumps(time_both(url, Path(folder), int(size), int(rounds))))
        else:
            print(json.dumps({"client": save_and_load_once(url, int(size))}))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer rounds")
    print(show(rows(parser.parse_args().short)))


if __name__ == "__main__":
    main()
