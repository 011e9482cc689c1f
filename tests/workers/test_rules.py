"""What becomes of a job, whatever happens to it?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from chariots.web.retry import RetryPolicy
from chariots.workers.job import Job, Progress
from chariots.workers.job_options import JobOptions
from chariots.workers.job_status import JobStatus
from chariots.workers.rules import (
    MOST_DEATHS,
    Canceled,
    Ending,
    Lost,
    Raised,
    Released,
    Succeeded,
    ended,
    new_job,
    parent_failed,
    successor,
)

NOW = 1_800_000_000.0
ERROR = {"detail": "it failed"}
RUNNING = Job("id", "a:b", "pipeline", "train", JobStatus.running, token=1, attempts=1, result_ttl=60.0, created_at=NOW)


def asked(**options: object) -> Job:
    """A new job."""
    given = JobOptions(**options)  # type: ignore[arg-type]
    return new_job("a:b", "pipeline", "train", given, input_sha256="5a", input_size=2, result_ttl=60.0, now=NOW)


def test_a_new_job_is_queued() -> None:
    job = asked()
    assert (job.status, job.created_at, job.run_at, job.series) == (JobStatus.queued, NOW, None, None)
    assert (job.input_sha256, job.input_size, job.result_ttl) == ("5a", 2, 60.0)
    assert job.id != asked().id


@pytest.mark.parametrize("options", [{"at": NOW + 1}, {"after": ("other",)}])
def test_a_job_that_has_to_wait_is_deferred(options: dict[str, object]) -> None:
    assert asked(**options).status is JobStatus.deferred


def test_a_job_whose_time_has_come_is_queued() -> None:
    assert asked(at=NOW - 1).status is JobStatus.queued


def test_a_job_that_runs_every_so_often_begins_a_series() -> None:
    job = asked(every=60.0)
    assert (job.series, job.run_at, job.status) == (job.id, NOW, JobStatus.queued)


def test_the_time_a_result_is_kept_may_be_nothing() -> None:
    assert asked(result_ttl=0.0).result_ttl == 0.0


def test_a_job_that_succeeded_is_done() -> None:
    job = ended(replace(RUNNING, error=ERROR), Succeeded({"pca": "1"}, {"forest": "2"}), NOW)
    assert (job.status, job.ended_at, job.expires_at, job.error) == (JobStatus.done, NOW, NOW + 60.0, None)
    assert job.versions == {"pca": "1", "forest": "2"}


def test_a_job_that_succeeded_is_done_even_if_it_was_to_stop() -> None:
    assert ended(replace(RUNNING, cancel_requested=True), Succeeded(), NOW).status is JobStatus.done


def test_a_job_without_another_try_has_failed() -> None:
    job = ended(RUNNING, Raised(ERROR, used={"pca": "1"}), NOW)
    assert (job.status, job.failures, job.error) == (JobStatus.failed, 1, ERROR)
    assert (job.ended_at, job.expires_at, job.versions_used) == (NOW, NOW + 60.0, {"pca": "1"})


def test_a_job_with_another_try_waits_for_it() -> None:
    policy = RetryPolicy(attempts=3, base=10.0, maximum=15.0, jitter=0.0)
    job = ended(replace(RUNNING, retry=policy), Raised(ERROR), NOW)
    assert (job.status, job.run_at, job.ended_at) == (JobStatus.deferred, NOW + 10.0, None)
    job = ended(replace(job, status=JobStatus.running), Raised(ERROR), NOW)
    assert (job.status, job.run_at) == (JobStatus.deferred, NOW + 15.0)
    assert ended(replace(job, status=JobStatus.running), Raised(ERROR), NOW).status is JobStatus.failed


def test_a_failure_that_trying_again_cannot_help_is_final() -> None:
    job = replace(RUNNING, retry=RetryPolicy(attempts=9))
    assert ended(job, Raised(ERROR, is_final=True), NOW).status is JobStatus.failed


def test_a_job_that_lost_its_worker_is_queued_again() -> None:
    job = ended(RUNNING, Lost("it was silent"), NOW)
    assert (job.status, job.deaths, job.failures) == (JobStatus.queued, 1, 0)
    assert "it was silent" in str(job.error)


def test_a_job_that_takes_too_many_workers_with_it_has_failed() -> None:
    job = RUNNING
    for _ in range(MOST_DEATHS):
        assert job.status is JobStatus.running or job.status is JobStatus.queued
        job = ended(replace(job, status=JobStatus.running), Lost("it was silent"), NOW)
    assert (job.status, job.ended_at) == (JobStatus.failed, NOW)


def test_a_job_that_is_given_back_has_lost_nothing() -> None:
    job = ended(RUNNING, Released(), NOW)
    assert job == replace(RUNNING, status=JobStatus.queued)


@pytest.mark.parametrize("ending", [Raised(ERROR), Lost("it was silent"), Released(), Canceled()])
def test_a_job_that_was_to_stop_is_canceled_however_it_ended(ending: Ending) -> None:
    job = replace(RUNNING, cancel_requested=True, retry=RetryPolicy(attempts=9))
    found = ended(job, ending, NOW)
    assert (found.status, found.ended_at, found.expires_at) == (JobStatus.canceled, NOW, NOW + 60.0)


def test_a_job_fails_with_the_one_it_waited_for() -> None:
    parent = replace(RUNNING, id="parent", status=JobStatus.canceled)
    job = parent_failed(replace(RUNNING, status=JobStatus.deferred), parent, NOW)
    assert (job.status, job.expires_at) == (JobStatus.failed, NOW + 60.0)
    assert "'parent' (pipeline 'train'), which is canceled" in str(job.error)


def test_a_job_that_runs_once_has_no_successor() -> None:
    assert successor(ended(RUNNING, Succeeded(), NOW), NOW) is None


@pytest.mark.parametrize("ending", [Succeeded(), Raised(ERROR)])
def test_the_next_job_of_a_series_keeps_to_its_times(ending: Ending) -> None:
    job = asked(every=60.0, priority=2, timeout=3.0, concurrency=4)
    following = successor(ended(job, ending, NOW + 7.0), NOW + 7.0)
    assert following is not None
    assert (following.id, following.series, following.run_at) == (f"{job.id}-1", job.id, NOW + 60.0)
    assert following.status is JobStatus.deferred
    assert (following.priority, following.timeout, following.concurrency) == (2, 3.0, 4)
    assert (following.input_sha256, following.token, following.attempts) == (job.input_sha256, 0, 0)


def test_times_of_a_series_that_were_missed_are_left_out() -> None:
    following = successor(asked(every=60.0), NOW + 185.0)
    assert following is not None
    assert following.run_at == NOW + 240.0


def test_the_jobs_of_a_series_are_numbered() -> None:
    first = asked(every=60.0)
    second = successor(first, NOW)
    assert second is not None
    third = successor(second, NOW + 60.0)
    assert third is not None
    assert third.id == f"{first.id}-2"


def test_the_next_job_of_a_series_has_no_key_and_waits_for_nobody() -> None:
    following = successor(asked(every=60.0, idempotency_key="key", after=("other",)), NOW)
    assert following is not None
    assert (following.idempotency_key, following.after) == (None, ())


def test_the_next_job_of_a_series_is_in_no_trace_of_another_one() -> None:
    following = successor(replace(asked(every=60.0), traceparent="00-1-2-01"), NOW)
    assert following is not None
    assert following.traceparent is None


def test_a_series_ends_with_a_job_that_was_canceled() -> None:
    assert successor(ended(asked(every=60.0), Canceled(), NOW), NOW) is None


def test_a_job_travels_as_json_and_comes_back() -> None:
    job = replace(asked(every=60.0, after=("a",)), progress=Progress(1, 2, "m", "n"), error=ERROR)
    assert Job.from_mapping(job.as_mapping()) == job
    assert Job.from_mapping({**job.as_mapping(), "of a newer release": 1}) == job
