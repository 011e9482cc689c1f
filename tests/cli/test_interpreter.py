"""Is Python set as it is to be in a process of ``chariots serve``?"""

from __future__ import annotations

import subprocess
import sys

import pytest

from chariots.cli.interpreter import TURN_SECONDS, share_the_interpreter

LOADING = """
import gc
from chariots.cli.interpreter import uncollected
{before}
with uncollected():
    assert not gc.isenabled()
    loaded = [[] for _ in range(100_000)]
assert gc.isenabled()
print({told})
"""


def said(program: str, before: str, told: str) -> str:
    """What a process says that has run a program."""
    command = [sys.executable, "-c", program.format(before=before, told=told)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_what_was_loaded_is_looked_through_when_it_is_the_turn_of_the_old() -> None:
    """As young it would be looked through at once, while the first request waits."""
    assert (
        said(LOADING, "", "any(one is loaded[0] for one in gc.get_objects(generation=2)), gc.get_freeze_count()")
        == "True 0"
    )


def test_what_processes_share_is_not_looked_through() -> None:
    assert said(LOADING, "gc.collect(); gc.freeze()", "gc.get_freeze_count() > 1000") == "True"


def test_a_loading_that_fails_leaves_the_collector_on() -> None:
    program = (
        "import gc\n"
        "from chariots.cli.interpreter import uncollected\n"
        "try:\n"
        "    with uncollected():\n"
        "        raise ImportError\n"
        "except ImportError:\n"
        "    print(gc.isenabled())\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "True"


OFTEN = "import gc\n{before}\nfrom chariots.cli.interpreter import collect_less_often as less\nless()\nprint({told})"


def test_it_is_looked_for_garbage_less_often() -> None:
    assert said(OFTEN, "", "gc.get_threshold()[0] > 2000") == "True"


def test_what_somebody_has_said_of_garbage_holds() -> None:
    assert said(OFTEN, "gc.set_threshold(123, 4, 5)", "gc.get_threshold()") == "(123, 4, 5)"


@pytest.mark.parametrize(
    ("before", "after"),
    [pytest.param(0.005, TURN_SECONDS, id="Python's own"), pytest.param(0.02, 0.02, id="somebody's")],
)
def test_threads_give_way_sooner_unless_somebody_has_said_when(before: float, after: float) -> None:
    ours = sys.getswitchinterval()
    sys.setswitchinterval(before)
    try:
        share_the_interpreter()
        assert sys.getswitchinterval() == pytest.approx(after)
    finally:
        sys.setswitchinterval(ours)


LEAVING = """
import atexit
from chariots.cli.interpreter import leave_garbage


class Told:
    def __init__(self, word):
        self.word, self.itself = word, self

    def __del__(self):
        print(self.word)


atexit.register(print, "atexit")
circle = Told("garbage")
leave_garbage()
"""


def test_no_garbage_is_looked_for_on_the_way_out() -> None:
    command = [sys.executable, "-c", LEAVING]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["atexit"]
    without = [sys.executable, "-c", LEAVING.replace("\nleave_garbage()", "")]
    assert subprocess.run(without, capture_output=True, text=True, check=True).stdout.split() == ["atexit", "garbage"]
