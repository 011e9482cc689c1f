"""Does the process that runs jobs end when nobody speaks for its job any more?"""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os
from chariots.workers.child import Child

(_, answers), (orders, _kept_open) = pipes = os.pipe(), os.pipe()
os.close(pipes[0][0])
child = Child("worker", orders, open(answers, "w"))
try:
    child.say(event="saving", job="1")
except Exception as error:
    print("an op, or whoever judges it, gets", error)
print("it goes on")
"""


def test_a_process_whose_parent_is_gone_ends_and_blames_no_op() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
