"""Does a worker get the right job, and is it listened to for as long as the job is its own?"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

import pytest

from chariots.workers.job import LogLine, Progress, WorkerInfo
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import Claim, JobStore
from chariots.workers.leases import Beat, LeaseWatch
from chariots.workers.rules import Lost, Released, Succeeded, ended
from tests.workers.contract.support import (
    APP,
    RESULT,
    WORKER,
    add,
    all_at_once,
    claim,
    claim_of,
    fail,
    finish,
    now_of,
)

GONE = LeaseWatch(lease=0.0)  # takes every worker for dead


class ClaimingContract:
    """Which job a worker is given."""

    def test_there_may_be_nothing_to_do(self, store: JobStore) -> None:
        assert store.claim(WORKER, APP) is None

    def test_a_claimed_job_runs(self, store: JobStore) -> None:
        before = time.time() - 1.0
        added = add(store)
        job = claim(store)
        assert (job.id, job.status, job.worker, job.attempts) == (added.id, JobStatus.running, WORKER, 1)
        assert job.token > added.token
        assert job.started_at is not None
        assert before <= job.started_at <= time.time() + 1.0
        assert now_of(store, added) == job

    def test_a_claimed_job_is_not_claimed_again(self, store: JobStore, other: JobStore) -> None:
        add(store)
        claim(store)
        assert other.claim("worker 2", APP) is None

    def test_the_oldest_job_comes_first(self, store: JobStore, other: JobStore) -> None:
        added = [add([store, other][number % 2]).id for number in range(6)]
        assert [claim(store).id for _ in added] == added

    def test_the_greatest_priority_comes_first_and_then_the_oldest_job(self, store: JobStore) -> None:
        priorities = [0, 5, -5, 2**31 - 1, 5, 0, -(2**31 - 1)]
        added = [add(store, priority=priority) for priority in priorities]
        expected = sorted(added, key=lambda job: -job.priority)  # which keeps equals in their order
        assert [claim(store).id for _ in added] == [job.id for job in expected]

    def test_a_worker_gets_the_jobs_of_its_app_alone(self, store: JobStore) -> None:
        add(store, app="other:app", priority=9)
        own = add(store)
        assert claim(store).id == own.id
        assert store.claim(WORKER, APP) is None

    def test_a_job_whose_time_has_not_come_is_left(self, store: JobStore) -> None:
        add(store, at=time.time() + 1e6)
        assert store.claim(WORKER, APP) is None

    def test_a_job_that_was_given_back_goes_before_younger_ones(self, store: JobStore) -> None:
        first, second = add(store), add(store)
        assert store.settle(ended(claim(store), Released()))
        again = claim(store)
        assert (again.id, again.attempts) == (first.id, 2)
        assert claim(store).id == second.id

    def test_every_attempt_has_a_greater_token(self, store: JobStore) -> None:
        add(store)
        tokens = []
        for _ in range(3):
            job = claim(store)
            tokens.append(job.token)
            assert store.settle(ended(job, Released()))
        assert tokens == sorted(set(tokens))

    def test_no_more_jobs_of_a_pipeline_run_than_may(self, store: JobStore) -> None:
        limited = [add(store, target="train", concurrency=2, priority=9) for _ in range(3)]
        free = add(store, target="predict")
        first, second = claim(store), claim(store)
        assert [first.id, second.id] == [limited[0].id, limited[1].id]
        assert claim(store).id == free.id
        assert store.claim(WORKER, APP) is None
        assert finish(store, second)
        assert claim(store).id == limited[2].id

    def test_a_limit_counts_the_jobs_of_its_own_app(self, store: JobStore) -> None:
        add(store, app="other:app", concurrency=1)
        claim(store, app="other:app")
        own = add(store, concurrency=1)
        assert claim(store).id == own.id


class BeatingContract:
    """How a worker says that it lives, and what becomes of its job where it does not."""

    def test_every_beat_counts(self, store: JobStore, other: JobStore) -> None:
        add(store)
        job = claim(store)
        (before,) = other.running()
        assert (before.job_id, before.token) == (job.id, job.token)
        for _ in range(3):
            assert store.beat([claim_of(job)]) == {job.id: job}
        assert list(other.running()) == [Beat(job.id, job.token, before.beats + 3)]

    def test_several_workers_speak_at_once(self, store: JobStore) -> None:
        add(store)
        add(store)
        jobs = [claim(store), claim(store)]
        assert store.beat([claim_of(job) for job in jobs]) == {job.id: job for job in jobs}

    def test_nobody_need_speak(self, store: JobStore) -> None:
        assert store.beat([]) == {}

    def test_a_beat_tells_that_the_job_is_to_stop(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        store.cancel(job.id)
        answer = store.beat([claim_of(job)])[job.id]
        assert answer is not None
        assert answer.cancel_requested

    def test_a_beat_for_a_job_that_is_over_or_unknown_is_told_so(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        finish(store, job)
        assert store.beat([claim_of(job), Claim("nobody", 1)]) == {job.id: None, "nobody": None}

    def test_only_running_jobs_have_a_beat(self, store: JobStore) -> None:
        add(store)
        add(store)
        job = claim(store)
        assert [beat.job_id for beat in store.running()] == [job.id]
        finish(store, job)
        assert list(store.running()) == []

    def test_a_job_whose_worker_is_lost_is_queued_again(self, store: JobStore, other: JobStore) -> None:
        add(store)
        lost = claim(store)
        assert other.sweep(GONE) == 1
        job = now_of(store, lost)
        assert (job.status, job.deaths, job.attempts) == (JobStatus.queued, 1, 1)
        assert WORKER in str(job.error)
        again = claim(store, "worker 2")
        assert again.token > lost.token
        assert again.worker == "worker 2"

    def test_a_worker_that_speaks_keeps_its_job(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        assert store.sweep(LeaseWatch(lease=1e6)) == 0
        assert now_of(store, job) == job

    def test_a_job_that_takes_three_workers_with_it_has_failed(self, store: JobStore) -> None:
        added = add(store)
        for _ in range(3):
            claim(store)
            assert store.sweep(GONE) == 1
        assert now_of(store, added).status is JobStatus.failed
        assert store.sweep(GONE) == 0

    def test_of_many_who_sweep_at_once_one_requeues_the_job(self, store: JobStore, other: JobStore) -> None:
        added = add(store)
        claim(store)
        sweeps = [partial([store, other][number % 2].sweep, LeaseWatch(lease=0.0)) for number in range(8)]
        assert sum(all_at_once(sweeps)) == 1
        assert now_of(store, added).deaths == 1

    @pytest.mark.parametrize("successor", ["claimed", "waiting", "done"])
    def test_a_worker_that_was_taken_for_dead_can_change_nothing(self, store: JobStore, successor: str) -> None:
        add(store)
        late = claim(store)
        assert store.settle(ended(late, Lost("it was silent")))
        if successor != "waiting":
            again = claim(store, "worker 2")
            assert successor == "claimed" or finish(store, again)
        before = now_of(store, late)
        assert store.beat([claim_of(late)]) == {late.id: None}
        assert not store.report(claim_of(late), Progress(9, 9), [LogLine(0, 1.0, "INFO", "late")])
        assert not store.keep(ended(late, Succeeded()), b'"late"')
        assert not finish(store, late, b'"late"')
        assert now_of(store, late) == before
        assert store.log_of(late.id) == []
        assert store.kept(claim_of(late)) is None
        assert store.result_of(before) == (RESULT if successor == "done" else None)


class ReportingContract:
    """What is known of a job while it runs."""

    def test_progress_is_seen_by_others(self, store: JobStore, other: JobStore) -> None:
        add(store)
        job = claim(store)
        progress = Progress(1.5, 3.0, "fitting é", "forest")
        assert store.report(claim_of(job), progress)
        assert now_of(other, job) == replace(job, progress=progress)

    def test_lines_alone_leave_the_progress_as_it_was(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        store.report(claim_of(job), Progress(1))
        assert store.report(claim_of(job), None, [LogLine(0, 1.0, "INFO", "one")])
        assert now_of(store, job).progress == Progress(1)

    def test_lines_are_numbered_over_all_attempts(self, store: JobStore, other: JobStore) -> None:
        added = add(store)
        for number in (1, 2):
            job = claim(store)
            given = [LogLine(0, float(at), "INFO", f"line {at} of attempt {number}") for at in (1, 2)]
            assert store.report(claim_of(job), None, given)
            assert store.settle(ended(job, Released()))
        found = other.log_of(added.id)
        assert [line.number for line in found] == [1, 2, 3, 4]
        assert found[3] == LogLine(4, 2.0, "INFO", "line 2 of attempt 2")
        assert now_of(store, added).logged == 4

    def test_a_log_is_read_in_pieces(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        store.report(claim_of(job), None, [LogLine(0, 1.0, "WARNING", str(number)) for number in range(1, 8)])
        assert [line.number for line in store.log_of(job.id, after=2, limit=3)] == [3, 4, 5]
        assert store.log_of(job.id, after=7) == []

    def test_a_line_may_hold_any_text(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        assert store.report(
            claim_of(job), Progress(message="a\x00b\ud800"), [LogLine(0, 1.0, "INFO", "a\x00b\ud800é\n")]
        )
        (line,) = store.log_of(job.id)
        assert line.text.startswith("a")
        assert line.text.endswith("é\n")

    def test_reports_from_several_threads_share_no_number(self, store: JobStore, other: JobStore) -> None:
        add(store)
        job = claim(store)
        lines = [LogLine(0, 1.0, "INFO", "line")] * 5
        reports = [partial([store, other][number % 2].report, claim_of(job), None, lines) for number in range(8)]
        assert all(all_at_once(reports))
        assert [line.number for line in store.log_of(job.id)] == list(range(1, 41))

    def test_progress_and_log_outlive_the_attempt(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        store.report(claim_of(job), Progress(3, 3), [LogLine(0, 1.0, "INFO", "line")])
        assert fail(store, job)
        seen = now_of(store, job)
        assert (seen.progress, seen.logged) == (Progress(3, 3), 1)
        assert len(store.log_of(job.id)) == 1


class WorkersContract:
    """Which workers are there."""

    def test_a_worker_is_listed_from_its_greeting_to_its_parting(self, store: JobStore, other: JobStore) -> None:
        worker = WorkerInfo("one", APP, "host", 17, 1.5)
        store.greet(worker)
        store.greet(replace(worker, name="two"))
        assert sorted(other.workers(), key=lambda each: each.name) == [worker, replace(worker, name="two")]
        other.part("one")
        assert store.workers() == [replace(worker, name="two")]

    def test_a_worker_tells_what_it_is_at(self, store: JobStore) -> None:
        worker = WorkerInfo("one", APP, "host", 17, 1.5)
        store.greet(worker)
        store.greet(replace(worker, job_id="some job"))
        assert store.workers() == [replace(worker, job_id="some job")]

    def test_a_worker_that_is_not_there_may_part(self, store: JobStore) -> None:
        store.part("nobody")
        assert store.workers() == []
