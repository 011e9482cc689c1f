"""How does a job come to its end, and can it begin anew?"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

import pytest

from chariots.web.retry import RetryPolicy
from chariots.workers.job import LogLine, Progress
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import JobQuery, JobStore
from chariots.workers.rules import Canceled, Lost, Raised, Released, Succeeded, ended
from tests.workers.contract.support import (
    APP,
    BODY,
    ERROR,
    RESULT,
    WORKER,
    a_job,
    add,
    all_at_once,
    an_ended_job,
    claim,
    claim_of,
    fail,
    finish,
    long_ago,
    now_of,
)
from tests.workers.support import eventually

TWICE = RetryPolicy(attempts=2, base=0.01, maximum=0.01)
SLOWLY = RetryPolicy(attempts=2, base=1e6, maximum=1e6)


class SettlingContract:
    """What an attempt leaves behind."""

    def test_a_job_that_is_done_has_its_result(self, store: JobStore, other: JobStore) -> None:
        add(store)
        job = claim(store)
        assert store.settle(ended(job, Succeeded({"pca": "a.b.c_1.0"}, {"forest": "d.e.f_2.0"})), RESULT)
        done = now_of(other, job)
        assert (done.status, done.versions_used) == (JobStatus.done, {"pca": "a.b.c_1.0"})
        assert done.versions_produced == {"forest": "d.e.f_2.0"}
        assert done.ended_at is not None
        assert done.expires_at is not None
        assert other.result_of(done) == RESULT

    def test_a_job_may_be_done_without_a_result(self, store: JobStore) -> None:
        done = an_ended_job(store, partial(finish, result=None))
        assert done.status is JobStatus.done
        assert store.result_of(done) is None

    def test_a_large_result_comes_back_as_it_was(self, store: JobStore) -> None:
        result = bytes(range(256)) * 10_001
        assert store.result_of(an_ended_job(store, partial(finish, result=result))) == result

    def test_a_job_that_is_done_needs_its_input_no_more(self, store: JobStore) -> None:
        assert store.input_of(an_ended_job(store).id) is None

    def test_an_attempt_ends_once(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        assert finish(store, job)
        assert not finish(store, job, b'"again"')
        assert not fail(store, job)
        assert store.result_of(now_of(store, job)) == RESULT

    def test_of_many_ends_at_once_one_counts(self, store: JobStore, other: JobStore) -> None:
        add(store)
        job = claim(store)
        ends = [partial(finish, [store, other][number % 2], job, str(number).encode()) for number in range(8)]
        outcomes = all_at_once(ends)
        assert sum(outcomes) == 1
        assert store.result_of(now_of(store, job)) == str(outcomes.index(True)).encode()

    def test_a_job_that_waits_cannot_be_ended(self, store: JobStore) -> None:
        job = add(store)
        assert not finish(store, job)
        assert now_of(store, job) == job

    def test_a_job_that_failed_says_why_and_keeps_its_input(self, store: JobStore) -> None:
        failed = an_ended_job(store, fail)
        assert (failed.status, failed.error, failed.failures) == (JobStatus.failed, ERROR, 1)
        assert store.input_of(failed.id) == BODY

    def test_a_job_that_is_given_back_is_queued(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        assert store.settle(ended(job, Released()))
        assert now_of(store, job).status is JobStatus.queued
        assert store.input_of(job.id) == BODY

    def test_a_job_that_is_tried_again_waits_for_its_time(self, store: JobStore) -> None:
        add(store, retries=SLOWLY)
        job = claim(store)
        assert store.settle(ended(job, Raised(ERROR)))
        assert store.release_due() == 0
        waiting = now_of(store, job)
        assert (waiting.status, waiting.failures, waiting.error) == (JobStatus.deferred, 1, ERROR)
        assert store.claim(WORKER, APP) is None

    def test_a_job_whose_time_has_come_is_queued(self, store: JobStore, other: JobStore) -> None:
        add(store, retries=TWICE)
        job = claim(store)
        assert store.settle(ended(job, Raised(ERROR)))
        assert eventually(other.release_due, "the release of a job that is to be tried again") == 1
        again = claim(store)
        assert (again.id, again.attempts, again.failures) == (job.id, 2, 1)
        assert store.settle(ended(again, Raised(ERROR)))
        assert now_of(store, job).status is JobStatus.failed

    def test_a_job_is_released_once(self, store: JobStore, other: JobStore) -> None:
        store.add(replace(a_job(at=time.time() + 1e6), run_at=time.time() - 1), BODY)
        released = all_at_once([[store, other][number % 2].release_due for number in range(8)])
        assert sum(released) == 1

    @pytest.mark.parametrize("ending", [Released(), Raised(ERROR), Lost("it was silent")])
    def test_a_job_that_would_go_on_is_canceled_if_that_was_asked_for(self, store: JobStore, ending: Released) -> None:
        add(store, retries=TWICE)
        job = claim(store)
        store.cancel(job.id)
        assert store.settle(ended(job, ending))  # by one who has not heard of it
        canceled = now_of(store, job)
        assert canceled.status is JobStatus.canceled
        assert canceled.ended_at is not None
        assert canceled.expires_at is not None

    def test_a_job_that_was_done_before_it_could_be_stopped_is_done(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        store.cancel(job.id)
        assert finish(store, job)
        assert now_of(store, job).status is JobStatus.done


class KeepingContract:
    """How an outcome is put aside before it takes effect elsewhere."""

    def test_a_job_whose_outcome_is_kept_goes_on_running(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        assert store.keep(ended(job, Succeeded()), RESULT)
        assert now_of(store, job) == job
        assert store.result_of(job) is None

    def test_a_later_attempt_finds_what_an_earlier_one_kept(self, store: JobStore, other: JobStore) -> None:
        add(store)
        first = claim(store)
        outcome = ended(first, Succeeded({}, {"forest": "d.e.f_2.0"}))
        assert store.keep(outcome, RESULT)
        assert other.settle(ended(first, Lost("it was silent")))
        second = claim(other, "worker 2")
        found = other.kept(claim_of(first))
        assert found == outcome
        assert other.settle(replace(found, token=second.token, result_attempt=first.token))
        done = now_of(store, first)
        assert (done.status, done.versions_produced) == (JobStatus.done, {"forest": "d.e.f_2.0"})
        assert store.result_of(done) == RESULT

    def test_an_attempt_may_end_with_what_it_kept_itself(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        outcome = ended(job, Succeeded())
        store.keep(outcome, RESULT)
        assert store.settle(replace(outcome, result_attempt=job.token))
        assert store.result_of(now_of(store, job)) == RESULT

    def test_an_outcome_without_a_result_is_kept_too(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        failed = ended(job, Raised(ERROR, is_final=True))
        assert store.keep(failed, None)
        assert store.kept(claim_of(job)) == failed

    def test_nothing_may_have_been_kept(self, store: JobStore) -> None:
        add(store)
        assert store.kept(claim_of(claim(store))) is None


class CancelingContract:
    """How somebody stops a job."""

    @pytest.mark.parametrize("options", [{}, {"at": 4e9}])
    def test_a_job_that_waits_is_canceled_at_once(self, store: JobStore, options: dict[str, float]) -> None:
        job = add(store, **options)
        canceled = store.cancel(job.id)
        assert canceled is not None
        assert (canceled.status, canceled.ended_at is None) == (JobStatus.canceled, False)
        assert now_of(store, job) == canceled
        assert store.claim(WORKER, APP) is None
        assert store.release_due() == 0

    def test_the_worker_of_a_job_that_runs_is_asked_to_stop(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        assert store.cancel(job.id) == replace(job, cancel_requested=True)
        assert store.settle(ended(job, Canceled()))
        assert now_of(store, job).status is JobStatus.canceled

    @pytest.mark.parametrize("how", [finish, fail])
    def test_a_job_that_has_ended_stays_as_it_is(self, store: JobStore, how: object) -> None:
        job = an_ended_job(store, how)
        assert store.cancel(job.id) == job
        assert now_of(store, job) == job

    def test_a_job_is_canceled_once(self, store: JobStore) -> None:
        job = add(store)
        first = store.cancel(job.id)
        assert store.cancel(job.id) == first

    def test_a_job_that_nobody_knows_cannot_be_canceled(self, store: JobStore) -> None:
        assert store.cancel("nobody") is None

    def test_a_job_is_claimed_or_canceled_but_never_both(self, store: JobStore, other: JobStore) -> None:
        for _ in range(10):
            job = add(store)
            running, canceled = all_at_once([partial(other.claim, WORKER, APP), partial(store.cancel, job.id)])
            assert canceled is not None
            assert (canceled.status is JobStatus.canceled) is (running is None)
            if running is not None:
                assert finish(store, running)


class RerunningContract:
    """How a job that came to a bad end begins anew."""

    def test_a_job_that_failed_is_queued_as_if_it_had_never_run(self, store: JobStore) -> None:
        added = add(store)
        job = claim(store)
        store.report(claim_of(job), Progress(1, 2))
        fail(store, job)
        again = store.rerun(added.id)
        assert again is not None
        assert replace(again, token=added.token, reruns=0) == added
        assert again.reruns == 1
        assert now_of(store, added) == again
        assert store.input_of(added.id) == BODY
        running = claim(store)
        assert (running.id, running.attempts) == (added.id, 1)
        assert running.token > job.token

    def test_a_job_that_was_canceled_may_run_after_all(self, store: JobStore) -> None:
        job = add(store)
        store.cancel(job.id)
        assert store.rerun(job.id) == replace(job, reruns=1)
        assert finish(store, claim(store))

    def test_a_job_that_was_stopped_while_it_ran_may_run_after_all(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        store.cancel(job.id)
        store.settle(ended(job, Canceled()))
        again = store.rerun(job.id)
        assert again is not None
        assert (again.status, again.cancel_requested) == (JobStatus.queued, False)

    def test_the_attempts_of_an_earlier_run_stay_powerless(self, store: JobStore) -> None:
        add(store)
        late = claim(store)
        fail(store, late)
        store.rerun(late.id)
        claim(store)
        assert not finish(store, late)
        assert store.beat([claim_of(late)]) == {late.id: None}

    def test_a_job_that_is_done_stays_so(self, store: JobStore) -> None:
        done = an_ended_job(store)
        assert store.rerun(done.id) == done
        assert store.claim(WORKER, APP) is None

    def test_a_job_that_has_not_ended_stays_as_it_is(self, store: JobStore) -> None:
        waiting = add(store)
        assert store.rerun(waiting.id) == waiting
        running = claim(store)
        assert store.rerun(running.id) == running

    def test_a_job_whose_input_is_gone_stays_as_it_is(self, store: JobStore) -> None:
        add(store, result_ttl=0.0)
        job = claim(store)
        fail(store, job)
        store.expire()
        expired = now_of(store, job)
        assert store.rerun(job.id) == expired
        assert store.claim(WORKER, APP) is None

    def test_a_job_that_nobody_knows_cannot_run_again(self, store: JobStore) -> None:
        assert store.rerun("nobody") is None


class ExpiringContract:
    """How long something is kept."""

    @pytest.mark.parametrize("how", [finish, fail])
    def test_what_a_job_left_is_given_up_when_its_time_is_over(self, store: JobStore, how: object) -> None:
        add(store, result_ttl=0.0)
        job = claim(store)
        store.report(claim_of(job), Progress(1), [LogLine(0, 1.0, "INFO", "line")])
        how(store, job)
        before = now_of(store, job)
        assert store.expire() == 1
        after = now_of(store, job)
        assert after == replace(before, is_expired=True)
        assert (store.result_of(after), store.input_of(job.id), store.log_of(job.id)) == (None, None, [])
        assert store.expire() == 0

    def test_what_is_still_to_be_kept_is_kept(self, store: JobStore) -> None:
        done = an_ended_job(store)
        add(store)
        assert store.expire() == 0
        assert now_of(store, done) == done
        assert store.result_of(done) == RESULT

    def test_a_job_whose_result_has_been_gone_for_long_is_forgotten(self, store: JobStore) -> None:
        for days in (29, 31):
            add(store, idempotency_key=str(days))
            assert store.settle(long_ago(ended(claim(store), Succeeded()), days), RESULT)
        while store.expire():
            pass
        (kept,) = store.find(JobQuery())
        assert (kept.idempotency_key, kept.is_expired) == ("29", True)
        assert add(store, idempotency_key="31").status is JobStatus.queued
        assert add(store, idempotency_key="29") == kept

    def test_of_many_who_expire_at_once_one_counts(self, store: JobStore, other: JobStore) -> None:
        an_ended_job(store, result_ttl=0.0)
        assert sum(all_at_once([[store, other][number % 2].expire for number in range(8)])) == 1
