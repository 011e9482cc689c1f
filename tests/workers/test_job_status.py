"""Is every state of RQ known, and are ours as documented?"""

from __future__ import annotations

import pytest
from rq.job import JobStatus as RQJobStatus

from chariots.workers import JobStatus


def test_the_states_are_those_that_are_documented():
    assert {status.name: status.value for status in JobStatus} == {
        "queued": "queued",
        "running": "running",
        "done": "done",
        "failed": "failed",
        "deferred": "deferred",
        "canceled": "canceled",
    }


def test_a_job_that_has_ended_is_known_as_such():
    final = {JobStatus.done, JobStatus.failed, JobStatus.canceled}
    assert {status for status in JobStatus if status.is_final} == final


def test_a_state_prints_as_documented():
    assert str(JobStatus.queued) == "JobStatus.queued"


@pytest.mark.parametrize("rq_status", list(RQJobStatus))
def test_every_state_of_rq_has_one_of_ours(rq_status):
    assert isinstance(JobStatus.from_rq(rq_status), JobStatus)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("created", JobStatus.queued),
        ("queued", JobStatus.queued),
        ("started", JobStatus.running),
        ("finished", JobStatus.done),
        ("failed", JobStatus.failed),
        ("stopped", JobStatus.canceled),
        ("canceled", JobStatus.canceled),
        ("deferred", JobStatus.deferred),
        ("scheduled", JobStatus.deferred),
        ("rate_limited", JobStatus.deferred),
        ("ready_to_enqueue", JobStatus.queued),
    ],
)
def test_a_state_of_rq_is_read_from_its_text_as_well(word, status):
    assert JobStatus.from_rq(word) is status
    for of_this_rq in RQJobStatus:
        if of_this_rq.value == word:
            assert JobStatus.from_rq(of_this_rq) is status


def test_a_state_that_nobody_knows_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"'finishd'.*Did you mean 'finished'"):
        JobStatus.from_rq("finishd")
