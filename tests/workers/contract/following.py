"""What follows from the end of a job? (those that wait for it, and the next one of its series)"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

import pytest

from chariots.web.retry import RetryPolicy
from chariots.workers.job import Job
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import JobQuery, JobStore
from chariots.workers.rules import Raised, Released, Succeeded, ended
from tests.workers.contract.support import (
    APP,
    BODY,
    ERROR,
    WORKER,
    a_job,
    add,
    all_at_once,
    an_ended_job,
    claim,
    fail,
    finish,
    now_of,
)
from tests.workers.support import eventually


class WaitingForParentsContract:
    """What becomes of a job that waits for others."""

    def test_a_job_waits_until_the_one_before_it_is_done(self, store: JobStore, other: JobStore) -> None:
        parent = add(store)
        child = add(store, after=(parent.id,))
        assert child.status is JobStatus.deferred
        running = claim(store)
        assert running.id == parent.id
        assert store.claim(WORKER, APP) is None
        assert other.release_due() == 0
        assert finish(store, running)
        assert now_of(store, child).status is JobStatus.queued
        assert claim(store).id == child.id

    def test_a_job_waits_for_all_of_those_before_it(self, store: JobStore) -> None:
        parents = [add(store), add(store)]
        child = add(store, after=tuple(parent.id for parent in parents))
        assert finish(store, claim(store))
        assert now_of(store, child).status is JobStatus.deferred
        assert finish(store, claim(store))
        assert now_of(store, child).status is JobStatus.queued

    def test_every_job_that_waits_is_freed(self, store: JobStore) -> None:
        parent = add(store)
        children = [add(store, after=(parent.id,)) for _ in range(3)]
        assert finish(store, claim(store))
        assert [now_of(store, child).status for child in children] == [JobStatus.queued] * 3

    def test_a_job_need_not_wait_for_what_is_done(self, store: JobStore) -> None:
        parent = an_ended_job(store)
        child = add(store, after=(parent.id,))
        assert child.status is JobStatus.queued
        assert claim(store).id == child.id

    def test_a_job_waits_for_its_own_time_too(self, store: JobStore) -> None:
        parent = add(store)
        child = add(store, after=(parent.id,), at=time.time() + 1e6)
        finish(store, claim(store))
        assert store.release_due() == 0
        assert now_of(store, child).status is JobStatus.deferred

    def test_a_job_that_waits_for_its_time_also_waits_for_those_before_it(self, store: JobStore) -> None:
        parent = add(store)
        child = store.add(replace(a_job(after=(parent.id,)), run_at=time.time() - 1), BODY)
        assert store.release_due() == 0
        assert now_of(store, child).status is JobStatus.deferred

    def test_a_job_goes_on_waiting_while_the_one_before_it_is_tried_again(self, store: JobStore) -> None:
        parent = add(store, retries=RetryPolicy(attempts=2, base=0.01, maximum=0.01))
        child = add(store, after=(parent.id,))
        assert store.settle(ended(claim(store), Raised(ERROR)))
        assert now_of(store, child).status is JobStatus.deferred
        eventually(store.release_due, "the release of the parent")
        assert finish(store, claim(store))
        assert now_of(store, child).status is JobStatus.queued

    def test_a_job_fails_with_the_one_before_it(self, store: JobStore) -> None:
        parent = add(store)
        child = add(store, after=(parent.id,), at=time.time() + 1e6)
        assert fail(store, claim(store))
        failed = now_of(store, child)
        assert failed.status is JobStatus.failed
        assert parent.id in str(failed.error)
        assert failed.expires_at is not None
        assert store.claim(WORKER, APP) is None

    def test_a_job_fails_when_the_one_before_it_is_canceled(self, store: JobStore) -> None:
        parent = add(store)
        child = add(store, after=(parent.id,))
        store.cancel(parent.id)
        assert now_of(store, child).status is JobStatus.failed

    def test_a_long_row_of_jobs_fails_as_one(self, store: JobStore) -> None:
        row = [add(store)]
        for _ in range(60):
            row.append(add(store, after=(row[-1].id,)))
        assert fail(store, claim(store))
        assert {now_of(store, job).status for job in row} == {JobStatus.failed}
        assert row[-2].id in str(now_of(store, row[-1]).error)

    def test_a_job_that_was_to_follow_a_failed_one_fails_by_the_next_sweep(self, store: JobStore) -> None:
        parent = an_ended_job(store, fail)
        child = add(store, after=(parent.id,))
        store.release_due()
        assert now_of(store, child).status is JobStatus.failed

    def test_a_job_that_runs_again_waits_for_the_one_before_it_again(self, store: JobStore) -> None:
        parent = add(store)
        child = add(store, after=(parent.id,))
        fail(store, claim(store))
        store.rerun(parent.id)
        again = store.rerun(child.id)
        assert again is not None
        assert again.status is JobStatus.deferred
        assert finish(store, claim(store))
        assert now_of(store, child).status is JobStatus.queued

    def test_a_job_whose_parents_end_at_once_is_freed_by_the_next_sweep(self, store: JobStore, other: JobStore) -> None:
        for _ in range(5):
            parents = [add(store), add(store)]
            child = add(store, after=tuple(parent.id for parent in parents))
            running = [claim(store), claim(store)]
            ends = [partial(finish, each, job) for each, job in zip([store, other], running, strict=True)]
            assert all(all_at_once(ends))
            store.release_due()
            assert claim(store).id == child.id

    def test_a_job_that_is_added_while_the_one_before_it_ends_is_freed(self, store: JobStore, other: JobStore) -> None:
        for _ in range(10):
            parent = add(store)
            running = claim(store)
            child = a_job(after=(parent.id,))
            all_at_once([partial(finish, other, running), partial(store.add, child, BODY)])
            store.release_due()
            assert claim(store).id == child.id


class SeriesContract:
    """What becomes of a job that runs every so many seconds."""

    def series(self, store: JobStore) -> Job:
        """The next job of a series, and that there is one only."""
        (found,) = store.find(JobQuery(statuses=(JobStatus.deferred,)))
        return found

    @pytest.mark.parametrize("how", [finish, fail])
    def test_a_series_goes_on_with_its_input(self, store: JobStore, how: object) -> None:
        first = add(store, every=3600.0, priority=3, timeout=5.0, concurrency=1)
        assert how(store, claim(store))
        following = self.series(store)
        assert following.id != first.id
        assert (following.series, following.every, following.target) == (first.id, 3600.0, first.target)
        assert (following.priority, following.timeout, following.concurrency) == (3, 5.0, 1)
        assert following.run_at == pytest.approx(first.run_at + 3600.0)
        assert store.input_of(following.id) == BODY

    def test_the_next_job_of_a_series_runs_when_its_time_comes(self, store: JobStore) -> None:
        for number in range(3):
            store.add(a_job(every=1.0, now=time.time() - 1.5), BODY) if not number else None
            running = claim(store)
            assert running.attempts == 1
            assert store.input_of(running.id) == BODY
            assert finish(store, running)
            if number < 2:
                eventually(store.release_due, "the time of the next job")

    def test_a_series_has_one_next_job(self, store: JobStore, other: JobStore) -> None:
        add(store, every=3600.0)
        job = claim(store)
        all_at_once([partial(finish, [store, other][number % 2], job) for number in range(8)])
        self.series(store)

    def test_a_series_waits_while_its_job_is_tried_again(self, store: JobStore) -> None:
        add(store, every=3600.0)
        assert store.settle(ended(claim(store), Released()))
        assert len(store.find(JobQuery())) == 1

    def test_a_job_of_a_series_that_failed_may_run_again_and_adds_no_second_series(self, store: JobStore) -> None:
        first = add(store, every=3600.0)
        assert fail(store, claim(store))
        following = self.series(store)
        again = store.rerun(first.id)
        assert again is not None
        assert again.status is JobStatus.queued
        assert finish(store, claim(store))
        assert self.series(store) == following
        assert store.input_of(following.id) == BODY

    def test_a_series_ends_when_a_job_of_it_is_canceled(self, store: JobStore) -> None:
        add(store, every=3600.0)
        finish(store, claim(store))
        store.cancel(self.series(store).id)
        assert store.find(JobQuery(statuses=(JobStatus.deferred, JobStatus.queued))) == []

    def test_a_series_ends_when_a_job_of_it_is_stopped(self, store: JobStore) -> None:
        add(store, every=3600.0)
        job = claim(store)
        store.cancel(job.id)
        assert store.settle(ended(replace(job, cancel_requested=True), Released()))
        assert [each.status for each in store.find(JobQuery())] == [JobStatus.canceled]

    def test_times_that_were_missed_are_not_made_up_for(self, store: JobStore) -> None:
        store.add(a_job(every=60.0, now=time.time() - 1000.0), BODY)
        assert store.settle(ended(claim(store), Succeeded()))
        following = self.series(store)
        assert following.run_at is not None
        assert time.time() < following.run_at <= time.time() + 60.0
