"""What do tests of every room share? A real Redis and PostgreSQL, quiet numeric libraries, no silent skips on CI."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.faults import counting
from tests.postgres_server import PostgresServer, drop_database, new_database
from tests.redis_server import RedisServer

# Chosen before anything imports keras or a BLAS: the lightest backend, one thread for tiny matrices.
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("chariots", deadline=None)
hypothesis.settings.load_profile("chariots")

# A shell has its background jobs ignore Ctrl-C, and they would hand that on to the programs that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of this test session alone, on a loopback port, stopped at the end."""
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """The address of a Redis to write to: REDIS_URL where it is set, else a server of our own.

    Of several processes that share the tests, only one has that Redis for itself.
    """
    given = os.environ.get("REDIS_URL")
    if given and os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0":
        return given
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis for one test alone, which that test may kill and start again."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder).start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(autouse=True, scope="module")
def loggers_as_before() -> Iterator[None]:
    """Lets every logger speak again: applications of one name share theirs, and another module may have silenced it."""
    yield
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.disabled = False


def pytest_configure(config: pytest.Config) -> None:
    """Makes the markers of our own known."""
    config.addinivalue_line("markers", "sqlite: tests something that only SQLite has, so it does not run on PostgreSQL")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of this test session alone, on a loopback port, stopped at the end."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> str:
    """A PostgreSQL to make databases on: DATABASE_URL where it is set, else a server of our own."""
    given = os.environ.get("DATABASE_URL")
    if given:
        return given
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The address of an empty database for one test alone."""
    url = new_database(postgres_url)
    yield url
    drop_database(url)


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL for one test alone, which that test may stop, kill and start again."""
    with PostgresServer() as server:
        yield server


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Takes over what one of several test processes has counted, when it ends."""
    counting.add(getattr(node, "workeroutput", {}).get("faults", {}))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands over what was counted here, where this is one of several test processes."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["faults"] = counting.counts()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints the table of faults after everything else."""
    lines = counting.table()
    if lines:
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.write_line(line)


def _fail_when_skipped(report: Any) -> None:
    """Turns a skip into a failure where CI is set: a part that was missing was not tested."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped on CI, which counts as a failure: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Applies the rule about skips to single tests."""
    report = yield
    _fail_when_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Applies the rule about skips to whole modules."""
    report = yield
    _fail_when_skipped(report)
    return report
