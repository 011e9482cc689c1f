"""Which app is fuzzed? One with every kind of signature, whose ops never fail by themselves."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

import numpy as np
import pandas as pd

from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.serving import Chariots
from tests.serving.support import IN, OUT, Constant, Echo, Total, one_op


class Colour(Enum):
    red = "red"
    blue = "blue"


@dataclass
class Petal:
    length: float
    colour: Colour = Colour.red


@dataclass
class Flower:
    petals: list[Petal]
    seen: datetime.date | None = None
    tags: dict[str, int] = field(default_factory=dict)


class Typed(BaseOp):
    def execute(self, value: Flower) -> Flower:
        return value


class Number(BaseOp):
    def execute(self, value: float) -> float:
        return value


class Mixed(BaseOp):
    def execute(self, value: int | str | list[bool] | None) -> Any:
        return value


class Choice(BaseOp):
    def execute(self, value: Literal["a", "b"]) -> str:
        return value


class Optional(BaseOp):
    def execute(self, value=None):
        return value


class Array(BaseOp):
    def execute(self, value: np.ndarray) -> np.ndarray:
        return value


class Frame(BaseOp):
    def execute(self, value: pd.DataFrame) -> int:
        return len(value)


OPS = [Typed(), Number(), Mixed(), Choice(), Optional(), Array(), Frame(), Echo()]


def make_app(folder) -> Chariots:
    """Makes the app, its store in a folder."""
    pipelines = [one_op(op, f"{op.name} {{{number}}}") for number, op in enumerate(OPS)]
    pipelines.append(Pipeline([Node(Constant(), output_nodes=OUT)], "constant"))
    pipelines.append(Pipeline([Node(Total(), [IN], OUT)], "total"))
    return Chariots(pipelines, folder, import_name="fuzzed")
