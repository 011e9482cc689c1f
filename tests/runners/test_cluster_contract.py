"""Do the runners of clusters keep what every runner promises? On real clusters of two workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chariots.pipelines.runners import BaseRunner
from chariots.runners import DaskRunner, RayRunner
from chariots.testing import RunnerContract


@pytest.fixture(scope="module")
def dask_runner() -> Iterator[BaseRunner]:
    with DaskRunner(n_workers=2) as runner:
        yield runner


class TestDaskRunner(RunnerContract):
    @pytest.fixture
    def runner(self, dask_runner: BaseRunner) -> BaseRunner:
        return dask_runner


@pytest.fixture(scope="module")
def ray_runner() -> Iterator[BaseRunner]:
    with RayRunner(num_cpus=2, object_store_memory=200_000_000) as runner:
        yield runner


class TestRayRunner(RunnerContract):
    @pytest.fixture
    def runner(self, ray_runner: BaseRunner) -> BaseRunner:
        return ray_runner
