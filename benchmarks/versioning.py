"""What does a version cost when an op class is created, and what does a code fingerprint cost?"""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable
from functools import partial

from benchmarks.table import Row, interleaved, median
from chariots.pipelines.ops import BaseOp
from chariots.versioning import VersionedField, VersionType, code_fingerprint

MAJOR, MINOR, PATCH = VersionType.MAJOR, VersionType.MINOR, VersionType.PATCH
changing = itertools.count()


def plain_class() -> type:
    """A class with ten attributes."""

    class Plain:
        a, b, c, d, e = next(changing), 0.3, "relu", True, None
        f, g, h, i, j = 64, 1e-3, "adam", False, 7

        def execute(self, x: int) -> int:
            return x + self.a

    return Plain


def op_class() -> type:
    """An op with ten fields, one of them with a value that was never hashed before."""

    class Op(BaseOp):
        a = VersionedField(next(changing), MAJOR)
        b = VersionedField(0.3, MINOR)
        c = VersionedField("relu", PATCH)
        d = VersionedField(True, MAJOR)
        e = VersionedField(None, MINOR)
        f = VersionedField(64, PATCH)
        g = VersionedField(1e-3, MAJOR)
        h = VersionedField("adam", MINOR)
        i = VersionedField(False, PATCH)
        j = VersionedField(7, MAJOR)

        def execute(self, x: int) -> int:
            return x + self.a

    return Op


def per_call(function: Callable[[], object], calls: int) -> float:
    """Microseconds of CPU that one call takes, the collection of what it left behind aside."""
    gc.collect()
    gc.disable()
    try:
        start = time.thread_time()
        for _ in range(calls):
            function()
        return (time.thread_time() - start) / calls * 1e6
    finally:
        gc.enable()


def main(short: bool = False) -> list[Row]:
    """Measures the creation of classes and the fingerprint of one.

    Args:
        short: fewer rounds.

    Returns:
        the rows of the table.
    """
    op = op_class()
    start = time.perf_counter()
    code_fingerprint(op)
    first = (time.perf_counter() - start) * 1e3
    tasks = {
        "plain": partial(per_call, plain_class, 500),
        "op": partial(per_call, op_class, 500),
        "fingerprint": partial(per_call, partial(code_fingerprint, op), 10),
    }
    took = {name: median(values) for name, values in interleaved(tasks, 5 if short else 15).items()}
    return [
        Row("versioning", "creating an op class with ten fields", took["op"], "us", 60.0, "<="),
        Row(
            "versioning",
            "the same, beside a plain class",
            took["op"] / took["plain"],
            "x",
            note="a plain class with ten attributes",
        ),
        Row("versioning", "the first code fingerprint of a module", first, "ms", note="reads and parses it"),
        Row("versioning", "a further code fingerprint", took["fingerprint"] / 1e3, "ms"),
    ]
