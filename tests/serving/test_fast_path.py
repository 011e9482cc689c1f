"""Can nobody tell whether a call went through Flask or beneath it, and does it go through where somebody could?"""

from __future__ import annotations

import json
import socket
import sys

import flask
import pytest
from werkzeug.exceptions import HTTPException

from chariots import web
from chariots.errors import ConflictError
from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import PipelineCallback
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.serving import PipelinesClient, PipelinesServer
from chariots.web import current_request_id, deadline
from chariots.web.bypass import bypassed_when
from tests.serving import flask_ops
from tests.serving.support import IN, OUT, Boom, Echo, Http, Learner, Total, is_odd, live, one_op
from tests.serving.surroundings import Surroundings, Through

MAIN = "/pipelines/here/main"


class Typed(BaseOp):
    def execute(self, number: float):
        return number / 2


class Unsendable(BaseOp):
    def execute(self, value):
        return {"x": object()}


class Refuses(BaseOp):
    def execute(self, value):
        raise ConflictError("not now")


class Leaves(BaseOp):
    def execute(self, value):
        sys.exit(7)


class Circumstances(BaseOp):
    def execute(self, value):
        left = deadline.remaining()
        return {"id": current_request_id(), "has_deadline": left is not None and 0 < left <= 9}


def pipelines():
    return [
        one_op(Surroundings(), "here"),
        one_op(Echo(), "echo"),
        one_op(Typed(), "typed"),
        one_op(Boom(), "boom"),
        one_op(Unsendable(), "unsendable"),
        one_op(Refuses(), "refuses"),
        one_op(Leaves(), "leaves"),
        one_op(Circumstances(), "circumstances"),
        one_op(Learner(), "unloaded"),
        one_op(Total(), "trains"),
        one_op(Echo(), "wants worker", use_worker=True),
        one_op(Echo(), "spaced né"),
        Pipeline([Node(Echo(), [IN], OUT)], "rows", batchable=True),
        is_odd(),
    ]


def made(**arguments):
    """A server that has answered its first request, so that whatever can be judged is judged."""
    app = PipelinesServer(pipelines(), import_name="tests_app", **arguments)
    app.logger.disabled = True
    return app


def goes_beneath(app, path=MAIN, **arguments):
    """Whether an ordinary call, the third of this app, goes beneath Flask."""
    client = app.test_client()
    arguments = {"json": {"pipeline_input": 1}, **arguments}
    for _ in range(3):
        answer = client.post(path, **arguments)
    assert answer.status_code == 200, answer.get_data()
    return answer.get_json()["pipeline_output"] is False


def test_an_ordinary_call_goes_beneath_flask():
    assert goes_beneath(made())


def test_it_is_off_with_one_word():
    assert not goes_beneath(made(fast_path=False))


JSON = {"Content-Type": "application/json"}
BODIES = {
    "a number": b'{"pipeline_input": 3}',
    "a table": b'{"pipeline_input": [[1, 2.5], [3, 4]]}',
    "nothing to read": b"",
    "an empty object": b"{}",
    "null": b'{"pipeline_input": null}',
    "text": '{"pipeline_input": "h\u00e9 \U0001f40d"}'.encode(),
    "a long integer": b'{"pipeline_input": 123456789012345678901234567890}',
    "NaN": b'{"pipeline_input": NaN}',
    "no JSON": b'{"pipeline_input": ',
    "no UTF-8": b'{"pipeline_input": "\xff"}',
    "a list": b"[1, 2]",
    "a key twice": b'{"pipeline_input": 1, "pipeline_input": 2}',
    "deep": b'{"pipeline_input": ' + b"[" * 3000 + b"]" * 3000 + b"}",
    "an unknown member": b'{"pipeline_input": 1, "other": 2}',
    "no worker": b'{"pipeline_input": 1, "use_worker": false}',
    "a worker": b'{"pipeline_input": 1, "use_worker": true}',
    "a wish that is none": b'{"pipeline_input": 1, "use_worker": "yes"}',
    "an option of jobs": b'{"pipeline_input": 1, "priority": 3}',
    "large": b'{"pipeline_input": "' + b"x" * 100_000 + b'"}',
    "too large": b'{"pipeline_input": "' + b"x" * 300_000 + b'"}',
}
NAMES = ["echo", "typed", "boom", "unsendable", "refuses", "leaves", "circumstances", "unloaded"]
NAMES += ["wants worker", "spaced né", "rows", "is_odd", "nowhere"]


def requests():
    """Requests of all kinds, each with the name it goes by."""
    for name in NAMES:
        for what, body in BODIES.items():
            yield f"{name}: {what}", {"path": f"/pipelines/{name}/main", "data": body, "headers": JSON}
    call = {"path": "/pipelines/circumstances/main", "data": BODIES["a number"]}
    for header, value in (
        ("X-Request-Deadline", "9"),
        ("X-Request-Deadline", "soon"),
        ("Accept", "text/html"),
        ("Accept", "application/json"),
        ("Idempotency-Key", "once"),
        ("Cookie", "session=x"),
        ("Host", "bad host"),
        ("Origin", "http://elsewhere.example"),
        ("Content-Type", "text/plain"),
        ("Content-Type", "application/json; charset=utf-8"),
        ("Content-Encoding", "gzip"),
    ):
        yield f"{header}: {value}", {**call, "headers": {**JSON, header: value}}
    yield "without a content type", call
    for method in ("GET", "PUT", "OPTIONS", "HEAD"):
        yield method, {**call, "method": method, "headers": JSON}
    for path in ("/pipelines/echo/main/", "/pipelines//echo/main", "/pipelines/echo/main?x=1", "/pipelines/echo/mai"):
        yield path, {**call, "path": path, "headers": JSON}


def test_every_request_is_answered_the_same_through_flask_and_beneath_it():
    beneath, through = (made(fast_path=fast, worker_pool=None) for fast in (True, False))
    clients = []
    for app in (beneath, through):
        app.config["MAX_CONTENT_LENGTH"] = 200_000
        assert goes_beneath(app) == (app is beneath)
        clients.append(app.test_client())
    for what, request in requests():
        request = {"method": "POST", **request}
        request["headers"] = {"X-Request-ID": "the-same", **request.get("headers", {})}
        found = []
        for client in clients:
            answer = client.open(**request)
            headers = list(answer.headers.items())
            known = "the-same" in answer.headers["X-Request-ID"]
            found.append((answer.status, headers if known else sorted(answer.headers.keys()), answer.get_data()))
        assert found[0] == found[1], what


def test_an_op_that_fails_runs_once():
    runs = []

    class Counts(BaseOp):
        def execute(self, value):
            runs.append(value)
            raise RuntimeError("no")

    app = PipelinesServer([one_op(Counts(), "counts"), *pipelines()])
    app.logger.disabled = True
    assert goes_beneath(app)
    client = app.test_client()
    for at in range(3):
        assert client.post("/pipelines/counts/main", json={"pipeline_input": at}).status_code == 500
    assert runs == [0, 1, 2]


def test_an_error_handler_of_the_user_answers_for_an_op_that_failed_beneath():
    app = made()

    @app.errorhandler(RuntimeError)
    def own_answer(error):
        return {"mine": str(error), "path": flask.request.path}, 418

    assert goes_beneath(app)
    answer = app.test_client().post("/pipelines/boom/main", json={"pipeline_input": 1})
    assert answer.status_code == 418
    assert answer.get_json() == {"mine": "cannot digest 1", "path": "/pipelines/boom/main"}


def test_the_id_that_an_op_saw_is_the_one_of_the_answer_also_where_it_failed():
    seen = []

    class Fails(BaseOp):
        def execute(self, value):
            seen.append(current_request_id())
            raise RuntimeError("no")

    app = PipelinesServer([one_op(Fails(), "fails"), *pipelines()])
    app.logger.disabled = True
    assert goes_beneath(app)
    answer = app.test_client().post("/pipelines/fails/main", json={"pipeline_input": 1})
    assert answer.headers["X-Request-ID"] == answer.get_json()["request_id"] == seen[-1]


def test_ids_and_deadlines_reach_the_ops_beneath_and_end_with_the_request():
    app = made()
    assert goes_beneath(app)
    headers = {"X-Request-ID": "mine", "X-Request-Deadline": "9"}
    answer = app.test_client().post(
        "/pipelines/circumstances/main", json={"pipeline_input": 1}, headers={**headers, **JSON}
    )
    assert answer.get_json()["pipeline_output"] == {"id": "mine", "has_deadline": True}
    assert answer.headers["X-Request-ID"] == "mine"
    assert deadline.remaining() is None
    assert current_request_id() is None


def test_the_client_of_chariots_goes_beneath():
    with live(made()) as url:
        client = PipelinesClient(url)
        found = [client.call_pipeline("here", 1).value for _ in range(3)]
    assert found == [True, False, False]


def test_a_body_that_breaks_off_is_refused_as_ever():
    with live(made()) as url:
        client = PipelinesClient(url)
        assert [client.call_pipeline("here", 1).value for _ in range(3)][-1] is False
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /pipelines/here/main HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b'Content-Length: 60\r\n\r\n{"pipeline_input"'
            )
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 400") or answer.startswith(b"HTTP/1.0 400")
        assert b"urn:chariots:malformed-request" in answer or b"problem+json" in answer
        assert Http(url).post(MAIN, {"pipeline_input": 1}, **JSON).status == 200


# -- where somebody of the user's has a say -----------------------------------------------------------------------


def hook(name):
    def add(app):
        getattr(app, name)(lambda *arguments: arguments[0] if name == "after_request" else None)

    return add


def preprocessor(app):
    app.url_value_preprocessor(lambda endpoint, values: None)


def receiver(app):
    def receive(sender, **extra):
        """Is kept by the app, since signals hold only weak references."""

    app.kept = receive
    flask.request_started.connect(receive, app)


def view(app):
    original = app.view_functions["chariots.main"]
    app.view_functions["chariots.main"] = lambda name: original(name=name)


def configured(name, value):
    def add(app):
        app.config[name] = value

    return add


@pytest.mark.parametrize(
    "change",
    [
        hook("before_request"),
        hook("after_request"),
        hook("teardown_request"),
        hook("teardown_appcontext"),
        preprocessor,
        receiver,
        view,
        configured("TRUSTED_HOSTS", ["localhost"]),
        configured("MAX_CONTENT_LENGTH", 10**6),
    ],
    ids=["before", "after", "teardown", "appcontext", "preprocessor", "signal", "view", "hosts", "harmless"],
)
def test_whatever_flask_would_call_is_called(change, request):
    app = made()
    change(app)
    assert goes_beneath(app) == request.node.name.endswith("[harmless]")


@pytest.mark.parametrize(
    "name",
    ["dispatch_request", "full_dispatch_request", "process_response", "make_response", "preprocess_request"],
)
def test_an_overridden_method_of_flask_is_called(name):
    def calls_super(self, *arguments, **more):
        return getattr(PipelinesServer, name)(self, *arguments, **more)

    app = type("Mine", (PipelinesServer,), {name: calls_super})(pipelines())
    assert not goes_beneath(app)


@pytest.mark.parametrize("name", ["request_class", "response_class"])
def test_classes_of_ones_own_are_used(name):
    own = type("Own", (getattr(flask.Flask, name),), {})
    assert not goes_beneath(type("Mine", (PipelinesServer,), {name: own})(pipelines()))


def test_a_rule_of_the_user_comes_first():
    app = made()
    app.add_url_rule(MAIN, "mine", lambda: {"pipeline_output": "mine"}, methods=["POST"])
    client = app.test_client()
    found = [client.post(MAIN, json={"pipeline_input": 1}).get_json() for _ in range(3)]
    assert found == [{"pipeline_output": "mine"}] * 3


def test_a_hook_may_refuse_after_many_calls_went_beneath():
    app = made()
    assert goes_beneath(app)
    app.before_request_funcs[None].append(lambda: ({"closed": True}, 503))
    assert app.test_client().post(MAIN, json={"pipeline_input": 1}).status_code == 503


def test_flask_can_not_be_set_up_any_further_once_it_answers():
    app = made()
    assert goes_beneath(app)
    with pytest.raises(AssertionError, match="can no longer be called"):
        app.before_request(lambda: None)


def test_a_hook_of_ours_says_for_which_requests_it_does_nothing():
    app = made()
    app.before_request(bypassed_when(lambda environ: "HTTP_ORIGIN" not in environ)(lambda: None))
    assert goes_beneath(app)
    assert not goes_beneath(app, headers={"Origin": "http://here.example"})


def test_a_test_client_that_keeps_the_context_finds_it():
    app = made()
    assert goes_beneath(app)
    with app.test_client() as client:
        client.post(MAIN, json={"pipeline_input": 1})
        assert flask.request.path == MAIN


# -- ops that look at the request -----------------------------------------------------------------------------------


class Audits(PipelineCallback):
    """Writes down who asks."""

    def before_execution(self, pipeline, args):
        flask_ops.SEEN.append(flask.request.path)


@pytest.mark.parametrize("op", [flask_ops.ReadsHeader, flask_ops.MayRead], ids=lambda op: op.__name__)
def test_an_op_that_uses_flask_finds_its_request(op):
    app = PipelinesServer([one_op(op(), "reads"), *pipelines()])
    assert goes_beneath(app)
    client = app.test_client()
    for name in ("ada", "grace"):
        answer = client.post("/pipelines/reads/main", json={"pipeline_input": 1}, headers={"X-Name": name})
        assert answer.get_json()["pipeline_output"] == name


def test_a_callback_that_uses_flask_finds_its_request():
    app = PipelinesServer([one_op(Through(lambda value: value), "heard", pipeline_callbacks=[Audits()])])
    client = app.test_client()
    flask_ops.SEEN.clear()
    for _ in range(3):
        assert client.post("/pipelines/heard/main", json={"pipeline_input": 1}).status_code == 200
    assert flask_ops.SEEN == ["/pipelines/heard/main"] * 3


def test_an_op_that_looks_at_the_request_where_nobody_can_see_it_finds_it_all_the_same():
    hidden = Through(lambda value: vars(flask_ops)["header"](value))
    app = PipelinesServer([one_op(hidden, "hidden"), *pipelines()])
    assert goes_beneath(app)
    client = app.test_client()
    for name in ("ada", "grace"):
        answer = client.post("/pipelines/hidden/main", json={"pipeline_input": 1}, headers={"X-Name": name})
        assert answer.get_json()["pipeline_output"] == name
    assert goes_beneath(app)


def test_an_exception_of_http_that_an_op_raises_is_not_our_answer():
    def raises(value):
        raise HTTPException("no")

    beneath, through = (PipelinesServer([one_op(Through(raises), "raises")], fast_path=fast) for fast in (True, False))
    found = []
    for app in (beneath, through):
        app.logger.disabled = True
        client = app.test_client()
        answers = [client.post("/pipelines/raises/main", json={"pipeline_input": 1}) for _ in range(3)]
        found.append({(answer.status_code, json.loads(answer.get_data())["detail"]) for answer in answers})
    assert found[0] == found[1]
    assert len(found[0]) == 1


def test_our_own_hooks_are_all_passed_by():
    app = flask.Flask("bare")
    web.install(app, title="bare")
    hooks = [*app.before_request_funcs[None], *app.after_request_funcs[None], *app.teardown_request_funcs[None]]
    assert web.bypass.all_bypassed(hooks, {})
