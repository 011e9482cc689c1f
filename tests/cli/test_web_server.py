"""What does a process of ``chariots serve`` do beside running the app?"""

from __future__ import annotations

import subprocess
import sys

LOADING = """
import gc
from chariots.cli.web_server import _uncollected
{before}
with _uncollected():
    assert not gc.isenabled()
    loaded = [[] for _ in range(100_000)]
assert gc.isenabled()
print({told})
"""


def told(before: str, told: str) -> str:
    """What a process says after it has loaded a lot."""
    program = [sys.executable, "-c", LOADING.format(before=before, told=told)]
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout.strip()


def test_what_was_loaded_is_looked_through_when_it_is_the_turn_of_the_old() -> None:
    """As young it would be looked through at once, while the first request waits."""
    assert told("", "any(one is loaded[0] for one in gc.get_objects(generation=2)), gc.get_freeze_count()") == "True 0"


def test_what_processes_share_is_not_looked_through() -> None:
    assert told("gc.collect(); gc.freeze()", "gc.get_freeze_count() > 1000") == "True"


def test_a_loading_that_fails_leaves_the_collector_on() -> None:
    program = (
        "import gc\n"
        "from chariots.cli.web_server import _uncollected\n"
        "try:\n"
        "    with _uncollected():\n"
        "        raise ImportError\n"
        "except ImportError:\n"
        "    print(gc.isenabled())\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "True"
