"""Do our runners keep what every runner promises?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chariots.pipelines.runners import BaseRunner, ProcessRunner, SequentialRunner, ThreadRunner
from chariots.testing import RunnerContract


class TestSequentialRunner(RunnerContract):
    @pytest.fixture
    def runner(self) -> BaseRunner:
        return SequentialRunner()


class TestThreadRunner(RunnerContract):
    @pytest.fixture
    def runner(self) -> Iterator[BaseRunner]:
        with ThreadRunner(max_workers=4) as runner:
            yield runner


class TestThreadRunnerWithOneThread(RunnerContract):
    @pytest.fixture
    def runner(self) -> Iterator[BaseRunner]:
        with ThreadRunner(max_workers=1) as runner:
            yield runner


class TestProcessRunner(RunnerContract):
    @pytest.fixture(scope="class")
    def runner(self) -> Iterator[BaseRunner]:
        with ProcessRunner(max_workers=2) as runner:
            yield runner
