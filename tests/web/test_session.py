"""How does one service call another, and what happens when the other side misbehaves?"""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import formatdate
from pathlib import Path
from typing import Any

import flask
import pytest

from chariots.errors import (
    BackendError,
    BodyTooLargeError,
    ChariotsError,
    InputError,
    RemoteTraceback,
    UnknownNameError,
    UnreachableError,
)
from chariots.schema import dumps
from chariots.transfer.connections import Connections, Target
from chariots.web import AsyncSession, RetryPolicy, Session, deadline, install, json_response, read_json
from chariots.web.hosts import proxy_before
from chariots.web.targets import Address
from tests.blocking import Blocking, event_loop
from tests.web.servers import Scripted, answer, answers, free_port, read_request, reset, scripted
from tests.wsgi_server import wsgi_server

Make = Callable[..., Any]
QUICK = RetryPolicy(attempts=3, base=0.01, maximum=0.02)


def make_app() -> flask.Flask:
    app = flask.Flask("Called")
    install(app, title="Called")
    app.logger.disabled = True

    @app.route("/echo", methods=["GET", "POST", "PUT"])
    def echo() -> flask.Response:
        request = flask.request
        seen = {name: value for name, value in request.headers if name in ("Authorization", "X-Request-Id", "X-More")}
        return json_response({"method": request.method, "json": read_json(), "headers": seen})

    @app.put("/bytes")
    def keep() -> flask.Response:
        return flask.Response(flask.request.get_data()[::-1], headers={"X-Length": str(flask.request.content_length)})

    @app.get("/fail")
    def fail() -> flask.Response:
        raise RuntimeError("it broke")

    @app.get("/input")
    def refuse() -> flask.Response:
        raise InputError("age should be a number", errors=[{"loc": ["age"]}])

    @app.get("/left")
    def left() -> flask.Response:
        return json_response(deadline.remaining())

    @app.get("/big")
    def big() -> flask.Response:
        return flask.Response(bytes([number]) * 100_000 for number in range(50))

    return app


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with wsgi_server(make_app()) as base:
        yield base


def threaded(server: Scripted | str, **options: Any) -> Session:
    options.setdefault("retries", QUICK)
    options.setdefault("timeout", 20.0)
    return Session(server if isinstance(server, str) else server.url, **options)


class WithJson(AsyncSession):
    """Writes values as JSON, so that it is called like the one that waits in threads."""

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """Makes one call."""
        if "json" in options:
            options["body"] = dumps(options.pop("json"), where="")
            options["headers"] = {"Content-Type": "application/json", **options.get("headers", {})}
        return await super().request(method, path, **options)


@pytest.fixture(params=["threads", "asyncio"])
def session(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes a session that waits in threads, or one that waits in an event loop behind a facade that waits."""
    if request.param == "threads":
        yield threaded
        return
    with event_loop() as loop, ExitStack() as opened:

        def make(server: Scripted | str, **options: Any) -> Any:
            options = {"retries": QUICK, "timeout": 20.0, **options}
            made = WithJson(server if isinstance(server, str) else server.url, **options)
            opened.callback(lambda: loop.run(made.close()))
            return Blocking(loop, made)

        yield make


# What goes out and what comes back.


def test_json_goes_out_and_comes_back(url: str, session: Make) -> None:
    reply = session(url).request("POST", "/echo", json={"a": [1, 2**70, float("nan")]})
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == {"method": "POST", "json": {"a": [1, 2**70, None]}, "headers": {}}


def test_none_is_sent_as_null_and_no_json_as_no_body(url: str, session: Make) -> None:
    with scripted(answers(answer(), answer())) as server:
        session(server).request("POST", "/", json=None)
        session(server).request("POST", "/")
    assert server.requests[0].endswith(b"\r\n\r\nnull")
    assert server.requests[1].endswith(b"\r\n\r\n")


def test_a_value_without_a_form_in_json_is_named_before_anything_is_sent() -> None:
    with pytest.raises(TypeError, match=r"^pipeline_input\[0\] cannot be written as JSON"):
        Session("http://127.0.0.1:1").request("POST", "/", json={"pipeline_input": [object()]})


def test_token_and_headers_are_sent(url: str, session: Make) -> None:
    reply = session(url, token="secret").request("GET", "/echo", headers={"X-More": "1"})
    assert reply.json()["headers"] == {"Authorization": "Bearer secret", "X-More": "1"}


def test_the_request_id_is_passed_on(url: str, session: Make) -> None:
    app = flask.Flask("Middle")
    install(app, title="Middle")
    app.add_url_rule("/", view_func=lambda: json_response(session(url).request("GET", "/echo").json()))
    response = app.test_client().get("/", headers={"X-Request-ID": "run-7"})
    assert response.json is not None
    assert response.json["headers"] == {"X-Request-Id": "run-7"}


def test_a_base_path_is_kept(url: str, session: Make) -> None:
    with scripted(answers(answer())) as server:
        session(server.url + "/mounted/").request("GET", "/x?y=1")
    assert server.requests[0].startswith(b"GET /mounted/x?y=1 HTTP/1.1\r\n")


@pytest.mark.parametrize("base", ["", "127.0.0.1:5000", "ftp://host", "http://", "http://host/?a=1", "http://h:port"])
def test_what_is_no_base_url_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match=r"is not the base URL of a service; give it as 'http://host:port'"):
        Session(base)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match=r"give token=") as caught:
        Session("http://user:hunter2@host")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("make", [bytes, io.BytesIO, lambda data: iter([data[:10], data[10:]])])
def test_bodies_may_be_bytes_files_and_iterators(url: str, make: Any) -> None:
    data = os.urandom(300_000)
    reply = threaded(url).request("PUT", "/bytes", body=make(data))
    assert reply.body == data[::-1]
    assert reply.headers["X-Length"] == ("None" if make not in (bytes, io.BytesIO) else "300000")


def test_a_file_is_sent_from_where_it_stands(url: str) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"skipped-sent")
        file.seek(8)
        assert threaded(url).request("PUT", "/bytes", body=file).body == b"tnes"


def test_compressed_answers_are_unpacked(session: Make) -> None:
    with scripted(answers(answer(200, gzip.compress(b'{"a":1}'), "Content-Encoding: gzip"))) as server:
        assert session(server).request("GET", "/").json() == {"a": 1}


@pytest.mark.parametrize("status", [200, 404])
def test_an_answer_that_is_larger_than_it_may_be_is_not_read(status: int) -> None:
    one, other = answers(answer(status, b"x" * 1000)), answers(answer(status, b"x" * 1001))
    with scripted(one, other) as server, Session(server.url) as caller:
        assert len(caller.request("GET", "/", largest=1000).body) == 1000
        with pytest.raises(BodyTooLargeError, match=r"GET http.* was answered with more bytes"):
            caller.request("GET", "/", largest=1000)


def test_connections_are_used_again(session: Make) -> None:
    with scripted(answers(*[answer()] * 5)) as server, session(server) as caller:
        for _ in range(5):
            assert caller.request("POST", "/", json=1).status == 200
        assert (server.connections, len(server.requests)) == (1, 5)


def test_a_connection_is_used_again_after_an_error_and_after_a_stream(session: Make) -> None:
    written = [answer(404, b"no"), answer(200, b"x" * 100), answer()]
    with scripted(answers(*written)) as server, session(server) as caller:
        assert caller.request("GET", "/").status == 404
        with caller.stream("GET", "/") as stream:
            assert b"".join(stream) == b"x" * 100
        assert caller.request("GET", "/").status == 200
        assert server.connections == 1


def test_one_session_serves_many_threads(url: str, session: Make) -> None:
    caller = session(url)
    found: list[Any] = []

    def work(number: int) -> None:
        found.extend(caller.request("POST", "/echo", json=number).json()["json"] == number for _ in range(10))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 80


def _tell_port(connection: socket.socket, state: Scripted) -> None:
    while read_request(connection):
        connection.sendall(answer(200, str(connection.getpeername()[1]).encode()))


def test_a_forked_process_opens_connections_of_its_own() -> None:
    script = (
        "import os, sys\n"
        "from chariots.web import Session\n"
        "caller = Session(sys.argv[1])\n"
        "port = lambda: caller.request('GET', '/').json()\n"
        "before = port()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(port() == before)\n"
        "assert os.waitpid(child, 0)[1] == 0, 'the child used the connection of its parent'\n"
        "assert port() == before\n"
    )
    with scripted(_tell_port) as server:
        command = [sys.executable, "-c", script, server.url]
        subprocess.run(command, check=True, timeout=60, cwd=Path(__file__).parents[2])


def test_proxies_of_the_environment_are_not_used_for_this_machine(
    url: str, monkeypatch: pytest.MonkeyPatch, session: Make
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert session(url).request("GET", "/echo").status == 200


def test_proxies_of_the_environment_are_used_for_others(monkeypatch: pytest.MonkeyPatch, session: Make) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with scripted(answers(answer(200, b"7"))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert session("http://service.invalid/base").request("GET", "/x").json() == 7
    assert proxy.requests[0].startswith(b"GET http://service.invalid/base/x HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"http_proxy": "http://a:1", "all_proxy": "http://b:2"}, "http://a:1"),
        ({"https_proxy": "http://a:1", "all_proxy": "http://b:2"}, "http://b:2"),
        ({"all_proxy": "b:2"}, "http://b:2"),
        ({"all_proxy": "socks5://b:2"}, None),
        ({"http_proxy": "http://a:1", "no_proxy": ".invalid"}, None),
        ({}, None),
    ],
)
def test_which_proxy_stands_before_a_host(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, str], found: str | None
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert proxy_before("http", "service.invalid") == found
    assert Address("http://service.invalid:5000").proxy() == found
    proxy = Connections(1.0).proxy_of(Target("http", "service.invalid", 5000))
    assert (proxy and f"{proxy.scheme}://{proxy.host}:{proxy.port}") == found
    assert proxy_before("http", "127.0.0.1") is None


def test_a_host_in_any_alphabet_is_sent_in_ascii(monkeypatch: pytest.MonkeyPatch, session: Make) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with scripted(answers(answer(200, b"7"))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert session("http://bücher.invalid/base").request("GET", "/x?a=%2F").json() == 7
    assert proxy.requests[0].startswith(b"GET http://xn--bcher-kva.invalid/base/x?a=%2F HTTP/1.1\r\n")


# What errors become.


def test_a_remote_failure_prints_like_a_traceback_across_the_hop(url: str, session: Make) -> None:
    with pytest.raises(BackendError, match="RuntimeError: it broke") as caught:
        session(url).request("GET", "/fail").raise_for_problem()
    assert isinstance(caught.value, ValueError)
    assert caught.value.extra["request_id"]
    cause = caught.value.__cause__
    assert isinstance(cause, RemoteTraceback)
    assert 'raise RuntimeError("it broke")\nRuntimeError: it broke' in str(cause)


def test_a_problem_becomes_the_exception_it_was(url: str, session: Make) -> None:
    with pytest.raises(InputError, match="age should be a number") as caught:
        session(url).request("GET", "/input").raise_for_problem()
    assert caught.value.extra["errors"] == [{"loc": ["age"]}]


def test_a_reply_without_error_passes(url: str, session: Make) -> None:
    reply = session(url).request("GET", "/echo")
    assert reply.raise_for_problem() is reply


@pytest.mark.parametrize("body", [b"<html>Bad   Gateway</html>", b"", b"\xff", b"[1]", b'{"message": "no"}', b"null"])
def test_an_error_that_is_no_problem_body_still_tells_something(body: bytes, session: Make) -> None:
    with scripted(answers(answer(500, body))) as server:
        reply = session(server).request("GET", "/x")
    with pytest.raises(BackendError, match=r"^GET http://127.0.0.1:\d+/x was answered 500 Internal Server Error"):
        reply.raise_for_problem()


def test_a_404_without_problem_body_is_an_unknown_name(session: Make) -> None:
    with (
        scripted(answers(answer(404, b"nope"))) as server,
        pytest.raises(UnknownNameError, match="404 Not Found: no"),
    ):
        session(server).request("GET", "/").raise_for_problem()


def test_an_answer_that_is_not_json_is_named(session: Make) -> None:
    with (
        scripted(answers(answer(200, b"<html>hello</html>"))) as server,
        pytest.raises(ChariotsError, match=r"something else than JSON: '<html>hello</html>'. Check that the URL"),
    ):
        session(server).request("GET", "/").json()


def test_a_redirect_is_not_followed_and_names_where_it_leads(session: Make) -> None:
    with scripted(answers(answer(308, b"", "Location: http://127.0.0.1:1/"))) as server:
        reply = session(server).request("GET", "/")
    assert reply.status == 308
    with pytest.raises(UnreachableError, match=r"308 Permanent Redirect, which leads to http://127\.0\.0\.1:1/"):
        reply.raise_for_problem()


# Servers that misbehave.


def test_a_server_that_is_not_there_is_named_with_what_to_do(session: Make) -> None:
    base = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UnreachableError) as caught:
        session(base).request("POST", "/pipelines/p/main", json=1)
    assert str(caught.value) == (
        f"POST {base}/pipelines/p/main was not answered: no connection (Connection refused), tried 3 times. "
        "Check that the service runs, and that its URL is right."
    )
    assert isinstance(caught.value, ConnectionError)


def test_a_host_that_does_not_exist_is_named(session: Make) -> None:
    with pytest.raises(UnreachableError, match="its host name is unknown"):
        session("http://service.invalid", retries=0).request("GET", "/")


def test_even_a_post_is_tried_again_until_the_server_is_there(session: Make) -> None:
    port = free_port()
    started = threading.Event()

    def serve() -> None:
        with socket.create_server(("127.0.0.1", port)) as listener:
            started.set()
            connection, _ = listener.accept()
            with connection:
                read_request(connection)
                connection.sendall(answer(200, b'"late"'))

    class StartsLate(RetryPolicy):
        def delays(self) -> Iterator[float]:
            threading.Thread(target=serve).start()
            assert started.wait(20)
            yield 0.0

    reply = session(f"http://127.0.0.1:{port}", retries=StartsLate()).request("POST", "/", json=1)
    assert reply.json() == "late"


def _break(connection: socket.socket, state: Scripted) -> None:
    """Reads the request, then resets the connection."""
    state.requests.append(read_request(connection))
    reset(connection)


def _break_in_the_body(connection: socket.socket, state: Scripted) -> None:
    state.requests.append(read_request(connection))
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbeginning")


def _break_in_a_chunk(connection: socket.socket, state: Scripted) -> None:
    state.requests.append(read_request(connection))
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nff\r\nbegin")


def _babble(connection: socket.socket, state: Scripted) -> None:
    state.requests.append(read_request(connection))
    connection.sendall(b"this is not HTTP\r\n\r\n")


BROKEN = [_break, _break_in_the_body, _break_in_a_chunk, _babble]


@pytest.mark.parametrize("step", BROKEN)
def test_a_post_is_not_repeated_once_it_was_sent(step: Any, session: Make) -> None:
    with scripted(step, answers(answer())) as server:
        with pytest.raises(UnreachableError, match=r"was not answered: the (connection broke|answer broke off)"):
            session(server).request("POST", "/", json=1)
        assert len(server.requests) == 1


@pytest.mark.parametrize("step", BROKEN)
@pytest.mark.parametrize(("method", "idempotent"), [("GET", None), ("PUT", None), ("POST", True)])
def test_what_is_idempotent_is_repeated(step: Any, method: str, idempotent: bool | None, session: Make) -> None:
    with scripted(step, step, answers(answer(200, b'"ok"'))) as server:
        reply = session(server).request(method, "/", body=b"same", idempotent=idempotent)
        assert reply.json() == "ok"
        assert [request[-4:] for request in server.requests] == [b"same"] * 3


def test_a_file_is_sent_again_from_its_beginning() -> None:
    with scripted(_break, answers(answer())) as server:
        threaded(server).request("PUT", "/", body=io.BytesIO(b"the file"))
    assert [request[-8:] for request in server.requests] == [b"the file"] * 2


def test_an_iterator_that_was_used_up_is_not_sent_again() -> None:
    with scripted(_break, answers(answer())) as server:
        with pytest.raises(UnreachableError):
            threaded(server).request("PUT", "/", body=iter([b"once"]))
        assert server.connections == 1


def test_an_exception_of_the_body_comes_out_as_it_is(url: str) -> None:
    def body() -> Iterator[bytes]:
        yield b"a"
        raise KeyError("mine")

    caller = threaded(url)
    with pytest.raises(KeyError, match="mine"):
        caller.request("PUT", "/bytes", body=body())
    assert caller.request("GET", "/echo").status == 200


@pytest.mark.parametrize("status", [408, 425, 429, 502, 503, 504])
def test_passing_statuses_are_tried_again_where_that_is_safe(status: int, session: Make) -> None:
    with scripted(answers(answer(status), answer(200))) as server, session(server) as caller:
        assert caller.request("GET", "/").status == 200
    with scripted(answers(answer(status), answer(200))) as server, session(server) as caller:
        assert caller.request("POST", "/").status == status
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 409, 419, 500, 501])
def test_other_statuses_are_not_tried_again(status: int, session: Make) -> None:
    with scripted(answers(answer(status), answer(200))) as server, session(server) as caller:
        assert caller.request("GET", "/").status == status


def test_after_the_last_attempt_the_status_is_handed_out(session: Make) -> None:
    with scripted(answers(*[answer(503, b"busy")] * 3)) as server:
        reply = session(server).request("GET", "/")
        assert (reply.status, reply.body, len(server.requests)) == (503, b"busy", 3)
    with pytest.raises(UnreachableError, match="503 Service Unavailable: busy"):
        reply.raise_for_problem()


def test_no_retries_means_one_attempt(session: Make) -> None:
    with scripted(answers(answer(503), answer(200))) as server, session(server, retries=0) as caller:
        assert caller.request("GET", "/").status == 503


def _arrivals(session: Make, seconds: str) -> tuple[int, float]:
    """The status of a call, and the time between its attempts, when a server asks to come back later."""
    moments: list[float] = []

    def step(connection: socket.socket, state: Scripted) -> None:
        for status in (503, 200):
            if read_request(connection):
                moments.append(time.monotonic())
                connection.sendall(answer(status, b"{}", f"Retry-After: {seconds}"))

    with scripted(step) as server, session(server) as caller:
        status = caller.request("GET", "/").status
    return status, moments[-1] - moments[0]


def test_retry_after_is_honoured_in_seconds_and_as_a_date(session: Make) -> None:
    status, pause = _arrivals(session, "0.3")
    assert status == 200 and pause >= 0.3
    status, pause = _arrivals(session, formatdate(time.time() + 2, usegmt=True))
    assert status == 200 and pause >= 0.5


@pytest.mark.parametrize("nonsense", ["soon", "-1", "nan", "Mon, 99 Foo 2000", "1e999", ""])
def test_a_retry_after_that_says_nothing_is_ignored(nonsense: str, session: Make) -> None:
    assert _arrivals(session, nonsense)[0] == 200


def test_a_wait_beyond_the_deadline_is_not_waited_for(session: Make) -> None:
    status, pause = _arrivals(session, "3600")
    assert (status, pause) == (503, 0.0)


# Time.


def _silent(connection: socket.socket, state: Scripted) -> None:
    state.requests.append(read_request(connection))
    connection.recv(1)


def _trickling(connection: socket.socket, state: Scripted) -> None:
    state.requests.append(read_request(connection))
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def _trickling_until_closed(connection: socket.socket, state: Scripted) -> None:
    state.requests.append(read_request(connection))
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


@pytest.mark.parametrize("step", [_silent, _trickling, _trickling_until_closed])
def test_a_slow_server_cannot_outlast_the_timeout(step: Any, session: Make) -> None:
    with scripted(step) as server:
        caller = session(server, timeout=0.3)
        with pytest.raises(UnreachableError, match=r"was not answered within 0.3 s\. Give the call more time"):
            caller.request("POST", "/", json=1)
        assert len(server.requests) == 1


def test_one_call_may_have_a_timeout_of_its_own(session: Make) -> None:
    with scripted(_silent) as server, pytest.raises(UnreachableError, match=r"within 0\.2 s"):
        session(server).request("GET", "/", timeout=0.2)


def test_retries_share_one_timeout(session: Make) -> None:
    with scripted(_silent) as server:
        with pytest.raises(UnreachableError):
            session(server, timeout=0.3, retries=RetryPolicy(attempts=50, base=0)).request("GET", "/")
        assert server.connections == 1


def test_a_deadline_bounds_calls_and_travels_with_them(url: str, session: Make) -> None:
    with deadline.scope(7.0):
        assert 0 < session(url, timeout=None).request("GET", "/left").json() <= 7
    assert 0 < session(url, timeout=5.0).request("GET", "/left").json() <= 5
    assert session(url, timeout=None).request("GET", "/left").json() is None
    with scripted(_silent) as server, deadline.scope(0.2), pytest.raises(UnreachableError, match="before its deadline"):
        session(server, timeout=None).request("GET", "/")


def test_nothing_is_sent_after_the_deadline(session: Make) -> None:
    with scripted(answers(answer())) as server:
        with deadline.scope(0.0), pytest.raises(UnreachableError, match="the deadline passed before it was sent"):
            session(server).request("GET", "/")
        assert server.connections == 0


# Streams.


def test_an_answer_is_streamed_in_pieces(url: str, session: Make) -> None:
    with session(url).stream("GET", "/big") as stream:
        assert stream.status == 200
        assert "X-Request-ID" in stream.headers
        pieces = list(stream.chunks)
    assert len(pieces) > 1
    assert b"".join(pieces) == b"".join(bytes([number]) * 100_000 for number in range(50))


def test_a_stream_may_be_left_early(url: str, session: Make) -> None:
    caller = session(url)
    for _ in range(3):
        with caller.stream("GET", "/big") as stream:
            next(stream.chunks)
    assert caller.request("GET", "/echo").status == 200


def test_a_stream_that_cannot_start_raises_the_problem(url: str, session: Make) -> None:
    with pytest.raises(InputError, match="age"), session(url).stream("GET", "/input"):
        pytest.fail("nothing to stream")


@pytest.mark.parametrize("step", [_break_in_the_body, _break_in_a_chunk])
def test_a_stream_that_breaks_off_says_so(step: Any, session: Make) -> None:
    with (
        scripted(step) as server,
        pytest.raises(UnreachableError, match=r"the answer broke off|the connection broke"),
        session(server).stream("GET", "/") as stream,
    ):
        list(stream.chunks)


def test_a_stream_is_tried_again_until_it_starts(session: Make) -> None:
    with scripted(_break, answers(answer(503)), answers(answer(200, b"data"))) as server:
        with session(server).stream("GET", "/") as stream:
            assert b"".join(stream.chunks) == b"data"
        assert server.connections == 3


def test_a_stream_may_take_longer_than_the_timeout_of_each_wait(session: Make) -> None:
    def steady(connection: socket.socket, state: Scripted) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n")
        for _ in range(22):
            connection.sendall(b"x")
            time.sleep(0.05)

    with scripted(steady) as server, session(server, timeout=1.0).stream("GET", "/") as stream:
        assert b"".join(stream.chunks) == b"x" * 22


def test_a_stream_that_stalls_ends_with_the_timeout(session: Make) -> None:
    def stalling(connection: socket.socket, state: Scripted) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nx")
        connection.recv(1)

    with (
        scripted(stalling) as server,
        pytest.raises(UnreachableError, match=r"within 0\.2 s"),
        session(server, timeout=0.2).stream("GET", "/") as stream,
    ):
        list(stream.chunks)


def test_the_body_of_a_refused_upload_need_not_be_read(url: str, session: Make) -> None:
    def refusing(connection: socket.socket, state: Scripted) -> None:
        connection.recv(1000)
        connection.sendall(answer(413, json.dumps({"title": "Body too large", "detail": "too much"}).encode()))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass

    with scripted(refusing) as server:
        assert session(server).request("POST", "/", body=b"x" * 5_000_000).status == 413
