"""Runs cached pipelines one after the other, until somebody kills it: ``python keep_until_killed.py FOLDER``."""

from __future__ import annotations

import sys

import numpy as np

from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import SequentialRunner


class Fill(BaseOp):
    """An array and a number, both of which say what they were made from."""

    def execute(self, number: int) -> tuple[np.ndarray, int]:
        return np.full(200_000, number), 3 * number


class First(BaseOp):
    def execute(self, array: np.ndarray, number: int) -> tuple[int, int, int]:
        return int(array.min()), int(array.max()), number


FILL = Node(Fill(), ["__pipeline_input__"], ["array", "number"], cache=True)
PIPELINE = Pipeline([FILL, Node(First(), ["array", "number"], "__pipeline_output__")], "fills")

if __name__ == "__main__":
    runner = SequentialRunner(sys.argv[1])
    print("ready", flush=True)
    for number in range(int(sys.argv[2]) if len(sys.argv) > 2 else 10**9):
        assert runner.run(PIPELINE, number) == (number, number, 3 * number)
