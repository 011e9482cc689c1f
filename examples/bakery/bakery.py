"""How much bread and how many cakes should a bakery bake tomorrow?

A graph with a branch and a join, one op class trained twice under two names, a pipeline inside a pipeline.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from sklearn.linear_model import Ridge

from chariots.ml import MLMode
from chariots.ml.sklearn import SKSupervisedOp
from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import PipelineCallback
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.versioning import VersionedField, VersionedFieldDict, VersionType


@dataclass
class Day:
    """A day to bake for."""

    date: date
    temperature: float
    holiday: bool = False


class SalesHistory(BaseOp):
    """What was sold in the last hundred days; made up, but always the same."""

    def execute(self):
        noise = np.random.default_rng(7)
        first = date(2024, 1, 1)
        days = [
            Day(first + timedelta(days=number), float(noise.normal(12, 6)), holiday=number % 30 == 0)
            for number in range(100)
        ]
        bread = [80 + 30 * (day.date.weekday() == 5) - day.temperature for day in days]
        cakes = [10 + 15 * (day.date.weekday() >= 5) + 12 * day.holiday for day in days]
        return days, np.array(bread), np.array(cakes)


class Calendar(BaseOp):
    """Is it Saturday, is it the weekend, is it a holiday?"""

    def execute(self, days: list[Day]):
        return np.array([[d.date.weekday() == 5, d.date.weekday() >= 5, d.holiday] for d in days], dtype=float)


class Weather(BaseOp):
    """The temperature, measured from a pleasant one."""

    pleasant = VersionedField(15.0, VersionType.MAJOR)

    def execute(self, days: list[Day]):
        return np.array([[day.temperature - self.pleasant] for day in days])


class SideBySide(BaseOp):
    """Joins two tables of features."""

    def execute(self, left, right):
        return np.hstack([left, right])


class Sales(SKSupervisedOp):
    """Predicts the sales of one product."""

    model_class = Ridge
    model_parameters = VersionedFieldDict(VersionType.MINOR, {"alpha": 0.1})


class Order(BaseOp):
    """Turns two predictions into whole numbers to bake, with a little reserve."""

    reserve = VersionedField(1.05, VersionType.MINOR)

    def execute(self, days: list[Day], bread, cakes):
        return [
            {
                "date": day.date,
                "bread": round(float(loaves) * self.reserve),
                "cakes": round(float(number) * self.reserve),
            }
            for day, loaves, number in zip(days, bread, cakes, strict=True)
        ]


class Journal(PipelineCallback):
    """Keeps the order in which nodes ran."""

    def __init__(self):
        self.nodes = []

    def before_node_execution(self, pipeline, node, args):
        self.nodes.append(f"{pipeline.name}/{node.name}")


features = Pipeline(
    [
        Node(Calendar(), input_nodes=["__pipeline_input__"], output_nodes="calendar"),
        Node(Weather(), input_nodes=["__pipeline_input__"], output_nodes="weather"),
        Node(SideBySide(), input_nodes=["calendar", "weather"], output_nodes="__pipeline_output__"),
    ],
    "features",
)

train_sales = Pipeline(
    [
        Node(SalesHistory(), output_nodes=["days", "bread", "cakes"]),
        Node(features, input_nodes=["days"], output_nodes="x"),
        Node(Sales(MLMode.FIT), input_nodes=["x", "bread"], name="bread_sales"),
        Node(Sales(MLMode.FIT), input_nodes=["x", "cakes"], name="cake_sales"),
    ],
    "train_sales",
)

order = Pipeline(
    [
        Node(features, input_nodes=["__pipeline_input__"], output_nodes="x"),
        Node(Sales(MLMode.PREDICT), input_nodes=["x"], output_nodes="loaves", name="bread_sales"),
        Node(Sales(MLMode.PREDICT), input_nodes=["x"], output_nodes="cakes", name="cake_sales"),
        Node(
            Order(),
            input_nodes=["__pipeline_input__", "loaves", "cakes"],
            output_nodes="__pipeline_output__",
        ),
    ],
    "order",
)
