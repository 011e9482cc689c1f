"""Do the runners of clusters keep what every runner promises? On real clusters of two workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chariots.pipelines.runners import BaseRunner
from chariots.runners import DaskRunner
from chariots.testing import RunnerContract


@pytest.fixture(scope="module")
def dask_runner() -> Iterator[BaseRunner]:
    with DaskRunner(n_workers=2) as runner:
        yield runner


class TestDaskRunner(RunnerContract):
    @pytest.fixture
    def runner(self, dask_runner: BaseRunner) -> BaseRunner:
        return dask_runner
