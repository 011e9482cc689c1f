"""One real cluster of each kind for all tests of this folder that one process runs, with two workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chariots.pipelines.runners import BaseRunner
from chariots.runners import DaskRunner, RayRunner

RAY_OPTIONS = {"num_cpus": 2, "object_store_memory": 200_000_000}


@pytest.fixture(scope="session")
def dask_runner() -> Iterator[BaseRunner]:
    with DaskRunner(n_workers=2) as runner:
        yield runner


@pytest.fixture(scope="session")
def ray_runner() -> Iterator[BaseRunner]:
    with RayRunner(**RAY_OPTIONS) as runner:
        yield runner


@pytest.fixture(params=["dask", "ray"])
def cluster(request: pytest.FixtureRequest) -> BaseRunner:
    found: BaseRunner = request.getfixturevalue(f"{request.param}_runner")
    return found
