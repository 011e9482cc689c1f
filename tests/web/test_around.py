"""What happens around every request: is it bounded, counted, written down, and refused where it has to be?"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient

from chariots.web import Access, deadline, health, install, json_response, needs, surrounding
from chariots.web.access import SERVING_SCOPES
from chariots.web.access_log import LOGGER
from tests.wsgi_server import wsgi_server

PREDICT, OPERATE = "predict-token-1234567", "operate-token-1234567"


class Closing(FlaskClient):
    """A client that takes all of an answer, and closes it, as servers do."""

    def open(self, *args: Any, buffered: bool = True, **kwargs: Any) -> Any:
        return super().open(*args, buffered=buffered, **kwargs)


def service(name: str = "service", access: Access | None = None, **settings: Any) -> flask.Flask:
    app = flask.Flask(name)
    app.test_client_class = Closing
    app.config.update({f"CHARIOTS_{key.upper()}": value for key, value in settings.items()})
    install(app, title=name, scopes=SERVING_SCOPES, access=access, pipelines={"iris"})

    @app.post("/pipelines/<name>/main")
    @needs("predict")
    def call(name: str) -> flask.Response:
        return json_response({"name": name, "left": deadline.remaining()})

    @app.get("/fail")
    def fail() -> flask.Response:
        raise RuntimeError("broken")

    @app.get("/stream")
    def stream() -> flask.Response:
        return flask.Response(iter([b"a", b"b"]))

    return app


class Held:
    """A connection that waited before anybody had time for its request, as the loop of a worker notes it."""

    def __init__(self, seconds: float) -> None:
        self.since = time.monotonic() - seconds


def measured(app: flask.Flask, start: str) -> list[str]:
    text = app.test_client().get("/metrics").get_data(as_text=True)
    return [line for line in text.splitlines() if line.startswith(start)]


# -- metrics --------------------------------------------------------------------------------------------------------


def test_requests_are_counted_by_route_pipeline_and_status() -> None:
    app = service("counted")
    client = app.test_client()
    client.post("/pipelines/iris/main")
    client.post("/pipelines/iris/main")
    client.get("/nothing/here")
    where = 'method="POST",pipeline="iris",route="/pipelines/<name>/main",service="counted",status="200"'
    assert measured(app, f"chariots_requests_total{{{where}}}") == [f"chariots_requests_total{{{where}}} 2.0"]
    unknown = 'method="GET",pipeline="",route="unknown",service="counted",status="404"'
    assert measured(app, f"chariots_requests_total{{{unknown}}}") == [f"chariots_requests_total{{{unknown}}} 1.0"]
    seconds = 'chariots_request_seconds_count{pipeline="iris",route="/pipelines/<name>/main",service="counted"}'
    assert measured(app, seconds) == [f"{seconds} 2.0"]


def test_names_that_strangers_make_up_do_not_become_series() -> None:
    app = service("strangers")
    for number in range(50):
        app.test_client().post(f"/pipelines/made-up-{number}/main")
        app.test_client().open("/livez", method=f"METHOD{number}")
    lines = [line for line in measured(app, "chariots_requests_total") if 'service="strangers"' in line]
    assert len(lines) == 2
    assert not any("made-up" in line or "METHOD1" in line for line in lines)


def test_a_request_is_in_progress_until_its_answer_was_sent() -> None:
    app = service("streaming")
    gauge = 'chariots_requests_in_progress{service="streaming"}'
    answer = app.test_client().get("/stream", buffered=False)
    chunks = answer.iter_encoded()
    next(chunks)
    assert measured(app, gauge) == [f"{gauge} 2.0"]  # the one that asks, and this
    answer.close()
    assert measured(app, gauge) == [f"{gauge} 1.0"]


def test_a_failure_is_counted_as_one_and_ends() -> None:
    app = service("failing")
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(RuntimeError):
        app.test_client().get("/fail")
    assert [line for line in measured(app, "chariots_requests_total") if 'status="500"' in line and "failing" in line]
    gauge = 'chariots_requests_in_progress{service="failing"}'
    assert measured(app, gauge) == [f"{gauge} 1.0"]


def test_metrics_can_be_switched_off() -> None:
    app = service("off", metrics=False)
    assert app.test_client().get("/metrics").status_code == 404
    assert surrounding(app).metrics is None


# -- deadlines ------------------------------------------------------------------------------------------------------


def test_a_request_whose_deadline_passed_while_it_waited_is_refused() -> None:
    answer = (
        service()
        .test_client()
        .post(
            "/pipelines/iris/main", headers={"X-Request-Deadline": "2"}, environ_overrides={"gunicorn.socket": Held(3)}
        )
    )
    assert answer.status_code == 504
    assert answer.get_json()["type"] == "urn:chariots:deadline-passed"
    assert answer.get_json()["request_id"] == answer.headers["X-Request-ID"]


def test_the_time_that_a_request_waited_is_taken_from_its_deadline() -> None:
    answer = (
        service()
        .test_client()
        .post(
            "/pipelines/iris/main",
            headers={"X-Request-Deadline": "100"},
            environ_overrides={"gunicorn.socket": Held(40)},
        )
    )
    assert 0 < answer.get_json()["left"] <= 60


@pytest.mark.parametrize(("asked", "most"), [(None, 50), ("10", 10), ("1000", 50)])
def test_the_server_bounds_every_request(asked: str | None, most: float) -> None:
    headers = {} if asked is None else {"X-Request-Deadline": asked}
    answer = service(request_timeout=50).test_client().post("/pipelines/iris/main", headers=headers)
    assert most - 10 < answer.get_json()["left"] <= most


# -- rates ----------------------------------------------------------------------------------------------------------


def test_who_asks_for_too_much_is_told_when_to_ask_again() -> None:
    client = service(rate_limit="2/hour").test_client()
    assert [client.post("/pipelines/iris/main").status_code for _ in range(3)] == [200, 200, 429]
    refused = client.post("/pipelines/iris/main")
    assert refused.get_json()["type"] == "urn:chariots:too-many-requests"
    assert 1700 < int(refused.headers["Retry-After"]) <= 1800
    assert client.get("/livez").status_code == 200


def test_tokens_have_a_rate_each_and_strangers_that_of_their_address() -> None:
    app = service(rate_limit="1/hour", tokens={"predict": [PREDICT], "operate": [OPERATE]})

    def ask(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return app.test_client().post("/pipelines/iris/main", headers=headers).status_code

    assert [ask(PREDICT), ask(OPERATE), ask(PREDICT)] == [200, 200, 429]
    assert [ask(f"made-up-token-{number:07}") for number in range(3)] == [401, 429, 429]


# -- tokens, hosts and origins --------------------------------------------------------------------------------------


def test_tokens_come_from_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "tokens").write_text(f"# ours\n\noperate:{OPERATE}\n")
    monkeypatch.setenv("CHARIOTS_SERVING_TOKENS", f"predict:{PREDICT}")
    client = service(tokens_file=str(tmp_path / "tokens")).test_client()
    assert client.post("/pipelines/iris/main").status_code == 401
    for token in (PREDICT, OPERATE):
        answer = client.post("/pipelines/iris/main", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
    assert client.get("/livez").status_code == 200


def test_without_settings_everybody_may_ask() -> None:
    app = service()
    assert app.test_client().post("/pipelines/iris/main", headers={"Host": "any.example"}).status_code == 200


def test_allowed_hosts_keep_other_names_out() -> None:
    client = service(allowed_hosts=["models.example"]).test_client()
    codes = [
        client.post("/pipelines/iris/main", headers={"Host": host}).status_code
        for host in ("models.example", "127.0.0.1:5000", "evil.example")
    ]
    assert codes == [200, 200, 403]


def test_a_page_of_an_allowed_origin_may_ask_and_read() -> None:
    client = service(allowed_origins=["https://shop.example"], allowed_hosts=[]).test_client()
    headers = {"Origin": "https://shop.example"}
    preflight = client.options("/pipelines/iris/main", headers={**headers, "Access-Control-Request-Method": "POST"})
    assert (preflight.status_code, preflight.data) == (204, b"")
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    answer = client.post("/pipelines/iris/main", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert answer.headers["Vary"] == "Origin"


def test_a_page_of_another_origin_may_not() -> None:
    client = service(allowed_origins=["https://shop.example"], allowed_hosts=[]).test_client()
    headers = {"Origin": "https://evil.example"}
    preflight = client.options("/pipelines/iris/main", headers={**headers, "Access-Control-Request-Method": "POST"})
    assert "Access-Control-Allow-Origin" not in preflight.headers
    answer = client.post("/pipelines/iris/main", headers=headers)
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_whoever_answers_beneath_flask_can_ask_who_is_let_in() -> None:
    around = surrounding(service(tokens={"predict": PREDICT}))
    call = {"REQUEST_METHOD": "POST", "PATH_INFO": "/pipelines/iris/main", "HTTP_HOST": "any.example"}
    assert around.admits_a_call(call) is False
    assert around.admits_a_call({**call, "HTTP_AUTHORIZATION": f"Bearer {PREDICT}"}) is True
    assert surrounding(service()).admits_a_call(call) is True


# -- the access log -------------------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Iterator[list[str]]:
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    keep, logger = Keep(), logging.getLogger(LOGGER)
    logger.addHandler(keep)
    yield found
    logger.removeHandler(keep)


def test_a_line_of_json_tells_what_is_known_of_a_request(lines: list[str]) -> None:
    client = service(access_log="json").test_client()
    client.post("/pipelines/iris/main?secret=1", headers={"X-Request-ID": "mine"})
    (line,) = lines
    told = json.loads(line)
    assert told["request_id"] == "mine"
    assert (told["method"], told["path"], told["status"]) == ("POST", "/pipelines/iris/main", 200)
    assert (told["pipeline"], told["client"]) == ("iris", "127.0.0.1")
    assert told["duration_ms"] > 0
    assert "secret" not in line


def test_refusals_are_written_down_with_the_id_that_the_client_sees(lines: list[str]) -> None:
    client = service(access_log="json", rate_limit="1/hour").test_client()
    answers = [client.post("/pipelines/iris/main") for _ in range(2)]
    assert [json.loads(line)["status"] for line in lines] == [200, 429]
    assert [json.loads(line)["request_id"] for line in lines] == [each.headers["X-Request-ID"] for each in answers]


def test_no_path_can_pretend_to_be_another_line(lines: list[str]) -> None:
    client = service(access_log="text").test_client()
    client.get('/"%0a2030-01-01 127.0.0.1 "GET /admin" 200')
    (line,) = lines
    assert "\n" not in line
    assert '\\"' in line
    assert " 404 " in line


# -- leaving, and wrong settings ------------------------------------------------------------------------------------


def test_a_process_that_is_about_to_leave_is_not_ready() -> None:
    client = service().test_client()
    assert client.get("/readyz").status_code == 200
    health.leaving.set()
    try:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "told to stop" in answer.get_json()["detail"]
        assert client.get("/livez").status_code == 200
        assert client.post("/pipelines/iris/main").status_code == 200
    finally:
        health.leaving.clear()


def test_a_variable_that_is_not_known_is_told_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARIOTS_SERVING_RATE_LIMITS", "1/second")
    with pytest.raises(ValueError, match=r"CHARIOTS_SERVING_RATE_LIMITS is not known\. Did you mean 'rate_limit'"):
        surrounding(service()).prepare()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate_limit", "fast"),
        ("rate_limit", "0/second"),
        ("request_timeout", "-1"),
        ("request_timeout", "nan"),
        ("access_log", "xml"),
        ("allowed_origins", "shop.example"),
        ("tokens_file", "nowhere"),
        ("metrics", "maybe"),
        ("max_body", "lots"),
    ],
)
def test_a_wrong_value_is_told_with_where_it_stands(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = f"CHARIOTS_SERVING_{name.upper()}"
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"the environment variable {variable} holds '{value}"):
        surrounding(service()).prepare()


def test_what_code_says_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARIOTS_SERVING_REQUEST_TIMEOUT", "5")
    answer = service(request_timeout=50).test_client().post("/pipelines/iris/main")
    assert answer.get_json()["left"] > 5


def test_a_limit_on_bodies_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARIOTS_SERVING_MAX_BODY", "1k")
    app = service()

    @app.post("/size")
    @needs("predict")
    def size() -> flask.Response:
        return json_response(len(flask.request.get_data()))

    with wsgi_server(app) as url:
        from chariots.web import Session

        session = Session(url)
        assert session.request("POST", "/size", body=b"x" * 1000).json() == 1000
        assert session.request("POST", "/size", body=b"x" * 1001).status == 413
