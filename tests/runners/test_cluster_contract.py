"""Do the runners of clusters keep what every runner promises? On real clusters of two workers."""

from __future__ import annotations

import pytest

from chariots.pipelines.runners import BaseRunner
from chariots.testing import RunnerContract


class TestDaskRunner(RunnerContract):
    @pytest.fixture
    def runner(self, dask_runner: BaseRunner) -> BaseRunner:
        return dask_runner


class TestRayRunner(RunnerContract):
    @pytest.fixture
    def runner(self, ray_runner: BaseRunner) -> BaseRunner:
        return ray_runner
