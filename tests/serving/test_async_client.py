"""Does the client for event loops do what only such a client can? (many calls at once, canceled tasks, its own loop)"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
import sys
import threading
import time

import pytest

from chariots.errors import UnreachableError
from chariots.serving import AsyncPipelinesClient, PipelinesServer
from chariots.web import deadline
from tests.cli.programs import CHARIOTS, started
from tests.serving.job_pool import StagedPool
from tests.serving.support import Echo, is_odd, live, one_op
from tests.serving.test_streams import Count, Waiting
from tests.web.servers import answer, answers, read_request, scripted

DONE = b'{"pipeline_output": 7, "versions": {}, "job_id": null, "job_status": "done"}'


MANY = """
import time
from flask import request
from chariots import Node, Pipeline, PipelinesServer
from chariots.ops import BaseOp

class Caller(BaseOp):
    def execute(self, value):
        time.sleep(0.005)
        return [value, request.environ["REMOTE_PORT"]]

app = PipelinesServer([Pipeline([Node(Caller(), ["__pipeline_input__"], "__pipeline_output__")], "caller")], "app")
"""


def hung_up(gone):
    """A server that answers nothing, and notes when the other side closes the connection."""

    def step(connection, state):
        state.requests.append(read_request(connection))
        if connection.recv(1) == b"":
            gone.set()

    return step


async def until(condition):
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


def test_hundreds_of_calls_at_once_share_a_few_connections(tmp_path):
    (tmp_path / "many.py").write_text(MANY)

    async def work(url):
        async with AsyncPipelinesClient(url, connections=8) as client:
            return await asyncio.gather(*(client.call_pipeline("caller", number) for number in range(500)))

    with started([*CHARIOTS, "serve", "many:app", "--port", "0", "--workers", "1"], tmp_path) as (url, _):
        found = [response.value for response in asyncio.run(work(url))]
    assert [value for value, _ in found] == list(range(500))
    assert 1 < len({port for _, port in found}) <= 8


def test_one_connection_is_kept_for_calls_one_after_another():
    async def work(server):
        async with AsyncPipelinesClient(server.url) as client:
            for _ in range(5):
                assert (await client.call_pipeline("p", 1)).value == 7
        assert (server.connections, len(server.requests)) == (1, 5)

    with scripted(answers(*[answer(200, DONE)] * 5)) as server:
        asyncio.run(work(server))


def test_a_call_whose_turn_does_not_come_in_time_says_so_and_was_not_sent():
    async def work(server):
        async with AsyncPipelinesClient(server.url, connections=1) as client:
            first = asyncio.create_task(client.call_pipeline("p", 1))
            await until(lambda: server.requests)
            with (
                deadline.scope(0.1),
                pytest.raises(UnreachableError, match=r"was not sent in its time: all 1 .*connections="),
            ):
                await client.call_pipeline("p", 2)
            first.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await first
        assert len(server.requests) == 1

    gone = threading.Event()
    with scripted(hung_up(gone)) as server:
        asyncio.run(work(server))


def test_waiting_for_jobs_and_streams_take_no_turn():
    pool, op = StagedPool(), Waiting()
    app = PipelinesServer([is_odd(), one_op(op, "waiting")], "tests_app", worker_pool=pool)

    async def work(url):
        async with AsyncPipelinesClient(url, connections=1) as client:
            job = await client.enqueue("is_odd", 4)
            waiting = asyncio.create_task(client.wait(job))
            async with client.stream_pipeline("waiting", 1) as pieces:
                assert await anext(pieces) == "first"
                assert await client.is_pipeline_loaded("is_odd")
                assert not waiting.done()
                pool.run_next()
                assert (await waiting).value is True
            op.may_go_on.set()

    with live(app) as url:
        asyncio.run(work(url))


def test_a_canceled_call_closes_its_connection_and_gives_its_turn_back():
    gone = threading.Event()

    async def work(server):
        async with AsyncPipelinesClient(server.url, connections=1) as client:
            call = asyncio.create_task(client.call_pipeline("p", 1))
            await until(lambda: server.requests)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await until(gone.is_set)
            assert (await client.call_pipeline("p", 1)).value == 7
            assert len(server.requests) == 2

    with scripted(hung_up(gone), answers(answer(200, DONE))) as server:
        asyncio.run(work(server))


def test_a_client_that_is_closed_ends_its_calls_and_can_be_used_again():
    gone = threading.Event()

    async def work(server):
        client = AsyncPipelinesClient(server.url, connections=1)
        calls = [asyncio.create_task(client.call_pipeline("p", number)) for number in range(3)]
        await until(lambda: server.requests)
        await client.close()
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, UnreachableError), error
        async with client:
            assert (await client.call_pipeline("p", 1)).value == 7
        assert len(server.requests) == 2

    with scripted(hung_up(gone), answers(answer(200, DONE))) as server:
        asyncio.run(work(server))


def test_a_canceled_pause_before_another_attempt_ends_at_once():
    async def work(server):
        async with AsyncPipelinesClient(server.url) as client:
            started = time.monotonic()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.is_pipeline_loaded("p")
            assert time.monotonic() - started < 5

    with scripted(answers(answer(503, b"{}", "Retry-After: 30"))) as server:
        asyncio.run(work(server))


def test_a_canceled_stream_ends_the_generator():
    op = Waiting()

    seen = []

    async def read(client):
        async for piece in client.stream_pipeline("waiting", 1):
            seen.append(piece)

    async def work(url):
        async with AsyncPipelinesClient(url) as client:
            reading = asyncio.create_task(read(client))
            await until(lambda: seen)
            assert not op.closed.is_set()
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
            op.may_go_on.set()
            await until(op.closed.is_set)

    with live(PipelinesServer([one_op(op, "waiting")], "app")) as url:
        asyncio.run(work(url))


def test_many_streams_are_read_at_once():
    async def read(client, upto):
        return [piece async for piece in client.stream_pipeline("count", [upto, 0])]

    async def work(url):
        async with AsyncPipelinesClient(url, connections=2) as client:
            found = await asyncio.gather(*(read(client, number) for number in range(20)))
        assert found == [list(range(number)) for number in range(20)]

    with live(PipelinesServer([one_op(Count(), "count")], "app")) as url:
        asyncio.run(work(url))


def test_the_event_loop_goes_on_while_calls_wait():
    op, ticks = Waiting(), itertools.count()

    async def tick():
        while next(ticks) < 20:
            await asyncio.sleep(0.01)
        op.may_go_on.set()

    async def work(url):
        ticking = asyncio.create_task(tick())
        async with AsyncPipelinesClient(url) as client, client.stream_pipeline("waiting", 1) as pieces:
            assert await anext(pieces) == "first"
            assert len(await anext(pieces)) == 100_000
        await ticking

    with live(PipelinesServer([one_op(op, "waiting")], "app")) as url:
        asyncio.run(work(url))


def test_a_client_is_made_anywhere_and_used_in_one_loop_after_another():
    with live(PipelinesServer([one_op(Echo(), "echo")], "app")) as url:
        client = AsyncPipelinesClient(url)

        async def work(value):
            async with client:
                return (await client.call_pipeline("echo", value)).value

        assert [asyncio.run(work(value)) for value in range(3)] == [0, 1, 2]


def test_a_client_in_two_loops_at_once_is_refused_with_what_to_do():
    with live(PipelinesServer([one_op(Echo(), "echo")], "app")) as url:
        client = AsyncPipelinesClient(url)

        async def work():
            await client.call_pipeline("echo", 1)
            with pytest.raises(RuntimeError, match="Make one client for each loop"):
                await asyncio.to_thread(lambda: asyncio.run(client.call_pipeline("echo", 1)))
            await client.close()

        asyncio.run(work())


@pytest.mark.parametrize("connections", [0, -1])
def test_a_client_without_connections_is_refused(connections):
    with pytest.raises(ValueError, match="a call needs one"):
        AsyncPipelinesClient(connections=connections)


def test_a_client_in_a_hurry_does_not_wait_at_the_server_for_longer_than_it_has():
    assert AsyncPipelinesClient(timeout=3).longest_wait == 1.5
    assert AsyncPipelinesClient().longest_wait == 20.0
    assert repr(AsyncPipelinesClient()) == "<AsyncPipelinesClient of http://127.0.0.1:5000>"


def test_without_the_library_the_extra_is_named():
    script = (
        "import sys\n"
        "sys.modules['aiohttp'] = None\n"
        "from chariots import AsyncClient\n"
        "from chariots.errors import MissingExtraError\n"
        "try:\n"
        "    AsyncClient()\n"
        "except MissingExtraError as error:\n"
        "    print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "pip install 'chariots[asyncio]'" in ran.stdout
