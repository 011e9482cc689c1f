"""What do the tests of the serving room share?"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

import pytest

from chariots.serving import AsyncPipelinesClient, Chariots, PipelinesClient, PipelinesServer
from tests.blocking import Blocking, event_loop
from tests.serving.support import Http, live


@pytest.fixture
def serve():
    """Serves pipelines without a store, or a whole app; gives its URL."""
    with ExitStack() as stack:

        def start(*pipelines, **arguments):
            app = PipelinesServer(pipelines, import_name="tests_app", **arguments)
            return stack.enter_context(live(app))

        yield start


@pytest.fixture
def http(serve):
    """Serves pipelines without a store; gives something that sends them bytes."""
    return lambda *pipelines, **arguments: Http(serve(*pipelines, **arguments))


@pytest.fixture
def client(serve):
    """Serves pipelines without a store; gives a client of the server."""
    return lambda *pipelines, **arguments: PipelinesClient(serve(*pipelines, **arguments))


@pytest.fixture
def embedded(tmp_path):
    """Serves pipelines with a store in the folder of the test; gives a client of the server."""
    with ExitStack() as stack:

        def start(*pipelines, **arguments):
            app = Chariots(pipelines, tmp_path / "store", import_name="tests_app", **arguments)
            return PipelinesClient(stack.enter_context(live(app)))

        yield start


@contextmanager
def clients(kind):
    """Makes clients of URLs: such as wait in threads, or such as live in an event loop behind a facade that waits."""
    with ExitStack() as stack:
        loop = stack.enter_context(event_loop()) if kind == "asyncio" else None

        def make(url, **options):
            if loop is None:
                return stack.enter_context(PipelinesClient(url, **options))
            return stack.enter_context(Blocking(loop, AsyncPipelinesClient(url, **options)))

        yield make


@pytest.fixture(params=["threads", "asyncio"])
def connect(request):
    """Makes a client of a URL; each test runs with both kinds."""
    with clients(request.param) as make:
        yield make
