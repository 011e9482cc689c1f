"""Does the thread that follows begin where a process answers requests, and end with it?"""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import pytest

from chariots.serving import PipelinesServer
from chariots.serving.following import Follower
from chariots.testing import TestOpStoreClient, TestPipelinesClient
from tests.serving.support import Http, live
from tests.serving.test_follower import pipelines


@pytest.fixture
def store(tmp_path):
    """An op store in a folder."""
    return TestOpStoreClient(tmp_path)


def server(store, **arguments):
    """A server that was just started."""
    return PipelinesServer(pipelines(), "following", op_store_client=store, **arguments)


def followers():
    """The threads of this process that follow."""
    return [thread for thread in threading.enumerate() if thread.name == "chariots follower"]


def test_it_starts_with_the_first_request_and_stops_when_told(store):
    app = server(store)
    TestPipelinesClient(app).send("GET", "/livez")
    app.execute_pipeline("train", "as a worker does")
    assert not app.follower.is_running
    with live(app) as url:
        Http(url).request("GET", "/livez")
        assert app.follower.is_running
    app.follower.stop()
    assert not app.follower.is_running


@pytest.mark.parametrize("arguments", [{"follow_seconds": None}, {"op_store_client": None}])
def test_it_does_not_start_where_there_is_nothing_to_follow(store, arguments):
    app = PipelinesServer(pipelines(), "still", **{"op_store_client": store, **arguments})
    app.test_client().get("/livez")
    assert not app.follower.is_running


def test_it_ends_when_nobody_has_the_server_any_more(store):
    before = followers()
    app = server(store, follow_seconds=0.01)
    app.test_client().get("/livez")
    (thread,) = [one for one in followers() if one not in before]
    gone = weakref.ref(app.follower)
    del app
    gc.collect()
    thread.join(60)
    assert gone() is None
    assert not thread.is_alive()


def test_a_process_that_ends_in_the_middle_of_a_load_ends_it_first(tmp_path):
    program = """
        import sys, threading, time
        from chariots.testing import TestOpStoreClient
        from tests.serving.test_follower import numbers, promote, server, train

        entered = threading.Event()

        class Slow(TestOpStoreClient):
            def read_version(self, version):
                entered.set()
                time.sleep(0.5)
                print("fetched", flush=True)
                return super().read_version(version)

        store = Slow(sys.argv[1])
        app, client = server(store, follow_seconds=0.01)
        train(client, "mark")
        app.test_client().get("/livez")
        promote(store, numbers(store)[0])
        entered.wait(60)
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "fetched\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_follows_by_itself(store):
    app = server(store)
    app.test_client().get("/livez")
    assert app.follower.is_running
    child = os.fork()
    if child == 0:
        code = 1
        try:
            inherited = app.follower.is_running
            app.test_client().get("/livez")
            code = 0 if app.follower.is_running and not inherited else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    app.follower.stop()


def test_a_follower_without_a_store_looks_at_nothing():
    follower = Follower({}, None, "production", 1.0, logging.getLogger("nothing"))
    begun = time.monotonic()
    assert follower.look() == 1.0
    follower.ensure_running()
    follower.stop()
    assert time.monotonic() - begun < 60
    assert not follower.is_running
