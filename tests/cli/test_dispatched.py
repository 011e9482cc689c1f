"""Do calls that go through Flask, hooks before them included, share a thread where nobody can tell, and only there?"""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.calling import Client, assert_same, made_quick, metric, raw, request, serving_by_gunicorn, unusual
from tests.cli.programs import CHARIOTS, DEADLINE, started
from tests.collecting_spans import collector

OPS = """
import math, pathlib, threading
from chariots.pipelines.ops import BaseOp
import peeking


class Rows(BaseOp):
    def execute(self, rows: list[list[float]]) -> list:
        if any(row[0] < 0 for row in rows):
            raise ValueError("a negative row")
        if any(row[0] == 666 for row in rows):
            pathlib.Path("ran-666").touch()
        name = threading.current_thread().name
        return [[math.nan if row[0] == 0.5 else row[0], len(rows), name] for row in rows]


class Peeks(BaseOp):
    def execute(self, rows: list[list[float]]) -> list:
        return [[getattr(peeking, 'who')(), threading.current_thread().name] for row in rows]
"""

PEEKING = """
import flask


def who():
    return flask.request.headers["X-Who"]
"""

PLAIN = """
from chariots.pipelines import Pipeline, PipelinesServer
from chariots.pipelines.nodes import Node
from ops import Peeks, Rows


def chain(op, name):
    return Pipeline([Node(op, ["__pipeline_input__"], "__pipeline_output__")], name, batchable=True)


def made(**arguments):
    return PipelinesServer([chain(Rows(), "rows"), chain(Peeks(), "peeks")], import_name="my_app", **arguments)


app = made(fast_path=False)
"""

HOOKED = """
import pathlib, threading, time
import flask
from plain import made

app = made()
HERE = threading.local()


@app.before_request
def greet():
    headers = flask.request.headers
    HERE.who = flask.g.who = headers.get("X-Who", "")
    flask.after_this_request(show)
    match headers.get("X-Do"):
        case "refuse":
            return {"refused": flask.g.who}, 403, {"Connection": "close", "Date": "never"}
        case "raise":
            raise KeyError(flask.g.who)
        case "nothing":
            return "", 204
        case "exit":
            raise SystemExit(3)
        case "stall":
            pathlib.Path("begun").touch()
            while not pathlib.Path("ending").exists():
                time.sleep(0.005)
        case "wait":
            time.sleep(0.002)
    assert HERE.who == headers.get("X-Who", ""), "another request came in between"


def show(response):
    response.headers["X-Who"] = flask.g.who
    return response
"""

KINDS = unusual("rows", [[5.0]], fails=[[-1.0]], has_no_form=[[0.5]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("dispatched")
    for name, text in {"ops": OPS, "peeking": PEEKING, "plain": PLAIN, "hooked": HOOKED}.items():
        (made / f"{name}.py").write_text(text)
    return made


@contextmanager
def serving(folder: Path, app: str, *options: str, **variables: str) -> Iterator[str]:
    command = [*CHARIOTS, "serve", app, "--port", "0", "--threads", "4", *options]
    with started(command, folder, **variables) as (url, _):
        yield urlsplit(url).netloc


@pytest.fixture(scope="module")
def hooked(folder: Path) -> Iterator[str]:
    with serving(folder, "hooked:app") as netloc:
        yield netloc


@pytest.fixture
def shared(hooked: str) -> str:
    """A server with a hook, whose calls are known to share a thread."""
    client = Client(hooked)
    give_up = time.monotonic() + 2 * DEADLINE  # a test before may have had it leave them to threads for a while
    while client("rows", [[1.0]])[1][0][2] != "express":
        assert time.monotonic() < give_up
    return hooked


@pytest.mark.parametrize("app", ["plain:app", "hooked:app"])
def test_calls_that_go_through_flask_come_to_share_a_thread(folder: Path, app: str) -> None:
    with serving(folder, app) as netloc:
        client = Client(netloc)
        made_quick(client, "rows", [[1.0]])
        assert client("rows", [[2.0]], X_Who="ann") == (200, [[2.0, 1, "express"]])
        assert client.headers.get("X-Who") == (None if app == "plain:app" else "ann")


def test_many_run_together_and_each_has_its_own_context(shared: str) -> None:
    def ask(number: int) -> set[int]:
        client, together = Client(shared), set()
        for turn in range(40):
            status, output = client("rows", [[1000.0 * number + turn]], X_Who=f"{number}/{turn}")
            assert (status, output[0][0]) == (200, 1000 * number + turn)
            assert client.headers["X-Who"] == f"{number}/{turn}"
            together.add(output[0][1])
        return together

    with ThreadPoolExecutor(24) as pool:
        together = set().union(*pool.map(ask, range(24)))
    assert max(together) > 1


def test_what_a_hook_refuses_is_not_run_and_harms_nobody(shared: str, folder: Path) -> None:
    where = 'chariots_requests_total{method="POST",pipeline="rows",route="/pipelines/<name>/main",service="my_app",'
    before = metric(shared, where + 'status="403"}')

    def ask(number: int) -> list[int]:
        client = Client(shared)
        do, value = {2: ("refuse", 666.0), 5: ("raise", 666.0), 7: ("", -1.0)}.get(number, ("", 1.0))
        found = []
        for _ in range(20):
            found.append(client("rows", [[value]], X_Do=do, X_Who=str(number))[0])
            assert client.headers.get("X-Who") == str(number)
            assert len(client.headers.get_all("Date", [])) == 1
        return found

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(ask, range(12)))
    assert found == [[{2: 403, 5: 500, 7: 500}.get(number, 200)] * 20 for number in range(12)]
    assert not (folder / "ran-666").exists()
    assert metric(shared, where + 'status="403"}') == before + 20


def test_an_answer_without_a_body_has_no_length(shared: str) -> None:
    (status, headers, body), (after, _, _) = raw(
        shared, request("rows", [[1.0]], "X-Do: nothing") + request("rows", [[1.0]]), answers=2
    )
    assert (status, body, after) == (204, b"", 200)
    assert "Content-Length" not in headers


def test_a_hook_that_would_end_the_process_ends_its_connection(shared: str) -> None:
    leaving = Client(shared)
    with pytest.raises(http.client.RemoteDisconnected):
        leaving("rows", [[1.0]], X_Do="exit")
    assert Client(shared)("rows", [[1.0]])[0] == 200


@pytest.fixture(scope="module")
def by_gunicorn(folder: Path) -> Iterator[str]:
    with serving_by_gunicorn(folder, "hooked:app") as netloc:
        yield netloc


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_the_same_as_in_a_thread_of_its_own(shared: str, by_gunicorn: str, kind: str) -> None:
    made_quick(Client(by_gunicorn), "rows", [[1.0]])
    ours, theirs = (raw(netloc, KINDS[kind])[0] for netloc in (shared, by_gunicorn))
    # The output tells the name of the thread; before it MessagePack tells how long that is.
    nameless = [re.sub(rb"[\xa0-\xbf]?(express|ThreadPoolExecutor-\d+_\d+)", b"", came[2]) for came in (ours, theirs)]
    assert_same(kind, (*ours[:2], nameless[0]), (*theirs[:2], nameless[1]))


def test_a_hook_that_stalls_keeps_nobody_waiting(shared: str, folder: Path) -> None:
    begun, ending = folder / "begun", folder / "ending"
    stop = threading.Event()

    def keep_asking() -> int:
        client, told = Client(shared), 0
        while not stop.is_set():
            assert client("rows", [[1.0]])[0] == 200
            told += 1
        return told

    with ThreadPoolExecutor(12) as pool:
        asking = [pool.submit(keep_asking) for _ in range(8)]
        try:
            stalled = pool.submit(Client(shared), "rows", [[3.0]], X_Do="stall")
            give_up = time.monotonic() + DEADLINE
            while not begun.exists():
                assert time.monotonic() < give_up
                time.sleep(0.005)
            for number in range(50):
                assert Client(shared)("rows", [[float(number)]])[1][0][0] == number
            assert not stalled.done()
        finally:
            ending.touch()
            stop.set()
        assert stalled.result(DEADLINE)[1][0][0] == 3
        assert all(one.result(DEADLINE) for one in asking)
    ending.unlink()


def test_hooks_that_take_their_time_have_threads(folder: Path) -> None:
    with serving(folder, "hooked:app") as netloc:
        client = Client(netloc)
        made_quick(client, "rows", [[1.0]])
        for _ in range(16):
            client("rows", [[1.0]], X_Do="wait")
        assert client("rows", [[1.0]])[1][0][2] != "express"


def test_each_request_is_in_the_trace_of_its_client(folder: Path) -> None:
    traces = [f"{number:032x}" for number in range(1, 13)]
    with collector() as collected:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with serving(folder, "hooked:app", "--tracing", "on", **variables) as netloc:
            made_quick(Client(netloc), "rows", [[1.0]])

            def ask(trace: str) -> None:
                client = Client(netloc)
                for number in range(20):
                    came = client("rows", [[1.0]], traceparent=f"00-{trace}-00000000000000{number + 1:02x}-01")
                    assert came[0] == 200

            with ThreadPoolExecutor(len(traces)) as pool:
                list(pool.map(ask, traces))
        wanted = {(trace, f"{number + 1:016x}") for trace in traces for number in range(20)}
        spans = collected.wait_for(lambda spans: wanted <= {(span.trace, span.parent) for span in spans})
    assert wanted <= {(span.trace, span.parent) for span in spans if span.name == "POST /pipelines/<name>/main"}


def test_an_op_that_looks_at_the_request_finds_it(folder: Path) -> None:
    with serving(folder, "hooked:app") as netloc:
        client = Client(netloc)
        for number in range(20):
            status, output = client("peeks", [[1.0]], X_Who=str(number))
            assert (status, output[0][0]) == (200, str(number))


AFTER = {
    "after_request": "app.after_request(lambda response: response)",
    "teardown_request": "app.teardown_request(lambda error: None)",
    "teardown_appcontext": "app.teardown_appcontext(lambda error: None)",
    "an error handler": "app.register_error_handler(KeyError, lambda error: ('no', 400))",
    "a handler of a status": "app.register_error_handler(404, lambda error: ('no', 404))",
    "a signal": "flask.request_finished.connect(print_nothing, app)",
    "a signal of errors": "flask.got_request_exception.connect(print_nothing, app)",
    "a hook of a blueprint": "app.register_blueprint(blueprint)",
    "a method": "type(app).log_exception = lambda self, exc_info: None",
}


@pytest.mark.parametrize("what", AFTER)
def test_where_something_of_the_users_comes_after_the_run_calls_have_threads(folder: Path, what: str) -> None:
    lines = [
        "import flask",
        "from hooked import app",
        "def print_nothing(*arguments, **named): pass",
        "blueprint = flask.Blueprint('chariots', 'after')",
        "blueprint.after_request(lambda response: response)",
        AFTER[what],
    ]
    name = f"after_{list(AFTER).index(what)}"
    (folder / f"{name}.py").write_text("\n".join(lines))
    with serving(folder, f"{name}:app") as netloc:
        client = Client(netloc)
        made_quick(client, "rows", [[1.0]])
        assert client("rows", [[2.0]])[1][0][2] != "express"
