"""Does every node, load, save and job have its place in the trace of the request that led to it?"""

from __future__ import annotations

import threading

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from chariots.op_store import OpStoreClient, OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import BaseRunner
from chariots.serving import Chariots, PipelinesClient, PipelinesServer
from chariots.serving.following import Follower
from chariots.web import tracing
from chariots.workers.in_sql.store import SQLJobStore
from chariots.workers.job_options import JobOptions
from chariots.workers.rules import new_job
from chariots.workers.run_here import run_queued
from tests.collecting_spans import is_below, recorded
from tests.serving.support import IN, OUT, Boom, Echo, IsOddOp, Learner, is_odd, live, one_op
from tests.serving.test_batching import Gated, until


@pytest.fixture
def spans():
    with recorded() as found:
        yield found


def server(*pipelines, **arguments):
    app = PipelinesServer(pipelines, import_name="traced", **arguments)
    app.config["CHARIOTS_TRACING"] = True
    return app


def post(app, name, value):
    body = {"pipeline_input": value}
    return app.test_client().post(f"/pipelines/{name}/main", json=body, buffered=True)


def answered_beneath(app):
    """Sends the first request, which always takes Flask's way."""
    assert post(app, next(iter(app.served)), 1).status_code == 200


# -- nodes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fast_path", [True, False])
def test_each_node_has_a_span_below_that_of_its_request(spans, fast_path):
    app = server(is_odd(), fast_path=fast_path)
    answered_beneath(app)
    before = len(spans.all())
    versions = post(app, "is_odd", 3).get_json()["versions"]
    first, second, request = spans.all()[before:]
    assert (first.name, second.name, request.name) == (
        "node addoneop",
        "node isoddop",
        "POST /pipelines/<name>/main",
    )
    assert is_below(first, request)
    assert is_below(second, request)
    assert first.kind is SpanKind.INTERNAL
    assert dict(first.attributes) == {
        "chariots.node.name": "addoneop",
        "chariots.node.version": versions["addoneop"],
        "chariots.pipeline": "is_odd",
    }
    assert request.attributes["chariots.generation"] == 1
    assert first.end_time <= second.start_time


def test_the_span_of_a_node_is_the_current_one_while_it_runs_and_no_longer(spans):
    class Asking(BaseOp):
        def execute(self, value):
            return f"{trace.get_current_span().get_span_context().span_id:016x}"

    app = server(one_op(Asking(), "asking"))
    answered_beneath(app)
    inside = post(app, "asking", 1).get_json()["pipeline_output"]
    assert inside == f"{spans.named('node asking')[-1].context.span_id:016x}"
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_node_that_fails_is_told_and_its_request_as_well(spans):
    app = server(is_odd(), Pipeline([Node(Echo(), [IN], "same"), Node(Boom(), ["same"], OUT)], "boom"))
    answered_beneath(app)
    assert post(app, "boom", 3).status_code == 500
    node = spans.one("node boom")
    request = spans.all()[-1]
    assert (spans.one("node echo").status.status_code, node.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert node.events[0].attributes["exception.message"] == "cannot digest 3"
    assert request.status.status_code is StatusCode.ERROR
    assert request.attributes["error.type"] == "chariots.errors.BackendError"
    assert "cannot digest 3" in request.events[0].attributes["exception.stacktrace"]
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_stream_that_breaks_off_is_a_failure_though_its_status_was_sent(spans):
    class Half(BaseOp):
        def execute(self, value):
            yield value
            raise RuntimeError("half of it")

    app = server(one_op(Half(), "half"))
    asked = {"json": {"pipeline_input": 1}, "headers": {"Accept": "application/x-ndjson"}}
    answer = app.test_client().post("/pipelines/half/main", **asked)
    assert b"half of it" in answer.get_data()
    answer.close()
    request = spans.one("POST /pipelines/<name>/main")
    assert (request.attributes["http.response.status_code"], request.status.status_code) == (200, StatusCode.ERROR)
    assert len(request.events) == 1
    assert not trace.get_current_span().get_span_context().is_valid


def test_an_exception_that_nobody_handles_is_recorded_once(spans):
    app = server(one_op(Boom(), "boom"))
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(Exception, match="cannot digest 3"):
        post(app, "boom", 3)
    assert len(spans.one("POST").events) == 1


def test_nodes_that_a_runner_runs_in_other_threads_belong_to_the_request(spans):
    class Elsewhere(BaseRunner):
        def run(self, pipeline, pipeline_input=None):
            results = pipeline.start_results(pipeline_input)
            for node in pipeline.pipeline_nodes:
                thread = threading.Thread(target=pipeline.execute_node, args=(node, results, self))
                thread.start()
                thread.join()
            return pipeline.extract_results(results)

    assert post(server(is_odd(), runner=Elsewhere()), "is_odd", 3).get_json()["pipeline_output"] is False
    request = spans.all()[-1]
    assert all(is_below(node, request) for node in spans.named("node addoneop") + spans.named("node isoddop"))


def test_nodes_of_requests_that_are_not_sampled_are_not_recorded():
    with recorded(sampler=ALWAYS_OFF) as spans:
        answered_beneath(server(is_odd()))
        assert spans.all() == []


def test_a_server_without_tracing_beside_one_with_it_has_no_spans(spans):
    server(is_odd()).test_client().get("/available_pipelines")
    tracing.start()
    before = len(spans.all())
    answered_beneath(PipelinesServer([is_odd()], import_name="quiet"))
    assert spans.all()[before:] == []


def test_requests_that_run_together_have_a_batch_with_links_to_each_of_them(spans):
    op = Gated()
    app = server(one_op(op, "gated"))
    threads = [threading.Thread(target=post, args=(app, "gated", [[at]])) for at in range(4)]
    threads[0].start()
    assert op.entered.wait(20)
    for thread in threads[1:]:
        thread.start()
    until(lambda: len(app.served["gated"].batcher._waiting) == 3)
    op.gate.set()
    for thread in threads:
        thread.join(20)
    batch = spans.one("batch gated")
    alone, together = spans.named("node gated")
    requests = [span for span in spans.all() if span.kind is SpanKind.SERVER]
    first, *others = (span for span in requests if span.context.span_id != alone.parent.span_id)
    linked = {link.context.span_id for link in batch.links}
    assert op.sizes == [1, 3]
    assert is_below(together, batch)
    assert linked == {first.context.span_id, *(span.context.span_id for span in others)}
    assert batch.parent.span_id in linked
    assert batch.attributes["chariots.batch.requests"] == 3
    back = [link.context.span_id for span in (first, *others) for link in span.links]
    assert back == [batch.context.span_id] * 2  # the third is its parent


# -- loads, saves and the op store ----------------------------------------------------------------------------------


def test_a_load_and_a_save_have_spans_where_the_store_is_in_the_same_process(spans, tmp_path):
    train, predict = one_op(Learner(learns=True), "train"), one_op(Learner(), "predict")
    app = Chariots([train, predict], tmp_path, import_name="traced", worker_pool=None)
    app.config["CHARIOTS_TRACING"] = True
    client = app.test_client()
    assert post(app, "train", "a mark").status_code == 200
    assert client.post("/pipelines/train/save", buffered=True).status_code == 200
    assert client.post("/pipelines/predict/load", buffered=True).status_code == 200
    assert is_below(spans.one("save train"), spans.one("POST /pipelines/<name>/save"))
    assert is_below(spans.one("load predict"), spans.one("POST /pipelines/<name>/load"))
    assert spans.one("load predict").attributes["chariots.pipeline"] == "predict"


def test_one_trace_goes_from_the_client_through_the_server_to_the_store(spans, tmp_path):
    store = OpStoreServer(FileSaver(str(tmp_path / "ops")), f"sqlite:///{tmp_path / 'db.sqlite'}")
    store.flask.config["CHARIOTS_TRACING"] = True
    tracing.start()
    with live(store.flask) as store_url:
        train, predict = one_op(Learner(learns=True), "train"), one_op(Learner(), "predict")
        app = server(train, predict, op_store_client=OpStoreClient(store_url), follow_seconds=None)
        with live(app) as url:
            client = PipelinesClient(url)
            client.call_pipeline("train", "a mark")
            client.save_pipeline("train")
            client.load_pipeline("predict")
            until(lambda: spans.named("POST /pipelines/<name>/load"))
    # The one before was when the server was made, and found nothing.
    load, request = spans.named("load predict")[-1], spans.one("POST /pipelines/<name>/load")
    by_id = {span.context.span_id: span for span in spans.all()}
    read = spans.named("GET /v2/blobs/<sha256>")[-1]
    assert is_below(load, request)
    assert is_below(by_id[read.parent.span_id], load)
    assert is_below(request, by_id[request.parent.span_id])
    assert by_id[request.parent.span_id].kind is SpanKind.CLIENT
    assert by_id[request.parent.span_id].parent is None


def test_what_a_follower_asks_every_second_leaves_no_spans(spans, tmp_path):
    store = OpStoreServer(FileSaver(str(tmp_path / "ops")), f"sqlite:///{tmp_path / 'db.sqlite'}")
    store.flask.config["CHARIOTS_TRACING"] = True
    with live(store.flask) as url:
        app = server(one_op(Learner(), "predict"), op_store_client=OpStoreClient(url), follow_seconds=None)
        tracing.start()
        follower = Follower(app.served, app.op_store_client, "production", 1.0, app.logger)
        follower.look()
        app.op_store_client.last_deployment("predict")
        until(lambda: len(spans.named("POST /v2/deployments/last")) == 2)  # when the server was made, and now
        assert follower.trouble is None
        assert [span.name for span in spans.all() if "standings" in str(span.attributes)] == []


def test_what_is_loaded_by_itself_has_a_trace_of_its_own(spans, tmp_path):
    train, predict = one_op(Learner(learns=True), "train"), one_op(Learner(), "predict")
    app = Chariots([train, predict], tmp_path, import_name="traced", worker_pool=None)
    app.config["CHARIOTS_TRACING"] = True
    assert post(app, "train", "a mark").status_code == 200
    app.save_pipeline("train")
    app.served["predict"].load(app.op_store_client)
    assert spans.one("load predict").parent is None


# -- jobs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def jobs(tmp_path):
    """An app that runs its jobs in this process once they were asked for; gives the app and a way to do so."""
    app = Chariots([is_odd(), one_op(Boom(), "boom"), one_op(IsOddOp(), "odd")], tmp_path, import_name="traced")
    app.config["CHARIOTS_TRACING"] = True
    store = SQLJobStore(f"sqlite:///{tmp_path / 'jobs.sqlite'}")

    def submit(app, kind, target, body, options):
        job = new_job(
            "traced:app",
            kind,
            target,
            options,
            input_sha256="",
            input_size=len(body),
            result_ttl=60.0,
            traceparent=tracing.traceparent(),
        )
        return store.add(job, body)

    app.worker_pool.submit = submit
    app.worker_pool.has_worker = lambda app: True
    yield app, lambda: run_queued(app, "traced:app", store)
    store.close()


def test_a_job_belongs_to_the_trace_of_the_request_that_asked_for_it(spans, jobs):
    app, run = jobs
    body = {"pipeline_input": 3, "use_worker": True}
    answer = app.test_client().post("/pipelines/is_odd/main", json=body, buffered=True).get_json()
    run()
    job, request, node = spans.one("job is_odd"), spans.one("POST /pipelines/<name>/main"), spans.one("node isoddop")
    assert is_below(job, request)
    assert is_below(node, job)
    assert job.kind is SpanKind.CONSUMER
    assert dict(job.attributes) == {
        "chariots.job.id": answer["job_id"],
        "chariots.job.kind": "pipeline",
        "chariots.job.attempt": 1,
        "chariots.job.status": "done",
        "chariots.pipeline": "is_odd",
    }


def test_a_job_that_fails_says_why(spans, jobs):
    app, run = jobs
    app.test_client().post("/pipelines/boom/main", json={"pipeline_input": 3, "use_worker": True}, buffered=True)
    run()
    job = spans.one("job boom")
    assert (job.status.status_code, job.attributes["chariots.job.status"]) == (StatusCode.ERROR, "failed")
    assert "cannot digest 3" in job.status.description
    assert [event.name for event in job.events] == ["exception"]


def test_a_job_that_nobody_traced_begins_a_trace(spans, jobs):
    app, run = jobs
    app.worker_pool.submit(app, "pipeline", "odd", b"3", JobOptions())
    tracing.start()
    run()
    assert spans.one("job odd").parent is None
