"""How is a job asked for over HTTP, and what is refused?"""

from __future__ import annotations

import json
import time

import pytest

from chariots.errors import UnknownNameError
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.serving import PipelinesServer, bodies
from chariots.web.retry import RetryPolicy
from chariots.workers.job_status import JobStatus
from tests.serving.job_pool import StagedPool
from tests.serving.support import IN, OUT, Boom, Echo, is_odd, one_op
from tests.serving.test_workers import ThreadPool


class Length(BaseOp):
    def execute(self, value: list[float]) -> int:
        return len(value)


@pytest.fixture
def pool():
    return StagedPool()


@pytest.fixture
def served(http, pool):
    """A server with some pipelines and the pool."""
    failing = one_op(Boom(), "explodes")
    never = one_op(Echo(), "never", use_worker=False)
    careful = Pipeline([Node(Echo(), [IN], OUT)], "careful", job_options={"timeout": 9, "retries": 2, "concurrency": 1})
    return http(is_odd(), failing, never, careful, one_op(Length(), "length"), worker_pool=pool)


def call(served, name="is_odd", headers=None, **body):
    answer = served.post(f"/pipelines/{name}/main", {"pipeline_input": 4, **body}, **(headers or {}))
    return answer.status, answer.json()


def only(pool):
    (job,) = pool.known.values()
    return job


def test_a_queued_call_says_which_job_it_became_and_how_far_that_is(served, pool):
    pool.hire()
    status, answer = call(served, use_worker=True)
    versions = {name: str(version) for name, version in is_odd().versions().items()}
    assert status == 200
    assert answer == {
        "pipeline_output": None,
        "versions": versions,
        "job_id": only(pool).id,
        "job_status": "queued",
    }


def test_where_no_worker_is_alive_the_answer_says_how_to_start_one(served, pool):
    pool.hire("another:app")
    _, answer = call(served, use_worker=True)
    assert "chariots worker tests_app:app" in answer["hint"]


def test_an_option_asks_for_a_worker(served, pool):
    _, answer = call(served, priority=3, timeout=60, retries=2, result_ttl=7)
    job = only(pool)
    assert answer["job_id"] == job.id
    assert (job.priority, job.timeout, job.retry.attempts, job.result_ttl) == (3, 60.0, 3, 7.0)


def test_null_is_no_option(served, pool):
    _, answer = call(served, timeout=None, after=[], idempotency_key=None)
    assert answer["pipeline_output"] is True
    assert not pool.known


def test_a_job_may_be_deferred(served, pool):
    _, answer = call(served, at=time.time() + 3600)
    assert answer["job_status"] == "deferred"
    assert "hint" not in answer


def test_the_jobs_it_waits_for_must_be_known(served, pool):
    status, answer = call(served, after=["none"])
    assert (status, answer["type"]) == (404, "urn:chariots:unknown-name")
    first = call(served, use_worker=True)[1]["job_id"]
    assert call(served, after=[first])[1]["job_status"] == "deferred"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("timeout", -1),
        ("at", 5),
        ("at", "yesterday"),
        ("retries", -1),
        ("priority", "high"),
        ("every", 0),
        ("after", [7]),
        ("idempotency_key", ""),
        ("result_ttl", -1),
        ("concurrency", 0),
    ],
)
def test_an_option_that_cannot_be_is_a_422_that_names_it(served, pool, option, value):
    status, answer = call(served, **{option: value})
    assert status == 422
    assert [error["loc"] for error in answer["errors"]] == [[option]]
    assert option in answer["detail"]
    assert not pool.known


def test_all_that_is_wrong_is_told_at_once(served, pool):
    status, answer = call(served, use_worker="yes", timeout=-1, retries="often")
    assert status == 422
    assert {error["loc"][0] for error in answer["errors"]} == {"use_worker", "timeout", "retries"}


@pytest.mark.parametrize("who", ["request", "pipeline", "server"])
def test_an_option_where_somebody_says_no_to_a_worker_is_a_422(http, who):
    pool = StagedPool()
    says = {who: False}
    pipeline = one_op(Echo(), "echo", use_worker=says.get("pipeline"))
    served = http(pipeline, worker_pool=pool, use_workers=says.get("server"))
    status, answer = call(served, "echo", timeout=5, use_worker=says.get("request"))
    assert status == 422
    assert answer["errors"][0]["loc"] == ["timeout"]
    assert who in answer["detail"]
    assert not pool.known


def test_without_a_pool_an_option_is_a_409_that_names_the_setting(http):
    status, answer = call(http(is_odd()), timeout=5)
    assert (status, answer["type"]) == (409, "urn:chariots:no-worker-pool")
    assert "worker_pool" in answer["detail"]


def test_a_pool_that_knows_no_options_refuses_them_and_still_takes_plain_calls(http):
    served = http(is_odd(), worker_pool=ThreadPool())
    status, answer = call(served, timeout=5)
    assert status == 409
    assert "is a ThreadPool" in answer["detail"]
    assert call(served, use_worker=True)[1]["job_id"] == "job 1"


# -- the same request again ---------------------------------------------------------------------------------------


def test_the_same_key_gives_the_same_job(served, pool):
    first = call(served, idempotency_key="k")[1]["job_id"]
    assert call(served, idempotency_key="k")[1]["job_id"] == first == only(pool).id


def test_once_the_job_of_a_key_is_done_its_answer_is_given(served, pool):
    call(served, idempotency_key="k")
    pool.run_next()
    status, answer = call(served, idempotency_key="k")
    assert (status, answer["pipeline_output"], answer["job_status"]) == (200, True, "done")


def test_a_key_that_belongs_to_another_input_is_a_409(served, pool):
    call(served, idempotency_key="k")
    assert call(served, idempotency_key="k", pipeline_input=5)[0] == 409


@pytest.mark.parametrize("header", ['"a \\"key\\""', ' "a \\"key\\"" ', 'a "key"'])
def test_a_key_may_come_in_a_header_quoted_or_not(served, pool, header):
    call(served, headers={"Idempotency-Key": header})
    assert only(pool).idempotency_key == 'a "key"'


def test_the_header_and_the_body_may_agree(served, pool):
    call(served, headers={"Idempotency-Key": '"k"'}, idempotency_key="k")
    assert only(pool).idempotency_key == "k"


def test_a_header_that_says_another_key_than_the_body_is_a_422(served, pool):
    status, answer = call(served, headers={"Idempotency-Key": '"k"'}, idempotency_key="other")
    assert status == 422
    assert answer["errors"][0]["loc"] == ["idempotency_key"]


# -- what a pipeline says -----------------------------------------------------------------------------------------


def test_a_pipeline_says_how_its_jobs_are_run_and_a_request_says_it_better(served, pool):
    call(served, "careful", timeout=1)
    job = only(pool)
    assert (job.timeout, job.retry.attempts, job.concurrency) == (1.0, 3, 1)


def test_a_copy_of_a_pipeline_keeps_its_job_options():
    pipeline = one_op(Echo(), "echo", job_options={"timeout": 9})
    copy = pipeline.clone()
    copy.job_options["timeout"] = 1
    assert pipeline.job_options == {"timeout": 9}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"timeout": -1}, "timeout"),
        ({"timout": 1}, "Did you mean 'timeout'"),
        ({"idempotency_key": "k"}, "about one job"),
        ({"at": 2e10}, "about one job"),
    ],
)
def test_job_options_of_a_pipeline_that_cannot_be_are_refused_when_the_server_is_made(options, told):
    with pytest.raises(ValueError, match=f"(?s)pipeline 'echo'.*{told}"):
        PipelinesServer([one_op(Echo(), "echo", job_options=options)], "app")


def test_a_pool_without_options_is_not_asked_to_forget_those_of_a_pipeline(http):
    served = http(one_op(Echo(), "echo", job_options={"timeout": 5}), worker_pool=ThreadPool())
    assert call(served, "echo", use_worker=True)[0] == 409


# -- jobs as a resource -------------------------------------------------------------------------------------------


def enqueue(served, headers=None, **body):
    answer = served.post("/jobs", body, **(headers or {}))
    return answer.status, answer.json()


def test_a_job_is_made_and_shown(served, pool):
    pool.hire()
    status, answer = enqueue(served, target="is_odd", input=4, timeout=3, retries={"attempts": 2, "base": 5})
    job = only(pool)
    assert status == 201
    assert (answer["id"], answer["kind"], answer["target"], answer["status"]) == (
        job.id,
        "pipeline",
        "is_odd",
        "queued",
    )
    assert job.retry == RetryPolicy(2, 5.0, 60.0)
    assert not {"token", "result_attempt", "input_sha256"} & answer.keys()
    assert answer["times"]["created_at"].endswith("Z")
    assert pool.bodies[job.id] == b"4"


def test_a_second_request_of_a_key_is_told_of_the_first_job(served, pool):
    assert enqueue(served, target="is_odd", input=4, idempotency_key="k")[0] == 201
    assert enqueue(served, {"Idempotency-Key": "k"}, target="is_odd", input=4)[0] == 200
    assert len(pool.known) == 1


def test_a_promotion_is_a_job_too_and_takes_no_defaults_of_the_pipeline(served, pool):
    first = enqueue(served, target="careful", input=4)[1]["id"]
    status, answer = enqueue(served, kind="promote", target="careful", input={"alias": "beta"}, after=[first])
    assert (status, answer["kind"], answer["status"]) == (201, "promote", "deferred")
    assert answer["concurrency"] is None
    assert pool.bodies[answer["id"]] == b'{"alias":"beta"}'


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({}, 422, "target"),
        ({"target": 7}, 422, "target"),
        ({"target": "is_odd", "input": 4, "kind": "pipelin"}, 422, "kind"),
        ({"target": "is_odd", "input": 4, "kind": ["pipeline"]}, 422, "kind"),
        ({"target": "is_odd", "input": 4, "timout": 4}, 422, "timout"),
        ({"target": "is_od", "input": 4}, 404, "is_odd"),
        ({"target": "is_odd"}, 422, "pipeline_input"),
        ({"target": "never", "input": 4}, 409, "says no"),
        ({"target": "is_odd", "input": 4, "use_worker": False}, 409, "says no"),
        ([], 422, "object"),
    ],
)
def test_a_job_that_cannot_be_is_refused_with_its_reason(served, pool, body, status, named):
    answer = served.post("/jobs", body)
    assert answer.status == status
    assert named in answer.json()["detail"]
    assert not pool.known


def test_without_a_pool_there_are_no_jobs(http):
    served = http(is_odd())
    for method, path in [
        ("POST", "/jobs"),
        ("GET", "/jobs"),
        ("GET", "/workers"),
        ("GET", "/jobs/j"),
        ("GET", "/jobs/j/result"),
        ("GET", "/jobs/j/log"),
        ("GET", "/jobs/j/events"),
        ("POST", "/jobs/j/cancel"),
        ("POST", "/jobs/j/rerun"),
    ]:
        answer = served.request(method, path, b'{"target":"is_odd"}' if method == "POST" else None)
        assert (answer.status, answer.json()["type"]) == (409, "urn:chariots:no-worker-pool"), path


# -- large inputs -------------------------------------------------------------------------------------------------

MANY = list(range(300_000))


def test_a_large_input_travels_as_it_came(served, pool):
    text = json.dumps(MANY, indent=1).encode()
    body = b'{"use_worker": true, "timeout": 5, "pipeline_input": %b, "priority": 2}' % text
    answer = served.post("/pipelines/length/main", body)
    assert answer.status == 200
    assert pool.bodies[only(pool).id] == text
    assert (only(pool).priority, only(pool).timeout) == (2, 5.0)
    pool.run_next()
    assert json.loads(pool.get_pipeline_response_json_for_id(only(pool).id))["pipeline_output"] == len(MANY)


def test_the_input_of_a_resource_may_be_large_too(served, pool):
    text = json.dumps(MANY).encode()
    assert served.post("/jobs", b'{"target": "length", "input": %b}' % text).status == 201
    assert pool.bodies[only(pool).id] == text


def test_a_large_input_that_no_worker_gets_is_read_and_checked_here(served, pool):
    status, answer = call(served, "length", pipeline_input=MANY)
    assert (status, answer["pipeline_output"]) == (200, len(MANY))
    status, answer = call(served, "length", pipeline_input=["x" * 2**21])
    assert (status, answer["errors"][0]["loc"]) == (422, ["pipeline_input", 0])


def test_what_does_not_fit_in_a_large_input_fails_in_the_worker(served, pool):
    status, answer = call(served, "length", pipeline_input=["x" * 2**21], use_worker=True)
    assert status == 200
    pool.run_next()
    failed = json.loads(pool.get_pipeline_response_json_for_id(answer["job_id"]))
    assert failed["error"]["errors"][0]["loc"] == ["pipeline_input", 0]


@pytest.mark.parametrize(
    "broken", [b"[1, 2", b"[NaN]", b'"\xff"', b'"\\ud800"', b"[" * 100_000 + b"]" * 100_000, b"1e999]"]
)
def test_a_large_body_that_is_no_json_is_a_400_like_a_small_one(served, pool, broken):
    for padding in (b"", b" " * 2**20):
        body = b'{"use_worker": true, "pipeline_input": %b%b}' % (padding, broken)
        assert served.post("/pipelines/length/main", body).status == 400
    assert not pool.known


def test_a_large_body_with_a_small_input_is_read_here(served, pool):
    body = b'{"use_worker": true, "pipeline_input": "text", "unknown": "%b"}' % (b"x" * 2**21)
    answer = served.post("/pipelines/length/main", body)
    assert answer.status == 422
    assert not pool.known


def test_of_a_key_that_comes_twice_the_last_counts_in_a_large_body_too(served, pool):
    text = json.dumps(MANY).encode()
    body = b'{"pipeline_input": [1], "use_worker": true, "pipeline_input": %b}' % text
    served.post("/pipelines/length/main", body)
    assert pool.bodies[only(pool).id] == text


def test_a_job_status_is_told_whatever_it_is(served, pool):
    call(served, idempotency_key="k")
    pool.begin(only(pool).id)
    assert call(served, idempotency_key="k")[1]["job_status"] == JobStatus.running.value
    with pytest.raises(UnknownNameError):
        pool.job("none")
    assert bodies.LARGE == 2**20
