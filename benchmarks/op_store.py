"""How fast does a large op travel through an op store server, beside a plain file, and in how much memory?

A client process saves and loads an op through `chariots op-store serve` on loopback, and in turn writes, syncs and
reads the same bytes as a plain file in the same folder. The store compares the SHA-256 of the bytes before they are
sent, when they arrive and when they are loaded; a second row shows the file hashed as often. The peak memory is that
of a further client, which saves and loads once, and of the process that answers.

Then an op of one GiB goes from a file to the store and comes back in pieces, beside copying that file, syncing the copy
and reading it again with its hash.

Run it with ``python -m benchmarks.op_store``.
"""

from __future__ import annotations

import argparse
import hashlib
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
from chariots.op_store import OpStoreClient
from chariots.versioning import Version

MEBIBYTE = 2**20
SIZE = 100 * MEBIBYTE
LARGE = 1024 * MEBIBYTE
ROOT = Path(__file__).parents[1]


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, int]]:
    """Runs an op store in processes of its own; yields its URL and the number of the process that answers."""
    command = [sys.executable, "-m", "chariots", "op-store", "serve", "--path", str(folder), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment())
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        serving = re.search(r"http://[\d.:]+", said)
        if serving is None:
            raise RuntimeError(f"the server did not start, it said {said!r}")
        yield serving[0], _only_child(process.pid)
    finally:
        process.terminate()
        process.communicate()


def _only_child(process: int) -> int:
    known = Path(f"/proc/{process}/task/{process}/children")
    if known.exists():
        return int(known.read_text(encoding="ascii").split()[0])
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = (line.split() for line in listed.splitlines())
    return next(int(child) for child, parent in pairs if int(parent) == process)


def peak_memory(process: int) -> float | None:
    """The most memory that a running process ever held, in MiB; None where the system does not tell."""
    status = Path(f"/proc/{process}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii")) if status.exists() else None
    return None if found is None else int(found[1]) / 1024


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


def as_a_file(path: Path, size: int, hashes: int = 0) -> float:
    """Writes, syncs and reads a file of new random bytes; returns the seconds it took."""
    data = os.urandom(size)
    started = time.perf_counter()
    for _ in range(hashes):
        hashlib.sha256(data).hexdigest()
    with path.open("wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())
    loaded = path.read_bytes()
    took = time.perf_counter() - started
    assert loaded == data
    return took


def time_both(url: str, folder: Path, size: int, rounds: int) -> dict[str, list[float]]:
    """Measures store and file in turn, in this process."""
    client = OpStoreClient(url)
    numbers = iter(range(10_000))
    through_the_store(client, MEBIBYTE, next(numbers))  # what is paid once: connections, imports, tables
    tasks = {
        "store": lambda: through_the_store(client, size, next(numbers)),
        # A new file every time, which stays: so do the files of the store.
        "file": lambda: as_a_file(folder / f"plain-{next(numbers)}", size),
        "hashed file": lambda: as_a_file(folder / f"plain-{next(numbers)}", size, hashes=3),
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
    held = peak_memory(os.getpid())
    if held is not None:
        return held
    # Not where it can be avoided: on Linux a process inherits this number from the one that started it.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MEBIBYTE if sys.platform == "darwin" else 1024)


def file_through_the_store(client: OpStoreClient, source: Path) -> float:
    """Saves a file and reads it back in pieces, which are verified; returns the seconds it took."""
    _make_new(source)
    started = time.perf_counter()
    sha256 = client.write_blob_from(source)
    size = sum(map(len, client.blob_pieces(sha256)))
    took = time.perf_counter() - started
    assert size == source.stat().st_size
    return took


def file_plainly(source: Path, number: int) -> float:
    """Copies a file, syncs the copy, reads and hashes it; returns the seconds it took."""
    _make_new(source)
    started = time.perf_counter()
    with source.open("rb", buffering=0) as file, source.with_name(f"plain-file-{number}").open("xb+", 0) as copy:
        while piece := file.read(MEBIBYTE):
            copy.write(piece)
        os.fsync(copy.fileno())
        copy.seek(0)
        hashed = hashlib.sha256()
        while piece := copy.read(MEBIBYTE):
            hashed.update(piece)
    return time.perf_counter() - started


def _make_new(source: Path) -> None:
    """Changes a few bytes, so that the store has not seen the file yet."""
    with source.open("r+b") as file:
        file.write(os.urandom(16))


def time_files(url: str, folder: Path, size: int, rounds: int) -> dict[str, list[float]]:
    """Measures store and file in turn, in this process, and the most memory that this process held."""
    client = OpStoreClient(url)
    numbers = iter(range(10_000))
    source = folder / "source"
    with source.open("wb") as file:
        for _ in range(size // MEBIBYTE):
            file.write(os.urandom(MEBIBYTE))
    tasks = {
        "store": lambda: file_through_the_store(client, source),
        "file": lambda: file_plainly(source, next(numbers)),
    }
    return {**interleaved(tasks, rounds), "client": [peak_memory(os.getpid()) or 0.0]}


def main(short: bool = False) -> list[Row]:
    """Measures everything.

    Args:
        short: fewer rounds.

    Returns:
        one row for each number.
    """
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as (url, worker):
        (client,) = _in_new_process("memory", url, name, 1)["client"]
        took = _in_new_process("time", url, name, 3 if short else 9)
        held = {"client": client, "server": peak_memory(worker)}
    store, file, hashed = (median(took[what]) for what in ("store", "file", "hashed file"))
    what = "100 MiB saved and loaded, speed beside a file"
    note = f"store {store * 1000:.0f} ms, file {file * 1000:.0f} ms"
    rows = [
        Row("op_store", what, file / store, "x", 0.5, ">=", note),
        Row("op_store", f"{what} hashed as often", hashed / store, "x", note=f"file {hashed * 1000:.0f} ms"),
    ]
    for whose, memory in held.items():
        blobs = None if memory is None else memory * MEBIBYTE / SIZE
        note = "" if memory is None else f"{memory:.0f} MiB"
        rows.append(Row("op_store", f"the same, peak memory of the {whose}", blobs, "blobs", 2.5, "<=", note))
    return rows + large_files(short)


def large_files(short: bool) -> list[Row]:
    """Measures an op of one GiB, with a server that has done nothing else."""
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as (url, worker):
        took = _in_new_process("files", url, name, 1 if short else 5)
        held = {"client": took["client"][0] or None, "server": peak_memory(worker)}
    store, file = median(took["store"]), median(took["file"])
    what = "1 GiB from a file to the store and back in pieces, speed beside a plain copy"
    note = f"store {store:.2f} s, file {file:.2f} s"
    rows = [Row("op_store", what, file / store, "x", 0.6, ">=", note)]
    for whose, memory in held.items():
        rows.append(Row("op_store", f"the same, peak memory of the {whose}", memory, "MiB", 200, "<="))
    return rows


def _in_new_process(what: str, url: str, folder: str, rounds: int) -> dict[str, list[float]]:
    command = [sys.executable, "-m", "benchmarks.op_store", what, url, folder, str(rounds)]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=_environment())
    measured: dict[str, list[float]] = json.loads(ran.stdout)
    return measured


def _environment() -> dict[str, str]:
    """The environment of this process, in which others find the same packages."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *(path for path in sys.path if path)])}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer rounds")
    parser.add_argument("part", nargs="*", help=argparse.SUPPRESS)  # what a process of this benchmark is to measure
    arguments = parser.parse_args()
    if not arguments.part:
        print(show(main(arguments.short)))
    elif arguments.part[0] == "time":
        print(json.dumps(time_both(arguments.part[1], Path(arguments.part[2]), SIZE, int(arguments.part[3]))))
    elif arguments.part[0] == "files":
        print(json.dumps(time_files(arguments.part[1], Path(arguments.part[2]), LARGE, int(arguments.part[3]))))
    else:
        print(json.dumps({"client": [save_and_load_once(arguments.part[1], SIZE)]}))
