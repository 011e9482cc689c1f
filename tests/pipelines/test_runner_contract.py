"""Do our runners keep what every runner promises?"""

from __future__ import annotations

import pytest

from chariots.pipelines.runners import BaseRunner, SequentialRunner
from chariots.testing import RunnerContract


class TestSequentialRunner(RunnerContract):
    @pytest.fixture
    def runner(self) -> BaseRunner:
        return SequentialRunner()
