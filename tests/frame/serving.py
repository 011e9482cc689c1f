"""How does a test start a server the way a person would, and stop it again?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

DEADLINE = 60.0


def person_environment(**more: str) -> dict[str, str]:
    """The environment of somebody who runs things from this environment's ``bin`` folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLASK", "CHARIOTS"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PATH": path, "PYTHONUNBUFFERED": "1", **more}


@contextmanager
def flask_run(
    folder: Path, *options: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Types ``flask OPTIONS run`` in a folder and waits until the server says where it is.

    Args:
        folder: the working directory.
        *options: what to put before ``run``, for instance ``--app`` and a module.
        log: where the server's output goes.
        environment: more environment variables.

    Yields:
        the address of the server, and its process; the process is ended afterwards.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["flask", *options, "run", "--port", "0"],
            cwd=folder,
            env=person_environment(**(environment or {})),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield wait_for_address(process, log), process
    finally:
        process.kill()
        process.wait(timeout=30)


def wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Reads a server's output until it names its address.

    Raises:
        RuntimeError: if it ends, or says nothing in time; the message carries the output.
    """
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        text = log.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"http://127\.0\.0\.1:\d+", text)
        if found:
            return found.group(0)
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start:\n{log.read_text(encoding='utf-8', errors='replace')}")
