"""Who decides that a worker executes a call, and how does its answer come back?"""

from __future__ import annotations

import json
import threading
from itertools import product

import pytest

from chariots.errors import NoWorkerPoolError, UnknownNameError
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.serving import Chariots, PipelinesClient
from chariots.serving.execution import wants_worker
from chariots.web import problem_of
from chariots.workers import BaseWorkerPool, JobStatus
from tests.serving.support import Boom, Http, iris, is_odd, live, one_op


class ThreadPool(BaseWorkerPool):
    """The smallest pool: one thread a job, in this process."""

    def __init__(self):
        self.jobs, self.threads = {}, {}

    @property
    def n_workers(self):
        return len(self.threads)

    def spawn_worker(self):
        pass

    def execute_pipeline_async(self, pipeline, pipeline_input, app):
        job_id = f"job {len(self.threads) + 1}"
        answer = {"pipeline_output": None, "versions": {}, "job_id": job_id, "job_status": "queued"}
        self.jobs[job_id] = answer

        def work():
            try:
                done = app.execute_pipeline(pipeline.name, pipeline_input).json()
                self.jobs[job_id] = {**done, "job_id": job_id}
            except Exception as error:  # noqa: BLE001  # whatever an op raises
                self.jobs[job_id] = {**answer, "job_status": "failed", "error": problem_of(error)}

        self.threads[job_id] = threading.Thread(target=work)
        self.threads[job_id].start()
        return job_id

    def get_pipeline_response_json_for_id(self, job_id):
        if job_id not in self.jobs:
            raise UnknownNameError(f"there is no job {job_id!r}")
        self.threads[job_id].join()
        return json.dumps(self.jobs[job_id])


@pytest.mark.parametrize("wishes", list(product([True, False, None], repeat=3)))
def test_any_no_forbids_a_worker_and_otherwise_any_yes_asks_for_one(wishes):
    assert wants_worker(*wishes) is (any(w is True for w in wishes) and not any(w is False for w in wishes))


@pytest.mark.parametrize(
    ("request_says", "pipeline_says", "server_says", "is_queued"),
    [
        (True, None, None, True),
        (None, True, None, True),
        (None, None, True, True),
        (False, True, True, False),
        (True, False, True, False),
        (True, True, False, False),
        (None, None, None, False),
    ],
)
def test_all_three_levels_are_asked(client, request_says, pipeline_says, server_says, is_queued):
    pipeline = one_op(is_odd().pipeline_nodes[1].op, "odd", use_worker=pipeline_says)
    caller = client(pipeline, worker_pool=ThreadPool(), use_workers=server_says)
    response = caller.call_pipeline("odd", 5, use_worker=request_says)
    assert (response.job_id is not None) is is_queued
    assert response.job_status is (JobStatus.queued if is_queued else JobStatus.done)
    assert response.value is (None if is_queued else True)


def test_a_queued_call_answers_in_the_documented_form(http):
    served = http(is_odd(), worker_pool=ThreadPool())
    answer = served.post("/pipelines/is_odd/main", {"pipeline_input": 4, "use_worker": True})
    assert answer.status == 200
    assert answer.json() == {
        "pipeline_output": None,
        "versions": {name: str(version) for name, version in is_odd().versions().items()},
        "job_id": "job 1",
        "job_status": "queued",
    }


def test_the_result_of_a_job_is_fetched(client):
    caller = client(is_odd(), worker_pool=ThreadPool())
    queued = caller.call_pipeline(is_odd(), 4, use_worker=True)
    done = caller.fetch_job(queued.job_id, is_odd())
    assert (done.value, done.job_status, done.job_id) == (True, JobStatus.done, queued.job_id)
    assert done.versions == is_odd().versions()


def test_a_failed_job_says_why(client):
    caller = client(one_op(Boom(), "explodes"), worker_pool=ThreadPool())
    queued = caller.call_pipeline("explodes", 7, use_worker=True)
    failed = caller.fetch_job(queued.job_id, "explodes")
    assert (failed.value, failed.job_status) == (None, JobStatus.failed)
    assert "cannot digest 7" in str(failed.error)
    assert "raise RuntimeError" in str(failed.error.__cause__)


def test_an_unknown_job_is_a_404_and_a_value_error(client, http):
    caller = client(is_odd(), worker_pool=ThreadPool())
    with pytest.raises(ValueError, match="no job 'none'"):
        caller.fetch_job("none", is_odd())
    assert http(is_odd(), worker_pool=ThreadPool()).post("/jobs/fetch/", {"job_id": "none"}).status == 404


@pytest.mark.parametrize("body", [{}, {"job_id": None}, {"job_id": 7}, b""])
def test_a_job_id_that_is_no_text_is_a_422(http, body):
    answer = http(is_odd(), worker_pool=ThreadPool()).post("/jobs/fetch/", body)
    assert answer.status == 422
    assert answer.json()["errors"][0]["loc"] == ["job_id"]


def test_without_a_pool_asking_for_a_worker_is_a_409_that_names_the_setting(client):
    caller = client(is_odd())
    with pytest.raises(NoWorkerPoolError, match="worker_pool"):
        caller.call_pipeline(is_odd(), 4, use_worker=True)
    with pytest.raises(NoWorkerPoolError, match="worker_pool"):
        caller.fetch_job("any", is_odd())


def test_a_bad_input_is_refused_before_it_is_queued(http):
    pool = ThreadPool()
    answer = http(is_odd(), worker_pool=pool).post("/pipelines/is_odd/main", {"use_worker": True})
    assert answer.status == 422
    assert pool.n_workers == 0


def test_what_a_worker_trained_is_saved_and_can_be_loaded(tmp_path):
    train, pred = iris()
    app = Chariots([train, pred], tmp_path, worker_pool=ThreadPool())
    with live(app) as url:
        client = PipelinesClient(url)
        queued = client.call_pipeline(train, use_worker=True)
        trained = client.fetch_job(queued.job_id, train)
        assert trained.job_status is JobStatus.done
        client.save_pipeline(train)
        client.load_pipeline(pred)
        assert client.pipeline_versions(pred)["pcaop"] == trained.versions["pcaop"]


def test_a_worker_follows_what_the_server_loads(tmp_path):
    train, pred = iris()
    server = Chariots([train, pred], tmp_path)
    worker = Chariots([train, pred], tmp_path)
    for _ in range(2):
        server.execute_pipeline("train")
        server.load_pipeline("pred")
        answer = worker.execute_pipeline("pred", [[5.1, 3.5, 1.4, 0.2]])
        assert {name: str(version) for name, version in answer.versions.items()} == server.served[
            "pred"
        ].current.versions


def test_a_pipeline_of_a_job_may_take_no_input(client):
    from tests.serving.support import OUT, Constant

    caller = client(Pipeline([Node(Constant(), output_nodes=OUT)], "constant"), worker_pool=ThreadPool())
    queued = caller.call_pipeline("constant", use_worker=True)
    assert caller.fetch_job(queued.job_id, "constant").value == 42


def test_a_job_id_with_odd_characters_is_only_a_text(http):
    served = http(is_odd(), worker_pool=ThreadPool())
    for odd in ("../../etc/passwd", "a\nb", "\x00", "é" * 1000):
        assert served.post("/jobs/fetch/", {"job_id": odd}).status == 404


def test_a_wish_is_heard_over_http(tmp_path):
    with live(Chariots([is_odd()], tmp_path, worker_pool=ThreadPool(), use_workers=True)) as url:
        answer = Http(url).post("/pipelines/is_odd/main", {"pipeline_input": 4, "use_worker": False})
    assert answer.json()["pipeline_output"] is True
