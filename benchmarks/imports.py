"""What does importing chariots cost, over starting Python?"""

from __future__ import annotations

import resource
import subprocess
import sys
from functools import partial

from benchmarks.table import Row, interleaved, median

STATEMENTS = {
    "import chariots": 60.0,  # ms, as promised
    "from chariots import Pipeline, Node, MLMode": None,
    "from chariots import Client; Client()": None,
    "from chariots import PipelinesServer": None,
}


def main(short: bool = False) -> list[Row]:
    """Measures the CPU time of imports.

    Args:
        short: fewer rounds.

    Returns:
        the rows of the table.
    """
    tasks = {code: partial(cpu_seconds, code) for code in ("pass", *STATEMENTS)}
    for task in tasks.values():
        task()  # writes the bytecode, which a user pays for once
    took = interleaved(tasks, 7 if short else 25)
    bare = median(took.pop("pass"))
    return [
        Row("imports", code, (median(took[code]) - bare) * 1e3, "ms", target, "<=", f"bare Python {bare * 1e3:.0f} ms")
        for code, target in STATEMENTS.items()
    ]


def cpu_seconds(code: str) -> float:
    """CPU time, user and system, of a fresh interpreter that runs some code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
