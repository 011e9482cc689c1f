"""Does memory to receive into cost no more than what is received into it?"""

from __future__ import annotations

import subprocess
import sys

from chariots.transfer.buffers import BUFFER, Buffers

MANY = 100

PEAK = f"""
import resource
from chariots.transfer.buffers import Buffers

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if {sys.platform == "darwin"} else 1024)

buffers = Buffers()
for _ in range(4):  # as those do who are quick to give memory back, and to ask for it again
    buffers.give_back(buffers.take())
before = peak()
taken = [buffers.take() for _ in range({MANY})]
for buffer in taken:
    buffer[:1000] = bytes(1000)
print(peak() - before)
"""


def test_what_is_given_back_is_used_again() -> None:
    buffers = Buffers()
    buffer = buffers.take()
    buffer[:3] = b"abc"
    buffers.give_back(buffer)
    assert len(buffer) == BUFFER
    assert buffers.take() is buffer
    assert buffers.take() is not buffer


def test_many_connections_that_use_little_of_theirs_take_little() -> None:
    told = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True).stdout
    assert int(told) < MANY * BUFFER / 10


def test_few_are_kept_when_many_were_in_use() -> None:
    buffers = Buffers()
    taken = [buffers.take() for _ in range(MANY)]
    for buffer in taken:
        buffers.give_back(buffer)
    known = {id(buffer) for buffer in taken}
    assert sum(id(buffers.take()) in known for _ in range(MANY)) < MANY / 2
