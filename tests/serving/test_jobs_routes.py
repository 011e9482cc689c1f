"""What do the routes tell of jobs, and what do they do to them?"""

from __future__ import annotations

import threading

import pytest

from chariots.serving import waiting
from chariots.workers.job import Progress
from chariots.workers.job_status import JobStatus
from chariots.workers.rules import Canceled, Raised, Succeeded
from tests.serving.job_pool import StagedPool
from tests.serving.support import Boom, Http, is_odd, one_op
from tests.serving.test_workers import ThreadPool


@pytest.fixture
def pool():
    return StagedPool()


@pytest.fixture
def served(http, pool):
    return http(is_odd(), one_op(Boom(), "explodes"), worker_pool=pool)


def enqueue(served, target="is_odd", **options):
    return served.post("/jobs", {"target": target, "input": 4, **options}).json()["id"]


def get(served, path):
    answer = served.request("GET", path)
    return answer.status, answer.json()


def post(served, path):
    answer = served.post(path)
    return answer.status, answer.json()


def later(act, *arguments):
    """Does something while a request waits."""
    thread = threading.Timer(0.05, act, arguments)
    thread.start()
    return thread


# -- lists --------------------------------------------------------------------------------------------------------


def test_jobs_are_listed_the_newest_first_page_by_page(served):
    ids = [enqueue(served) for _ in range(5)]
    _, page = get(served, "/jobs?limit=2")
    assert [job["id"] for job in page["jobs"]] == [ids[4], ids[3]]
    _, page = get(served, f"/jobs?limit=2&before={page['next']}")
    assert [job["id"] for job in page["jobs"]] == [ids[2], ids[1]]
    _, page = get(served, f"/jobs?limit=2&before={page['next']}")
    assert ([job["id"] for job in page["jobs"]], page["next"]) == ([ids[0]], None)


def test_a_page_that_ends_with_the_list_has_no_next(served):
    for _ in range(2):
        enqueue(served)
    assert get(served, "/jobs?limit=2")[1]["next"] is None


def test_jobs_are_listed_by_status_and_by_pipeline(served, pool):
    failing, waiting_one = enqueue(served, "explodes"), enqueue(served)
    pool.run_next()
    assert [job["id"] for job in get(served, "/jobs?status=failed")[1]["jobs"]] == [failing]
    assert [job["id"] for job in get(served, "/jobs?status=failed,queued")[1]["jobs"]] == [waiting_one, failing]
    assert [job["id"] for job in get(served, "/jobs?pipeline=is_odd")[1]["jobs"]] == [waiting_one]


@pytest.mark.parametrize("query", ["status=lost", "limit=0", "limit=many", "limit=1001", "limit=nan"])
def test_a_list_that_cannot_be_is_a_422_that_names_the_parameter(served, query):
    status, answer = get(served, f"/jobs?{query}")
    assert (status, answer["errors"][0]["loc"]) == (422, [query.partition("=")[0]])


def test_workers_are_listed(served, pool):
    pool.hire()
    status, answer = get(served, "/workers")
    assert (status, [worker["name"] for worker in answer["workers"]]) == (200, ["w1"])


# -- one job ------------------------------------------------------------------------------------------------------


def test_a_job_is_shown_with_a_hint_while_nobody_works(served, pool):
    job_id = enqueue(served)
    status, answer = get(served, f"/jobs/{job_id}")
    assert (status, answer["status"]) == (200, "queued")
    assert "chariots worker tests_app:app" in answer["hint"]
    pool.hire()
    assert "hint" not in get(served, f"/jobs/{job_id}")[1]


@pytest.mark.parametrize("path", ["", "/result", "/log", "/events"])
def test_an_unknown_job_is_a_404(served, path):
    assert get(served, f"/jobs/none{path}")[0] == 404
    assert post(served, "/jobs/none/cancel")[0] == post(served, "/jobs/none/rerun")[0] == 404


def test_fetch_is_a_route_and_no_job(served):
    assert get(served, "/jobs/fetch/")[0] == 405


def test_a_request_that_waits_is_answered_when_the_job_changes(served, pool):
    job_id = enqueue(served)
    later(pool.begin, job_id)
    assert get(served, f"/jobs/{job_id}?wait=30")[1]["status"] == "running"


def test_a_request_that_has_seen_another_state_is_answered_at_once(served, pool):
    job_id = enqueue(served)
    mark = served.request("GET", f"/jobs/{job_id}").headers["ETag"].strip('"')
    pool.begin(job_id)
    assert get(served, f"/jobs/{job_id}?wait=30&seen={mark}")[1]["status"] == "running"


def test_a_final_job_is_not_waited_for(served, pool):
    enqueue(served)
    assert get(served, f"/jobs/{pool.run_next()}?wait=30")[1]["status"] == "done"


@pytest.mark.parametrize("wait", ["-1", "long", "nan"])
def test_a_time_to_wait_that_cannot_be_is_a_422(served, wait):
    status, answer = get(served, f"/jobs/{enqueue(served)}?wait={wait}")
    assert (status, answer["errors"][0]["loc"]) == (422, ["wait"])


def test_the_result_is_the_documented_answer_and_is_waited_for_through_every_change(served, pool):
    job_id = enqueue(served)

    def work():
        pool.begin(job_id)
        pool.change(job_id, progress=Progress(1, 2))
        pool.end(job_id, Succeeded({"a": "1.2.3_4"}), b"true")

    later(work)
    status, answer = get(served, f"/jobs/{job_id}/result?wait=30")
    assert status == 200
    assert answer == {"pipeline_output": True, "versions": {"a": "1.2.3_4"}, "job_id": job_id, "job_status": "done"}


def test_a_result_that_is_not_there_yet_is_null(served):
    job_id = enqueue(served)
    assert get(served, f"/jobs/{job_id}/result")[1]["job_status"] == "queued"


def test_the_result_of_a_pool_that_knows_only_four_things_is_told_too(http):
    served = http(is_odd(), worker_pool=ThreadPool())
    served.post("/pipelines/is_odd/main", {"pipeline_input": 4, "use_worker": True})
    assert get(served, "/jobs/job%201/result?wait=1")[1]["pipeline_output"] is True


def test_an_expired_result_is_a_410_and_the_job_is_still_shown(served, pool):
    enqueue(served)
    job_id = pool.run_next()
    pool.change(job_id, is_expired=True)
    status, answer = get(served, f"/jobs/{job_id}/result")
    assert (status, answer["type"]) == (410, "urn:chariots:expired")
    assert served.post("/jobs/fetch/", {"job_id": job_id}).status == 410
    assert get(served, f"/jobs/{job_id}")[1]["is_expired"] is True


def test_the_log_is_shown_from_any_line_on(served, pool):
    job_id = enqueue(served)
    pool.say(job_id, "one", "two", "three")
    assert [line["text"] for line in get(served, f"/jobs/{job_id}/log")[1]["lines"]] == ["one", "two", "three"]
    assert [line["number"] for line in get(served, f"/jobs/{job_id}/log?after=2")[1]["lines"]] == [3]


# -- stopping and running again -----------------------------------------------------------------------------------


def test_a_job_that_waits_is_canceled(served):
    job_id = enqueue(served)
    status, answer = post(served, f"/jobs/{job_id}/cancel")
    assert (status, answer["status"]) == (200, "canceled")


def test_a_job_that_runs_is_canceled_once_its_worker_has_stopped_it(served, pool):
    job_id = enqueue(served)
    pool.begin(job_id)
    later(pool.end, job_id, Canceled())
    status, answer = post(served, f"/jobs/{job_id}/cancel")
    assert (status, answer["status"]) == (200, "canceled")
    assert "is canceled" in answer["detail"]


def test_a_job_that_is_done_before_it_could_be_stopped_is_told_as_done(served, pool):
    job_id = enqueue(served)
    pool.begin(job_id)
    later(pool.end, job_id, Succeeded(), b"1")
    status, answer = post(served, f"/jobs/{job_id}/cancel")
    assert (status, answer["status"]) == (200, "done")
    assert "done before it could be stopped" in answer["detail"]


def test_a_job_that_is_not_stopped_in_time_is_told_as_running(served, pool, monkeypatch):
    monkeypatch.setattr("chariots.serving.job_routes._STOP_SECONDS", 0.05)
    job_id = enqueue(served)
    pool.begin(job_id)
    status, answer = post(served, f"/jobs/{job_id}/cancel")
    assert (status, answer["status"], answer["cancel_requested"]) == (202, "running", True)
    assert "still running" in answer["detail"]


def test_a_job_that_is_over_cannot_be_canceled(served, pool):
    enqueue(served)
    assert post(served, f"/jobs/{pool.run_next()}/cancel")[0] == 409


def test_a_job_that_failed_runs_again(served, pool):
    job_id = enqueue(served, "explodes")
    pool.run_next()
    assert pool.job(job_id).status is JobStatus.failed
    status, answer = post(served, f"/jobs/{job_id}/rerun")
    assert (status, answer["status"], answer["error"]) == (200, "queued", None)


def test_a_job_that_is_done_does_not_run_again(served, pool):
    enqueue(served)
    assert post(served, f"/jobs/{pool.run_next()}/rerun")[0] == 409


@pytest.mark.parametrize("path", ["/jobs", "/workers", "/jobs/job%201", "/jobs/job%201/log"])
def test_a_pool_that_cannot_tell_refuses_with_409(http, path):
    assert get(http(is_odd(), worker_pool=ThreadPool()), path)[0] == 409


# -- how many may wait --------------------------------------------------------------------------------------------


def test_only_some_may_wait_and_the_others_are_answered_at_once():
    room = waiting.WaitingRoom(1)
    with room.seat() as first, room.seat() as second:
        assert (first, second) == (True, False)
    with room.seat() as again:
        assert again


def test_whoever_finds_no_place_is_told_what_is_known(serve, pool):
    url = serve(is_odd(), worker_pool=pool)
    pool_app = Http(url)
    job_id = enqueue(pool_app)
    pool.app.config[waiting.SEATS_KEY] = 0
    assert get(pool_app, f"/jobs/{job_id}?wait=30")[1]["status"] == "queued"
    assert get(pool_app, f"/jobs/{job_id}/result?wait=30")[1]["job_status"] == "queued"


def test_a_failure_is_told_with_its_stack(served, pool):
    job_id = enqueue(served)
    pool.begin(job_id)
    pool.end(job_id, Raised({"type": "urn:chariots:op-failed", "detail": "it broke", "status": 500}))
    assert get(served, f"/jobs/{job_id}/result")[1]["error"]["detail"] == "it broke"
