"""What does every chariots service do around its own routes?"""

from __future__ import annotations

import http.client
import io
import json
import logging
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import flask
import pytest

from chariots import errors
from chariots.web import accept_any_size, install, json_response, openapi_document, read_body, read_json
from tests.wsgi_server import wsgi_server


class ClumsyError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def make_app(**options: Any) -> flask.Flask:
    app = flask.Flask("Service")
    install(app, title="Tests", max_body=1000, **options)

    @app.post("/echo")
    def echo() -> flask.Response:
        return json_response({"got": read_json()})

    @app.post("/size")
    def size() -> flask.Response:
        accept_any_size()
        return json_response(sum(map(len, iter(lambda: flask.request.stream.read(100), b""))))

    @app.get("/raise/<name>")
    def fail(name: str) -> flask.Response:
        if name == "abort":
            flask.abort(418)
        if name == "plain":
            flask.abort(flask.Response("as is", 402))
        if name == "clumsy":
            raise ClumsyError
        if name == "surrogate":
            raise ValueError("\ud800")
        if name == "members":
            raise errors.ConflictError("taken", by=object())
        if name == "caused":
            try:
                raise KeyError("inner")
            except KeyError as error:
                raise errors.StoreError("The disk is full. Free some of it.") from error
        if name == "note":
            error = RuntimeError("outer")
            error.add_note("in node 'a'")
            raise error
        raise getattr(errors, name)(f"a sentence about {name}", hint="more")

    return app


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    app = make_app()
    app.logger.disabled = True
    with wsgi_server(app) as base:
        yield base


def call(
    base: str, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any, Any]:
    """One request over a connection of its own; the status, headers and decoded body of the answer."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        data = response.read()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, response.headers, json.loads(data) if is_json and data else data
    finally:
        connection.close()


def raw(base: str, request: bytes) -> bytes:
    """What a server answers to a request that was written by hand, until it closes the connection."""
    parts = urlsplit(base)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def assert_problem(answered: tuple[int, Any, Any], status: int, slug: str) -> Any:
    code, headers, problem = answered
    assert code == status
    assert headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"] == slug
    assert problem["request_id"] == headers["X-Request-ID"]
    assert {"title", "detail"} <= problem.keys()
    return problem


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "", "application/x-www-form-urlencoded"])
def test_json_is_read_whatever_the_content_type(url: str, content_type: str) -> None:
    status, headers, body = call(url, "POST", "/echo", b'{"a": [1, null]}', {"Content-Type": content_type})
    assert (status, body) == (200, {"got": {"a": [1, None]}})
    assert headers["Content-Type"] == "application/json"


def test_an_empty_body_is_none(url: str) -> None:
    assert call(url, "POST", "/echo")[2] == {"got": None}


def test_json_is_read_from_a_chunked_body(url: str) -> None:
    assert call(url, "POST", "/echo", iter([b'{"a"', b": 1}"]))[2] == {"got": {"a": 1}}


@pytest.mark.parametrize("body", [b"a=1", b"{", b"\xff", b"\xef\xbb\xbf1", b"NaN", b"[" * 900, b'"\\ud800"'])
def test_a_body_that_is_not_json_is_400(url: str, body: bytes) -> None:
    problem = assert_problem(call(url, "POST", "/echo", body), 400, "urn:chariots:malformed-request")
    assert "Send JSON in UTF-8" in problem["detail"]


def test_an_unknown_route_is_404_with_the_nearest_one(url: str) -> None:
    problem = assert_problem(call(url, "POST", "/ecko", b""), 404, "urn:chariots:unknown-route")
    assert "POST '/ecko' is no route of this service. Did you mean '/echo'?" in problem["detail"]


@pytest.mark.parametrize("path", ["/%00", "/%ff%fe", "/..%2f..%2fetc", "/" + "a" * 5000, "/%F0%9F%98%80", "/{}"])
def test_a_hostile_path_is_404(url: str, path: str) -> None:
    assert_problem(call(url, "GET", path), 404, "urn:chariots:unknown-route")


def test_a_wrong_method_is_405_and_names_the_right_ones(url: str) -> None:
    answered = call(url, "DELETE", "/echo")
    problem = assert_problem(answered, 405, "urn:chariots:method-not-allowed")
    assert set(answered[1]["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert problem["detail"] == "DELETE is not possible on '/echo'. Use OPTIONS, POST."


def test_a_large_body_is_413_before_it_is_read(url: str) -> None:
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1001\r\n\r\n"
    head, _, body = raw(url, request).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    problem = json.loads(body)
    assert problem["type"] == "urn:chariots:body-too-large"
    assert problem["limit"] == 1000
    assert "(1,000 bytes). Send less at once" in problem["detail"]


def test_a_chunked_body_is_413_once_it_has_grown_too_large(url: str) -> None:
    for body in ([b"1" * 400] * 3, [b"1" * 1001], [b"1" * 1000, b"0"]):
        assert_problem(call(url, "POST", "/echo", iter(body)), 413, "urn:chariots:body-too-large")


def test_a_chunked_body_of_just_the_size_that_is_allowed_is_read(url: str) -> None:
    assert call(url, "POST", "/echo", iter([b'"%b"' % (b"x" * 998)]))[2] == {"got": "x" * 998}


def test_a_view_may_accept_any_size(url: str) -> None:
    assert call(url, "POST", "/size", b"x" * 5000)[2] == 5000
    assert call(url, "POST", "/size", iter([b"x" * 4000] * 3))[2] == 12000


@pytest.mark.parametrize("value", ["nonsense", "-5"])
def test_a_content_length_that_is_none_breaks_nothing(url: str, value: str) -> None:
    head = f"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {value}\r\n\r\n"
    assert re.match(rb"HTTP/1\.1 [24]\d\d ", raw(url, head.encode()))


@pytest.mark.parametrize("host", ["", "a b", "\xff", "[", "x:y", "a" * 3000])
def test_a_hostile_host_header_breaks_nothing(url: str, host: str) -> None:
    request = f"GET /livez HTTP/1.1\r\nConnection: close\r\nHost: {host}\r\n\r\n".encode("latin-1")
    assert re.match(rb"HTTP/1\.1 [24]\d\d ", raw(url, request))


def test_a_sane_request_id_comes_back(url: str) -> None:
    assert call(url, "GET", "/livez", headers={"X-Request-ID": "run-1.a:b"})[1]["X-Request-ID"] == "run-1.a:b"
    assert call(url, "GET", "/none", headers={"X-Request-ID": "run-2"})[2]["request_id"] == "run-2"


@pytest.mark.parametrize("hostile", ["", " ", "a b", "<script>", "a" * 129, "\xe9", "a\tb", "%0d%0a", "a,b", "\x7f"])
def test_a_hostile_request_id_is_replaced(url: str, hostile: str) -> None:
    returned = call(url, "GET", "/livez", headers={"X-Request-ID": hostile})[1]["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", returned)


def test_two_request_ids_are_none(url: str) -> None:
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-ID: a\r\nX-Request-ID: b\r\n\r\n"
    assert re.search(rb"X-Request-ID: [0-9a-f]{32}\r\n", raw(url, request))


def test_every_answer_has_another_request_id(url: str) -> None:
    assert len({call(url, "GET", "/livez")[1]["X-Request-ID"] for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("name", "status", "slug"),
    [
        ("VersionError", 419, "version-incompatibility"),
        ("NotLoadedError", 419, "not-loaded"),
        ("UnknownNameError", 404, "unknown-name"),
        ("InputError", 422, "invalid-input"),
        ("MalformedRequestError", 400, "malformed-request"),
        ("ConflictError", 409, "conflict"),
        ("NoWorkerPoolError", 409, "no-worker-pool"),
        ("BodyTooLargeError", 413, "body-too-large"),
        ("BackendError", 500, "op-failed"),
        ("StoreError", 500, "store-failed"),
        ("UnreachableError", 503, "unreachable"),
        ("ChariotsError", 500, "internal-error"),
    ],
)
def test_a_view_may_raise_any_of_our_errors(url: str, name: str, status: int, slug: str) -> None:
    problem = assert_problem(call(url, "GET", f"/raise/{name}"), status, f"urn:chariots:{slug}")
    assert problem["detail"] == f"a sentence about {name}"
    assert problem["hint"] == "more"
    assert "remote_stack" not in problem


def test_an_unexpected_exception_is_500_with_the_stack_of_user_code(url: str) -> None:
    problem = assert_problem(call(url, "GET", "/raise/note"), 500, "urn:chariots:internal-error")
    assert problem["detail"] == "RuntimeError: outer"
    stack = problem["remote_stack"]
    assert (stack["class"], stack["message"], stack["notes"]) == ("RuntimeError", "outer", ["in node 'a'"])
    assert [(frame["file"], frame["function"], frame["code"]) for frame in stack["frames"]] == [
        (__file__, "fail", "raise error")
    ]


def test_our_own_errors_carry_the_stack_of_their_cause(url: str) -> None:
    problem = assert_problem(call(url, "GET", "/raise/caused"), 500, "urn:chariots:store-failed")
    assert problem["detail"] == "The disk is full. Free some of it."
    assert problem["remote_stack"]["class"] == "KeyError"


@pytest.mark.parametrize("name", ["clumsy", "surrogate"])
def test_an_exception_that_cannot_be_printed_is_answered(url: str, name: str) -> None:
    assert_problem(call(url, "GET", f"/raise/{name}"), 500, "urn:chariots:internal-error")


def test_members_without_a_form_in_json_become_text(url: str) -> None:
    problem = assert_problem(call(url, "GET", "/raise/members"), 409, "urn:chariots:conflict")
    assert problem["by"].startswith("<object object")


def test_aborts_are_problems_too(url: str) -> None:
    problem = assert_problem(call(url, "GET", "/raise/abort"), 418, "about:blank")
    assert problem["title"] == "I'm a teapot"


def test_an_abort_with_a_response_stays_as_it_is(url: str) -> None:
    status, headers, body = call(url, "GET", "/raise/plain")
    assert (status, body) == (402, b"as is")
    assert headers["X-Request-ID"]


def test_head_and_options_have_no_problem(url: str) -> None:
    assert call(url, "HEAD", "/livez")[0] == 200
    assert call(url, "HEAD", "/none")[0] == 404
    assert call(url, "OPTIONS", "/echo")[0] == 200


def test_an_unexpected_exception_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    monkeypatch.setattr(app.logger, "disabled", False)
    with caplog.at_level(logging.ERROR, app.logger.name):
        app.test_client().get("/raise/note")
        app.test_client().get("/raise/caused")
        app.test_client().get("/raise/InputError")
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["Exception on /raise/note [GET]", "Exception on /raise/caused [GET]"]
    assert all(record.exc_info for record in caplog.records)
    assert "raise error" in caplog.text


def test_listeners_of_flask_hear_of_unexpected_exceptions() -> None:
    app = make_app()
    app.logger.disabled = True
    heard: list[Any] = []

    def listen(sender: Any, exception: Exception, **more: Any) -> None:
        heard.append((sender, type(exception)))

    with flask.got_request_exception.connected_to(listen, app):
        app.test_client().get("/raise/note")
    assert heard == [(app, RuntimeError)]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (Exception, "/raise/note"),
        (RuntimeError, "/raise/note"),
        (500, "/raise/note"),
        (500, "/raise/StoreError"),
        (404, "/none"),
        (errors.InputError, "/raise/InputError"),
        (ValueError, "/raise/InputError"),
        (flask.wrappers.HTTPException, "/none"),  # type: ignore[attr-defined]  # it is there
    ],
)
@pytest.mark.parametrize("installed", ["before", "after"])
def test_error_handlers_of_the_application_win(kind: Any, path: str, installed: str) -> None:
    app = make_app() if installed == "before" else flask.Flask("Service")
    app.logger.disabled = True
    app.register_error_handler(kind, lambda error: ("mine", 299))
    if installed == "after":
        made = make_app()
        app.add_url_rule("/raise/<name>", view_func=made.view_functions["fail"])
        install(app, title="Tests")
    response = app.test_client().get(path)
    assert (response.status_code, response.text) == (299, "mine")
    assert response.headers["X-Request-ID"]


def test_exceptions_propagate_where_the_application_asks_for_it() -> None:
    app = make_app()
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(RuntimeError, match="outer"):
        app.test_client().get("/raise/note")


def test_a_limit_in_the_configuration_comes_first() -> None:
    app = flask.Flask("Service")
    app.config["MAX_CONTENT_LENGTH"] = 5
    install(app, title="Tests", max_body=1000)
    app.add_url_rule("/echo", view_func=lambda: json_response(read_json()), methods=["POST"])
    assert app.test_client().post("/echo", data=b"123456").status_code == 413


class InPieces(io.BytesIO):
    """A stream that gives less than it is asked for, as WSGI lets it."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 50_000))


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("stream", [io.BytesIO, InPieces])
def test_a_large_body_is_read_as_a_whole_and_can_be_read_again_where_it_is_kept(stream: Any, keep: bool) -> None:
    app, sent, found = make_app(), bytes(range(256)) * 1000, []
    app.config["MAX_CONTENT_LENGTH"] = len(sent)

    def twice() -> flask.Response:
        found.extend([read_body(keep=keep), flask.request.get_data()])
        return json_response(None)

    app.add_url_rule("/body", view_func=twice, methods=["POST"])
    app.test_client().post("/body", input_stream=stream(sent), content_length=len(sent))
    assert found[0] == sent
    assert found[1] == (sent if keep else b"")


def test_a_large_body_that_breaks_off_is_refused() -> None:
    app = make_app()
    app.config["MAX_CONTENT_LENGTH"] = 200_000
    app.add_url_rule("/body", view_func=lambda: json_response(len(read_body())), methods=["POST"])
    promised = {"CONTENT_LENGTH": "200000"}
    answer = app.test_client().post("/body", input_stream=io.BytesIO(b"x" * 100_000), environ_overrides=promised)
    assert answer.status_code == 400


def test_a_service_is_installed_once() -> None:
    app = make_app()
    with pytest.raises(ValueError, match=r"<Flask 'Service'> already has .*; install it once"):
        install(app, title="Again")


def test_the_health_routes_answer(url: str) -> None:
    assert call(url, "GET", "/livez")[2] == {"status": "alive"}
    assert call(url, "GET", "/readyz")[2] == {"status": "ready"}


def test_a_service_that_is_not_ready_says_what_is_in_the_way() -> None:
    missing: dict[str, Any] = {"detail": "The pipeline 'p' is not loaded. Load it.", "pipelines": ["p"]}
    client = make_app(ready=lambda: missing).test_client()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json is not None
    assert response.json["type"] == "urn:chariots:not-ready"
    assert response.json["detail"] == "The pipeline 'p' is not loaded. Load it."
    assert response.json["pipelines"] == ["p"]
    missing.clear()
    assert client.get("/readyz").status_code == 200


def test_the_openapi_document_is_served(url: str) -> None:
    document = call(url, "GET", "/openapi.json")[2]
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] == "Tests"
    assert set(document["paths"]) == {"/livez", "/readyz"}


def test_a_service_adds_its_routes_to_the_document() -> None:
    def own() -> dict[str, Any]:
        return openapi_document("Mine", {"/echo": {"post": {}}}, {"Thing": {"type": "object"}})

    document = make_app(openapi=own).test_client().get("/openapi.json").json
    assert document is not None
    assert set(document["paths"]) == {"/echo", "/livez", "/readyz"}
    assert set(document["components"]["schemas"]) == {"Thing", "Problem"}


def test_an_answer_without_a_form_in_json_names_the_place() -> None:
    app = make_app()
    app.logger.disabled = True
    app.add_url_rule("/bad", view_func=lambda: json_response({"pipeline_output": [object()]}))
    problem = app.test_client().get("/bad").json
    assert problem is not None
    assert problem["detail"].startswith("TypeError: pipeline_output[0] cannot be written as JSON: there is no form for")


def test_a_server_that_cannot_read_chunks_says_so() -> None:
    app = make_app()
    response = app.test_client().post("/echo", headers={"Transfer-Encoding": "chunked"})
    assert response.status_code == 411
    assert response.json is not None
    assert "Send the request with a Content-Length" in response.json["detail"]
