"""One real cluster of each kind for all tests of this folder that one process runs, with two workers."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from chariots.pipelines.runners import BaseRunner
from chariots.runners import DaskRunner, RayRunner

RAY_OPTIONS = {"num_cpus": 2, "object_store_memory": 200_000_000}
PATIENCE = 60.0
MARK = "CHARIOTS_TESTS_OF_CLUSTERS"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Nothing here takes longer than this, unless it hangs."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.timeout(200))


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Every process that the tests have started is gone when they are over; all of them inherit a mark."""
    os.environ[MARK] = mark = uuid4().hex
    yield
    del os.environ[MARK]
    until = time.monotonic() + PATIENCE
    while (left := processes_with(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not left, f"processes were left behind: {left}"


def processes_with(mark: str) -> dict[int, str]:
    """The processes that were started with a mark, and what they are."""
    found: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # gone meanwhile
                if f"{MARK}={mark}\0".encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


@pytest.fixture(scope="session")
def dask_runner(nothing_is_left: None) -> Iterator[BaseRunner]:
    with DaskRunner(n_workers=2) as runner:
        yield runner


@pytest.fixture(scope="session")
def ray_runner(nothing_is_left: None) -> Iterator[BaseRunner]:
    with RayRunner(**RAY_OPTIONS) as runner:
        yield runner


@pytest.fixture(params=["dask", "ray"])
def cluster(request: pytest.FixtureRequest) -> BaseRunner:
    found: BaseRunner = request.getfixturevalue(f"{request.param}_runner")
    return found
