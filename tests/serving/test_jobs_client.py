"""Can a Python program ask for jobs, wait for them, look at them and stop them?"""

from __future__ import annotations

import asyncio
import concurrent.futures
import io
import threading
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from chariots.errors import (
    BackendError,
    ConflictError,
    ExpiredError,
    InputError,
    NoWorkerPoolError,
    UnknownNameError,
    UnreachableError,
)
from chariots.serving import AsyncPipelinesClient, PipelineResponse, PipelinesClient, PipelinesServer, waiting
from chariots.testing import TestPipelinesClient
from chariots.web import RetryPolicy
from chariots.workers.job import Job, LogLine, Progress
from chariots.workers.job_status import JobStatus
from chariots.workers.rules import Canceled, Succeeded
from tests.blocking import Blocking, event_loop
from tests.serving.job_pool import StagedPool
from tests.serving.support import Boom, Echo, is_odd, live, one_op
from tests.serving.test_workers import ThreadPool


@pytest.fixture
def pool():
    return StagedPool()


@pytest.fixture
def app(pool):
    never = one_op(Echo(), "never", use_worker=False)
    return PipelinesServer([is_odd(), one_op(Boom(), "explodes"), never], "tests_app", worker_pool=pool)


class Whole(TestPipelinesClient):
    """Gets answers as a whole only."""

    __test__ = False

    def open_stream(self, *arguments, **options):
        return None


@pytest.fixture(params=["socket", "asyncio", "in_process", "whole"])
def caller(app, request):
    """A client over a real socket, one in an event loop, one without a socket, and one that has no stream either."""
    if request.param in ("in_process", "whole"):
        yield (TestPipelinesClient if request.param == "in_process" else Whole)(app)
        return
    with live(app) as url:
        if request.param == "socket":
            yield PipelinesClient(url)
            return
        with event_loop() as loop, Blocking(loop, AsyncPipelinesClient(url)) as client:
            yield client


def later(act, *arguments):
    threading.Timer(0.05, act, arguments).start()


# -- asking -------------------------------------------------------------------------------------------------------


def test_a_call_that_becomes_a_job_is_waited_for(caller, pool):
    queued = caller.call_pipeline("is_odd", 4, use_worker=True)
    assert (queued.job_status, queued.is_final) == (JobStatus.queued, False)
    later(pool.run_next)
    done = caller.wait(queued)
    assert (done.value, done.job_status, done.job_id, done.is_final) == (True, JobStatus.done, queued.job_id, True)
    assert done.versions == is_odd().versions()


def test_the_options_travel(caller, pool):
    first = caller.call_pipeline(is_odd(), 4, use_worker=True)
    moment = datetime.now(UTC) + timedelta(hours=1)
    caller.call_pipeline(
        "is_odd",
        4,
        priority=2,
        timeout=9,
        retries=RetryPolicy(3, 1.0, 2.0, 0.0),
        at=moment,
        every=60,
        after=first,
        result_ttl=5,
    )
    job = list(pool.known.values())[1]
    assert (job.priority, job.timeout, job.every, job.after, job.result_ttl) == (2, 9.0, 60.0, (first.job_id,), 5.0)
    assert job.retry == RetryPolicy(3, 1.0, 2.0, 0.0)
    assert job.run_at == pytest.approx(moment.timestamp(), abs=0.001)


def test_a_job_is_enqueued(caller, pool):
    first = caller.enqueue("is_odd", 4)
    second = caller.enqueue(is_odd(), kind="promote", input={"alias": "beta"}, after=[first, first.id])
    assert (first.status, first.target, second.kind) == (JobStatus.queued, "is_odd", "promote")
    assert second.after == (first.id,)
    assert pool.bodies[second.id] == b'{"alias":"beta"}'


def test_asking_again_with_a_key_gives_the_first_job(caller):
    first = caller.enqueue("is_odd", 4, idempotency_key="k")
    assert caller.enqueue("is_odd", 4, idempotency_key="k").id == first.id
    assert caller.call_pipeline("is_odd", 4, idempotency_key="k").job_id == first.id


def test_every_job_that_is_asked_for_has_a_key_so_that_it_can_be_asked_for_again(caller, pool):
    caller.call_pipeline("is_odd", 4, use_worker=True)
    caller.enqueue("is_odd", 4)
    keys = [job.idempotency_key for job in pool.known.values()]
    assert None not in keys
    assert len(set(keys)) == 2


class Losing(TestPipelinesClient):
    """Carries a request, loses the answer, and repeats it where that does no harm; as a session does."""

    __test__ = False

    def send(self, method, path, body=None, *, idempotent=True, quick=False):
        reply = super().send(method, path, body, idempotent=idempotent, quick=quick)
        if not idempotent:
            raise UnreachableError("the answer was lost")
        return super().send(method, path, body) if method == "POST" else reply


def test_a_lost_answer_makes_no_second_job(app, pool):
    caller = Losing(app)
    caller.call_pipeline("is_odd", 4, use_worker=True)
    caller.enqueue("is_odd", 4)
    assert len(pool.known) == 2


def test_a_call_that_may_run_in_the_request_is_not_repeated(app):
    for arguments in ({}, {"use_worker": False}):
        with pytest.raises(UnreachableError):
            Losing(app).call_pipeline("is_odd", 4, **arguments)
    with pytest.raises(UnreachableError):
        Losing(app).call_pipeline("never", 4, use_worker=True)


def test_where_a_pipeline_says_no_to_workers_a_wish_is_overruled_and_an_option_refused(caller, pool):
    assert caller.call_pipeline("never", 4, use_worker=True).value == 4
    with pytest.raises(InputError, match=r"^timeout was given"):
        caller.call_pipeline("never", 4, use_worker=True, timeout=5)
    with pytest.raises(InputError, match=r"^idempotency_key was given"):
        caller.call_pipeline("never", 4, use_worker=True, idempotency_key="mine")
    with pytest.raises(InputError, match="request says"):
        caller.call_pipeline("is_odd", 4, use_worker=False, timeout=5)
    assert not pool.known


def test_a_pool_that_knows_four_things_still_gets_calls(client):
    caller = client(is_odd(), worker_pool=ThreadPool())
    queued = caller.call_pipeline("is_odd", 4, use_worker=True)
    assert caller.wait(queued, timeout=60).value is True
    with pytest.raises(ConflictError, match="ThreadPool"):
        caller.call_pipeline("is_odd", 4, timeout=5)


def test_without_a_pool_an_option_is_refused(client):
    with pytest.raises(NoWorkerPoolError):
        client(is_odd()).call_pipeline("is_odd", 4, timeout=5)
    with pytest.raises(NoWorkerPoolError):
        client(is_odd()).enqueue("is_odd", 4)


@pytest.mark.parametrize(("option", "value"), [("timeout", -1), ("at", 5.0), ("retries", -1)])
def test_an_option_that_cannot_be_is_an_input_error_that_names_it(caller, option, value):
    with pytest.raises(InputError, match=option):
        caller.call_pipeline("is_odd", 4, **{option: value})
    with pytest.raises(InputError, match=option):
        caller.enqueue("is_odd", 4, **{option: value})


# -- waiting ------------------------------------------------------------------------------------------------------


def test_a_job_may_be_named_by_its_id_or_as_it_was_seen(caller, pool):
    job = caller.enqueue("is_odd", 4)
    pool.run_next()
    assert [caller.wait(each).value for each in (job, job.id, caller.wait(job))] == [True] * 3


def test_a_call_that_was_answered_at_once_needs_no_waiting(caller):
    answer = caller.call_pipeline("is_odd", 4)
    assert caller.wait(answer) is answer
    with pytest.raises(ValueError, match="without a job"):
        caller.job(answer)


def test_whoever_does_not_wait_for_ever_is_told_how_far_the_job_is(caller):
    job = caller.enqueue("is_odd", 4)
    with pytest.raises(TimeoutError, match=r"after 0\.05 s it is queued"):
        caller.wait(job, timeout=0.05)
    assert caller.job(job).status is JobStatus.queued


def test_a_failed_job_has_its_error_and_its_stack(caller, pool):
    job = caller.enqueue("explodes", 7)
    pool.run_next()
    response = caller.wait(job)
    assert response.job_status is JobStatus.failed
    with pytest.raises(Exception, match="cannot digest 7") as raised:
        response.raise_for_failure()
    assert "raise RuntimeError" in str(raised.value.__cause__)


def test_a_response_that_did_not_fail_is_passed_on():
    for status in (JobStatus.done, JobStatus.queued, None):
        response = PipelineResponse(1, {}, "j", status)
        assert response.raise_for_failure() is response


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_response_without_output_says_so(status):
    response = PipelineResponse.from_request({"pipeline_output": None, "job_id": "j", "job_status": status}, "p")
    with pytest.raises(BackendError, match=status):
        response.raise_for_failure()


def test_an_unknown_job_and_an_expired_one_are_told_apart(caller, pool):
    with pytest.raises(UnknownNameError):
        caller.wait("none")
    job = caller.enqueue("is_odd", 4)
    pool.run_next()
    pool.change(job.id, is_expired=True)
    with pytest.raises(ExpiredError):
        caller.wait(job)
    assert caller.job(job).is_expired


def test_where_no_place_is_free_a_client_asks_again(caller, app, pool):
    app.config[waiting.SEATS_KEY] = 0
    job = caller.enqueue("is_odd", 4)
    later(pool.run_next)
    assert caller.wait(job, timeout=60).value is True


def test_a_server_that_starts_again_does_not_end_the_waiting(app, pool):
    class Away(TestPipelinesClient):
        __test__ = False
        answers = 0

        def send(self, *arguments, **options):
            self.answers += 1
            if self.answers == 2:
                raise UnreachableError("it starts again")
            return super().send(*arguments, **options)

    caller = Away(app)
    job = caller.enqueue("is_odd", 4)
    pool.run_next()
    assert caller.wait(job).value is True


def test_a_server_that_stays_away_is_given_up(monkeypatch):
    monkeypatch.setattr("chariots.serving.pacing.AWAY_SECONDS", 0.1)
    caller = PipelinesClient("http://127.0.0.1:1", retries=0)
    with pytest.raises(UnreachableError):
        caller.wait("j")
    with pytest.raises(UnreachableError):
        list(caller.stream("j"))


def test_a_client_in_a_hurry_does_not_wait_at_the_server_for_longer_than_it_has():
    assert PipelinesClient(timeout=3).longest_wait == 1.5
    assert PipelinesClient().longest_wait == 20.0


# -- looking ------------------------------------------------------------------------------------------------------


def test_a_job_is_looked_up_with_all_that_is_known(caller, pool):
    job = caller.enqueue("is_odd", 4, retries=2)
    pool.begin(job.id)
    pool.change(job.id, progress=Progress(1, 2, "half", "isoddop"), worker="w1")
    found = caller.job(job)
    assert isinstance(found, Job)
    assert (found.progress, found.worker, found.retry.attempts) == (Progress(1, 2, "half", "isoddop"), "w1", 3)


def test_jobs_are_listed_over_several_pages(caller, pool, monkeypatch):
    monkeypatch.setattr("chariots.serving.job_calling._PAGE", 2)
    ids = [caller.enqueue("is_odd", 4).id for _ in range(5)]
    assert [job.id for job in caller.jobs()] == ids[::-1]
    assert [job.id for job in caller.jobs(limit=3)] == ids[:1:-1]
    assert caller.jobs(limit=0) == []


def test_jobs_are_listed_by_status_and_by_pipeline(caller, pool):
    failed = caller.enqueue("explodes", 7)
    pool.run_next()
    queued = caller.enqueue("is_odd", 4)
    assert [job.id for job in caller.jobs("failed")] == [failed.id]
    assert [job.id for job in caller.jobs(["failed", JobStatus.queued])] == [queued.id, failed.id]
    assert [job.id for job in caller.jobs(pipeline=is_odd())] == [queued.id]
    with pytest.raises(InputError, match="Did you mean 'failed'"):
        caller.jobs("faild")


def test_the_log_and_the_workers_are_told(caller, pool):
    job = caller.enqueue("is_odd", 4)
    pool.say(job.id, "one", "two")
    pool.hire()
    assert [(line.number, line.text) for line in caller.log(job)] == [(1, "one"), (2, "two")]
    assert [worker.name for worker in caller.workers()] == ["w1"]


def test_jobs_are_canceled_and_run_again(caller, pool):
    job = caller.enqueue("is_odd", 4)
    assert caller.cancel(job).status is JobStatus.canceled
    with pytest.raises(ConflictError):
        caller.cancel(job)
    assert caller.rerun(job).status is JobStatus.queued
    pool.run_next()
    with pytest.raises(ConflictError):
        caller.rerun(job)


# -- watching -----------------------------------------------------------------------------------------------------


def test_a_stream_tells_everything_once_and_ends(caller, pool):
    job = caller.enqueue("is_odd", 4)
    pool.say(job.id, "before")
    events = caller.stream(job)
    seen = [next(events), next(events)]
    pool.begin(job.id)
    seen.append(next(events))
    pool.change(job.id, progress=Progress(1, 2))
    seen.append(next(events))
    pool.say(job.id, "after")
    seen.append(next(events))
    pool.end(job.id, Succeeded(), b"true")
    seen += events
    told = [
        event.data.status.value
        if isinstance(event.data, Job)
        else event.data.text
        if isinstance(event.data, LogLine)
        else event.data.current
        for event in seen
    ]
    assert told == ["queued", "before", "running", 1, "after", "done"]


def test_a_stream_that_breaks_off_goes_on_where_it_was(app, pool):
    app.config[waiting.SEATS_KEY] = 0  # so that every stream ends at once
    with live(app) as url:
        caller = PipelinesClient(url)
        job = caller.enqueue("is_odd", 4)
        pool.say(job.id, "one")
        events = caller.stream(job)
        assert [next(events).kind, next(events).kind] == ["status", "log"]
        pool.begin(job.id)
        pool.say(job.id, "two")
        pool.end(job.id, Succeeded(), b"true")
        assert [event.kind for event in events] == ["log", "status"]


def test_a_stream_of_an_unknown_job_is_refused(caller):
    with pytest.raises(UnknownNameError):
        list(caller.stream("none"))


def test_a_bar_and_the_log_are_shown_while_a_job_is_watched(caller, pool):
    job = caller.enqueue("is_odd", 4)

    def work():
        pool.begin(job.id)
        pool.say(job.id, "[bold]a line")
        pool.change(job.id, progress=Progress(2, 5, "epoch", "isoddop"))
        pool.end(job.id, Succeeded(), b"true")

    later(work)
    shown = io.StringIO()
    response = caller.watch(job, console=Console(file=shown, width=100))
    assert response.value is True
    assert "[bold]a line" in shown.getvalue()
    assert "is_odd" in shown.getvalue()
    assert "2/5" in shown.getvalue()


def test_who_stops_watching_leaves_the_job_alone(caller, pool, monkeypatch):
    job = caller.enqueue("is_odd", 4)

    def interrupted(*_):
        raise asyncio.CancelledError if isinstance(caller, Blocking) else KeyboardInterrupt

    monkeypatch.setattr(pool, "wait", interrupted) if isinstance(caller, TestPipelinesClient) else monkeypatch.setattr(
        "chariots.serving.job_calling.EventReader", interrupted
    )
    with pytest.raises((KeyboardInterrupt, concurrent.futures.CancelledError)):
        caller.watch(job, console=Console(file=io.StringIO()))
    assert pool.job(job.id).status is JobStatus.queued
    assert not pool.job(job.id).cancel_requested


def test_a_watched_job_that_is_canceled_ends_the_watching(caller, pool):
    job = caller.enqueue("is_odd", 4)
    pool.begin(job.id)
    later(pool.end, job.id, Canceled())
    assert caller.watch(job, console=Console(file=io.StringIO())).job_status is JobStatus.canceled


def test_several_clients_wait_at_once(app, pool):
    with live(app) as url:
        jobs = [PipelinesClient(url).enqueue("is_odd", 4) for _ in range(8)]
        found = []
        threads = [threading.Thread(target=lambda j=j: found.append(PipelinesClient(url).wait(j).value)) for j in jobs]
        for thread in threads:
            thread.start()
        for _ in jobs:
            pool.run_next()
        for thread in threads:
            thread.join()
        assert found == [True] * 8
