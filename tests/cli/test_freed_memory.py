"""Is memory that was freed there for what comes next, and given back if the environment wants that?"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.programs import environment

has_limits = hasattr(ctypes.CDLL(None), "mallopt")

# How much memory a process has, after it has held three large pieces and freed them.
FREED = """
from pathlib import Path
from chariots.cli.freed_memory import keep_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

told = keep_freed_memory()
before = resident()
held = [b"x" * 4_000_000 for _ in range(3)]
del held
print(told, resident() - before > 10_000_000)
"""


def run(**variables: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", FREED], env=environment() | variables, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.skipif(not has_limits or not Path("/proc").exists(), reason="the C library has no such limits")
def test_what_was_freed_is_kept_for_the_next_request() -> None:
    assert run() == ["True", "True"]


@pytest.mark.skipif(not has_limits or not Path("/proc").exists(), reason="the C library has no such limits")
def test_what_the_environment_says_counts() -> None:
    assert run(MALLOC_MMAP_THRESHOLD_="131072", MALLOC_TRIM_THRESHOLD_="131072") == ["False", "False"]
