"""Are calls and requests told to OpenTelemetry where that is wanted, in one trace, and at no cost where it is not?"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import flask
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from chariots.errors import MissingExtraError, UnreachableError
from chariots.web import AsyncSession, RetryPolicy, Session, exporting, surrounding, tracing
from tests.collecting_spans import Recorded, is_below, recorded
from tests.web.test_around import Held, service
from tests.wsgi_server import wsgi_server

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def spans() -> Iterator[Recorded]:
    with recorded() as found:
        yield found


def traced(name: str = "traced", **settings: Any) -> flask.Flask:
    return service(name, tracing="on", **settings)


# -- the span of a request ------------------------------------------------------------------------------------------


def test_a_request_has_a_span_with_what_the_conventions_ask_for(spans: Recorded) -> None:
    asked = {"X-Request-ID": "mine", "User-Agent": "somebody"}
    traced().test_client().post("/pipelines/iris/main", headers=asked)
    (span,) = spans.all()
    assert (span.name, span.kind) == ("POST /pipelines/<name>/main", SpanKind.SERVER)
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/pipelines/<name>/main",
        "http.response.status_code": 200,
        "url.path": "/pipelines/iris/main",
        "url.scheme": "http",
        "server.address": "localhost",
        "server.port": 80,
        "client.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "user_agent.original": "somebody",
        "chariots.pipeline": "iris",
        "chariots.request_id": "mine",
    }
    assert span.status.status_code is StatusCode.UNSET
    assert span.parent is None


def test_a_request_goes_on_with_the_trace_of_its_caller(spans: Recorded) -> None:
    traced().test_client().post("/pipelines/iris/main", headers={"traceparent": PARENT})
    (span,) = spans.all()
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)


def test_a_header_that_says_nothing_begins_a_trace(spans: Recorded) -> None:
    traced().test_client().post("/pipelines/iris/main", headers={"traceparent": "00-no-trace"})
    assert spans.all()[0].parent is None


def test_a_caller_that_is_not_sampled_is_not_recorded(spans: Recorded) -> None:
    traced().test_client().post("/pipelines/iris/main", headers={"traceparent": f"{PARENT[:-2]}00"})
    assert spans.all() == []


def test_a_failure_is_recorded_with_its_stack(spans: Recorded) -> None:
    assert traced().test_client().get("/fail").status_code == 500
    (span,) = spans.all()
    (event,) = span.events
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "builtins.RuntimeError"
    assert (event.name, (event.attributes or {})["exception.message"]) == ("exception", "broken")
    assert "in fail" in str((event.attributes or {})["exception.stacktrace"])


def test_what_the_client_did_wrong_is_no_failure_of_the_server(spans: Recorded) -> None:
    assert traced().test_client().get("/nothing/here").status_code == 404
    (span,) = spans.all()
    assert (span.name, span.status.status_code) == ("GET", StatusCode.UNSET)
    assert "http.route" not in (span.attributes or {})


def test_a_request_that_has_waited_too_long_is_a_failure(spans: Recorded) -> None:
    asked = {"X-Request-Deadline": "0.5"}
    held = {"gunicorn.socket": Held(2.0)}
    answer = traced().test_client().post("/pipelines/iris/main", headers=asked, environ_overrides=held)
    (span,) = spans.all()
    assert (answer.status_code, span.status.status_code) == (504, StatusCode.ERROR)
    assert (span.attributes or {})["error.type"] == "chariots.errors.DeadlinePassedError"


def test_an_unusual_method_does_not_name_a_span(spans: Recorded) -> None:
    traced().test_client().open("/pipelines/iris/main", method="BREW")
    (span,) = spans.all()
    attributes = span.attributes or {}
    assert span.name == "HTTP"
    assert (attributes["http.request.method"], attributes["http.request.method_original"]) == ("_OTHER", "BREW")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_those_who_look_after_a_server_leave_no_spans(spans: Recorded, path: str) -> None:
    assert traced().test_client().get(path).status_code == 200
    assert spans.all() == []


def test_within_a_view_the_span_is_the_current_one_and_afterwards_no_more(spans: Recorded) -> None:
    app, seen = traced(), []

    @app.get("/own")
    def own() -> str:
        with trace.get_tracer("mine", tracer_provider=TracerProvider()).start_as_current_span("mine") as span:
            seen.append(span)
        return "done"

    app.test_client().get("/own")
    assert seen[0].parent.span_id == spans.one("GET /own").context.span_id
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_span_lasts_until_all_of_the_answer_was_sent(spans: Recorded) -> None:
    answer = traced().test_client().get("/stream", buffered=False)
    assert spans.all() == []
    answer.get_data()
    answer.close()
    assert [span.name for span in spans.all()] == ["GET /stream"]


# -- the span of a call ---------------------------------------------------------------------------------------------


def test_a_call_and_the_request_that_it_makes_are_one_trace(spans: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tracing.VARIABLE, "on")
    with wsgi_server(traced()) as url, Session(url) as session:
        session.request("POST", "/pipelines/iris/main")
        call, request = spans.one("POST"), spans.one("POST /pipelines/<name>/main")
    attributes = dict(call.attributes or {})
    assert call.kind is SpanKind.CLIENT
    assert is_below(request, call)
    assert attributes.pop("server.port") == int(url.rpartition(":")[2])
    assert attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "url.full": f"{url}/pipelines/iris/main",
    }


def test_calls_of_an_event_loop_have_a_trace_each_however_many_are_under_way(
    spans: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(tracing.VARIABLE, "on")

    async def work(url: str) -> None:
        async with AsyncSession(url) as session:
            await asyncio.gather(*(session.request("POST", "/pipelines/iris/main") for _ in range(3)))

    with wsgi_server(traced()) as url:
        asyncio.run(work(url))
        calls = [span for span in spans.all() if span.kind is SpanKind.CLIENT]
        assert len(calls) == len({span.get_span_context().trace_id for span in calls}) == 3
        assert all((span.attributes or {})["http.response.status_code"] == 200 for span in calls)
        requests = [span for span in spans.all() if span.kind is SpanKind.SERVER]
    assert all(any(is_below(request, call) for call in calls) for request in requests)


def test_a_call_within_a_request_belongs_to_it(spans: Recorded) -> None:
    inner, outer = traced("inner"), traced("outer")
    with wsgi_server(inner) as url, Session(url) as session:

        @outer.get("/ask")
        def ask() -> str:
            return str(session.request("POST", "/pipelines/iris/main").status)

        outer.test_client().get("/ask")
        first, second = spans.one("GET /ask"), spans.one("POST")
        third = spans.one("POST /pipelines/<name>/main")
    assert is_below(second, first)
    assert is_below(third, second)


def test_a_call_that_nobody_answers_is_a_failure_and_one_span(spans: Recorded) -> None:
    tracing.start()
    policy = RetryPolicy(attempts=3, base=0.001, maximum=0.001)
    with Session("http://127.0.0.1:9", retries=policy) as session, pytest.raises(UnreachableError):
        session.request("GET", "/livez")
    (span,) = spans.all()
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]


def test_a_refused_call_is_a_failure_of_the_caller(spans: Recorded) -> None:
    with wsgi_server(traced()) as url, Session(url) as session:
        session.request("GET", "/livez")
        session.request("GET", "/nothing/here")
        refused = [span for span in spans.all() if span.kind is SpanKind.CLIENT][-1]
    assert (refused.status.status_code, (refused.attributes or {})["error.type"]) == (StatusCode.ERROR, "404")


def test_what_is_asked_quietly_leaves_no_span_on_either_side(spans: Recorded) -> None:
    with wsgi_server(traced()) as url, Session(url) as session:
        session.request("GET", "/livez")
        before = len(spans.all())
        with tracing.quietly():
            session.request("POST", "/pipelines/iris/main")
        session.request("GET", "/stream")
        spans.one("GET /stream")
    assert [span.name for span in spans.all()[before:] if "/pipelines" in str(span.attributes)] == []


def test_what_is_not_sampled_leaves_no_span() -> None:
    with recorded(sampler=ALWAYS_OFF) as spans:
        assert traced().test_client().post("/pipelines/iris/main").status_code == 200
        assert spans.all() == []


# -- how it is switched on ------------------------------------------------------------------------------------------


def test_it_is_off_where_nobody_says_anything(spans: Recorded) -> None:
    assert service("quiet").test_client().post("/pipelines/iris/main").status_code == 200
    assert tracing.current() is None
    assert spans.all() == []


def test_code_comes_before_the_environment(spans: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tracing.VARIABLE, "on")
    service("quiet", tracing=False).test_client().post("/pipelines/iris/main")
    assert spans.all() == []
    service("loud").test_client().post("/pipelines/iris/main")
    assert len(spans.all()) == 1


def test_a_wrong_value_is_told_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"app.config\['CHARIOTS_TRACING'\] holds 'perhaps' .* true or false"):
        surrounding(service("wrong", tracing="perhaps")).prepare()
    monkeypatch.setenv(tracing.VARIABLE, "perhaps")
    with pytest.raises(ValueError, match="the environment variable CHARIOTS_SERVING_TRACING holds 'perhaps'"):
        Session("http://127.0.0.1:9").request("GET", "/")


def test_where_the_library_is_missing_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_process", None)
    monkeypatch.setitem(sys.modules, "chariots.web.spans", None)
    with pytest.raises(MissingExtraError, match=r"pip install chariots\[opentelemetry\], or leave tracing off"):
        surrounding(traced()).prepare()


def test_the_provider_of_the_program_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", mine)
    assert exporting.provider("service") is mine


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("OTEL_TRACES_EXPORTER", "pigeon", "exported by 'pigeon' .* 'none'"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke", "OTEL_EXPORTER_OTLP_PROTOCOL holds 'smoke'; it may be http/protobuf"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "holds 'collector:4318', where the URL of a collector"),
    ],
)
def test_a_variable_of_opentelemetry_that_cannot_be_is_told(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=words):
        exporting.provider("service")


def run(code: str, **variables: str) -> str:
    """What a fresh interpreter prints."""
    import os

    command = [sys.executable, "-c", code]
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def test_the_standard_variables_name_the_service_and_where_spans_go() -> None:
    code = "from chariots.web import tracing; tracing.start('ours').step('load', 'iris').__enter__().end()"
    printed = run(code, OTEL_TRACES_EXPORTER="console", OTEL_SERVICE_NAME="theirs")
    assert '"name": "load iris"' in printed
    assert '"service.name": "theirs"' in printed
    assert '"service.name": "ours"' in run(code, OTEL_TRACES_EXPORTER="console")
    assert run(code, OTEL_TRACES_EXPORTER="none") == ""


def test_what_was_not_exported_yet_is_when_the_process_leaves_and_nobody_waits_for_a_collector_that_is_away() -> None:
    code = (
        "import atexit, time; began = time.monotonic()\n"
        "atexit.register(lambda: print(time.monotonic() - began))\n"
        "from chariots.web import tracing\n"
        "with tracing.start('ours').step('load', 'iris'): pass"
    )
    assert float(run(code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")) < 10
