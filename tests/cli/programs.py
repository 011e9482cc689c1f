"""How does a test run a program as a person does, and start a server that it can stop again?"""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

REPOSITORY = Path(__file__).resolve().parents[2]
CHARIOTS = (sys.executable, "-m", "chariots")
DEADLINE = 60.0


def environment() -> dict[str, str]:
    """This process's environment, in which chariots is importable from everywhere and nothing is configured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHARIOTS")}
    path = os.pathsep.join(filter(None, [str(REPOSITORY), kept.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def run(
    command: Sequence[str | Path], folder: Path, *, given: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end, with ``given`` as its standard input."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**environment(), **variables},
        input=given,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE,
        check=False,
    )


def chariots(folder: Path, *arguments: str, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of chariots in a folder."""
    return run([*CHARIOTS, *arguments], folder, given=given, **variables)


@contextmanager
def started(
    command: Sequence[str | Path], folder: Path, *, until: str = "", scheme: str = "http", **variables: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Starts a server, waits until it says where it is, and ends it and its children afterwards.

    Args:
        command: the program and its arguments.
        folder: its current folder.
        until: what else it has to say before it counts as started.
        scheme: of its address.
        **variables: more environment variables.

    Yields:
        its address and its process; what it printed is in ``folder / "server.log"``.
    """
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env={**environment(), **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield _address(process, log, until, scheme), process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=DEADLINE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=DEADLINE)


def _address(process: subprocess.Popen[bytes], log: Path, until: str, scheme: str) -> str:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        text = log.read_text(encoding="utf-8", errors="replace")
        found = re.search(rf"{scheme}://(127\.0\.0\.1|0\.0\.0\.0):\d+", text)
        if found and until in text:
            return found.group(0)
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{log.read_text(encoding='utf-8', errors='replace')}")


def answer_of(reader: BinaryIO) -> tuple[int, dict[str, str], bytes]:
    """Reads one answer, and no byte of the next."""
    status = int(reader.readline().split()[1])
    headers = dict(http.client.parse_headers(reader).items())
    body = b"" if status == 204 else reader.read(int(headers["Content-Length"]))
    return status, {name: value for name, value in headers.items() if name != "Date"}, body
