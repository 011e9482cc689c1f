"""The app of the benchmark of jobs: an empty pipeline, beside an import that every real app has."""

from __future__ import annotations

import os

import sklearn.linear_model  # noqa: F401  # what a worker has to import before it can work

from chariots import Chariots, Node, Pipeline
from chariots.pipelines.ops import BaseOp
from chariots.workers import LocalWorkerPool, RQWorkerPool

PLACE = "CHARIOTS_BENCHMARK_JOBS"  # the URL of a database or a Redis
FOLDER = "CHARIOTS_BENCHMARK_FOLDER"


class Empty(BaseOp):
    """Does nothing."""

    def execute(self) -> None:
        """Returns nothing."""


class Length(BaseOp):
    """Takes an input of any size."""

    def execute(self, value: object) -> int:
        """Returns its length."""
        return len(value)  # type: ignore[arg-type]  # whoever calls it sends a list or text


def _pool(url: str) -> LocalWorkerPool | RQWorkerPool:
    if not url.startswith("redis"):
        return LocalWorkerPool(url, workers=0)
    from redis import Redis

    return RQWorkerPool(redis=Redis.from_url(url))


pipelines = [
    Pipeline([Node(Empty(), [], "__pipeline_output__")], "empty"),
    Pipeline([Node(Length(), ["__pipeline_input__"], "__pipeline_output__")], "length"),
]
app = Chariots(pipelines, os.environ[FOLDER], import_name=__name__, worker_pool=_pool(os.environ[PLACE]))
