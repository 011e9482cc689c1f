"""What does a pool promise that can do more than run jobs and tell of them? (tests, beside those of `PoolContract`)"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from chariots import schema
from chariots.errors import ConflictError, ExpiredError, UnknownNameError
from chariots.testing.pool_contract import PoolContract, eventually
from chariots.workers import JobOptions, JobQuery, JobStatus

if TYPE_CHECKING:
    from chariots.serving import Chariots
    from chariots.workers import BaseWorkerPool, Job

__all__ = ["JobPoolContract"]


class JobPoolContract(PoolContract):
    """Tests for a pool that overrides every method of `BaseWorkerPool`; use it as `PoolContract`."""

    def submit(self, app: Chariots, target: str, value: Any, **options: Any) -> Job:
        """Asks for a job with options."""
        pool = app.worker_pool
        assert pool is not None
        return pool.submit(app, "pipeline", target, schema.dumps(value), JobOptions.read(options))

    def final(self, pool: BaseWorkerPool, job: Job) -> Job:
        """Waits until a job has come to its end."""

        def look() -> Job | None:
            found = pool.job(job.id)
            return found if found.status.is_final else None

        return eventually(look, f"the end of job {job.id}")

    def begun(self, folder: Path, times: int = 1) -> list[str]:
        """Waits until the op of ``wait`` has begun so many times."""

        def look() -> list[str] | None:
            file = folder / "begun"
            lines = file.read_text().split() if file.exists() else []
            return lines if len(lines) >= times else None

        return eventually(look, f"the {times}. beginning of a job")

    # -- asking ---------------------------------------------------------------------------------------------------

    def test_the_same_key_gives_the_first_job(self, app: Chariots) -> None:
        """And there is one job."""
        key = uuid4().hex
        first = self.submit(app, "echo", 1, idempotency_key=key)
        assert self.submit(app, "echo", 1, idempotency_key=key).id == first.id

    def test_the_same_key_for_something_else_is_refused(self, app: Chariots) -> None:
        """With the id of the first job."""
        key = uuid4().hex
        first = self.submit(app, "echo", 1, idempotency_key=key)
        with pytest.raises(ConflictError, match=first.id):
            self.submit(app, "echo", 2, idempotency_key=key)

    def test_jobs_are_listed_newest_first(self, app: Chariots, pool: BaseWorkerPool) -> None:
        """By state and by pipeline."""
        ids = [self.submit(app, "echo", number).id for number in range(3)]
        found = [job.id for job in pool.jobs(JobQuery(target="echo", statuses=(JobStatus.queued,), limit=3))]
        assert found == ids[::-1]
        assert pool.jobs(JobQuery(target="no_such_pipeline")) == []

    def test_jobs_of_greater_priority_run_first_and_equal_ones_in_order(
        self, app: Chariots, pool: BaseWorkerPool, request: pytest.FixtureRequest
    ) -> None:
        """Whatever the order they were asked for in."""
        jobs = [self.submit(app, "echo", number, priority=number % 2) for number in range(4)]
        request.getfixturevalue("worker")
        ended = [self.final(pool, job) for job in jobs]
        order = sorted(range(4), key=lambda number: ended[number].ended_at or 0.0)
        assert order == [1, 3, 0, 2]

    def test_a_job_for_later_waits(self, app: Chariots, pool: BaseWorkerPool, worker: Any) -> None:
        """Deferred until its time has come."""
        at = time.time() + 2.0
        job = self.submit(app, "echo", "later", at=at)
        assert job.status is JobStatus.deferred
        done = self.final(pool, job)
        assert done.status is JobStatus.done
        assert done.started_at is not None
        assert done.started_at >= at

    def test_a_job_that_repeats_has_a_successor_until_it_is_canceled(
        self, app: Chariots, pool: BaseWorkerPool, worker: Any
    ) -> None:
        """With the same input; canceling the one that waits ends the series."""
        first = self.submit(app, "echo", "again", every=1.0)

        def two_done() -> list[Job] | None:
            found = [job for job in pool.jobs(JobQuery(target="echo")) if job.series == first.id]
            done = [job for job in found if job.status is JobStatus.done]
            return found if len(done) >= 2 else None

        eventually(two_done, "the second run of a series")

        def cancel_the_last() -> bool:
            for job in pool.jobs(JobQuery(target="echo", statuses=(JobStatus.deferred, JobStatus.queued))):
                if job.series == first.id:
                    try:
                        return pool.cancel(job.id).status is JobStatus.canceled
                    except ConflictError:
                        return False  # it has just run
            return False

        eventually(cancel_the_last, "the end of the series")
        left = pool.jobs(JobQuery(target="echo", statuses=(JobStatus.deferred, JobStatus.queued, JobStatus.running)))
        assert not [job for job in left if job.series == first.id]

    def test_a_job_waits_for_others_and_runs_when_they_are_done(
        self, app: Chariots, pool: BaseWorkerPool, worker: Any, tmp_path: Path
    ) -> None:
        """Deferred until then."""
        parent = self.submit(app, "wait", str(tmp_path))
        child = self.submit(app, "echo", "after", after=[parent.id])
        self.begun(tmp_path)
        assert pool.job(child.id).status is JobStatus.deferred
        (tmp_path / "go").touch()
        done = self.final(pool, child)
        assert done.status is JobStatus.done
        assert (done.started_at or 0.0) >= (pool.job(parent.id).ended_at or 0.0)

    def test_a_job_whose_parent_failed_fails_and_says_so(
        self, app: Chariots, pool: BaseWorkerPool, worker: Any
    ) -> None:
        """It never runs."""
        parent = self.submit(app, "fail", "no")
        child = self.final(pool, self.submit(app, "echo", "never", after=[parent.id]))
        assert child.status is JobStatus.failed
        assert child.attempts == 0
        assert child.error is not None
        assert parent.id in child.error["detail"]

    def test_a_job_cannot_wait_for_one_that_does_not_exist(self, app: Chariots) -> None:
        """Nothing is queued."""
        with pytest.raises(UnknownNameError, match="no-such-job"):
            self.submit(app, "echo", 1, after=["no-such-job"])

    # -- running --------------------------------------------------------------------------------------------------

    def test_a_job_tells_what_it_learned_and_what_it_used(
        self, app: Chariots, pool: BaseWorkerPool, worker: Any
    ) -> None:
        """As versions, by node."""
        learned = self.final(pool, self.submit(app, "learn", [1, 2]))
        assert (set(learned.versions_produced), set(learned.versions_used)) == ({"mean"}, set())
        echoed = self.final(pool, self.submit(app, "echo", 1))
        assert (set(echoed.versions_produced), set(echoed.versions_used)) == (set(), {"echo"})
        assert echoed.worker
        assert echoed.attempts == 1
        assert echoed.created_at <= (echoed.started_at or 0.0) <= (echoed.ended_at or 0.0)

    def test_progress_and_log_are_seen_while_the_job_runs(
        self, app: Chariots, pool: BaseWorkerPool, worker: Any, tmp_path: Path
    ) -> None:
        """And afterwards."""
        job = self.submit(app, "steps", str(tmp_path))

        def second_step() -> Job | None:
            found = pool.job(job.id)
            return found if found.progress is not None and found.progress.message == "step 2" else None

        seen = eventually(second_step, "the second step").progress
        assert seen is not None
        assert (seen.current, seen.total, seen.node) == (2, 3, "steps")
        texts = eventually(lambda: [line.text for line in pool.log(job.id)], "the first lines of the log")
        assert texts == ["steps: step 1 taken", "steps: step 2 taken"]
        assert [line.text for line in pool.log(job.id, after=1)] == texts[1:]
        (tmp_path / "go").touch()
        last = self.final(pool, job).progress
        assert last is not None
        assert (last.current, last.message) == (3, "step 3")

    def test_a_job_is_tried_again_as_often_as_it_may_be(
        self, app: Chariots, pool: BaseWorkerPool, worker: Any, tmp_path: Path
    ) -> None:
        """And then it is done, or has failed."""
        soon = {"attempts": 3, "base": 0.01}
        done = self.final(pool, self.submit(app, "fail_twice", str(tmp_path / "counted"), retries=soon))
        assert (done.status, done.attempts, done.failures) == (JobStatus.done, 3, 2)
        failed = self.final(pool, self.submit(app, "fail", "always", retries=soon))
        assert (failed.status, failed.attempts) == (JobStatus.failed, 3)

    def test_a_job_that_takes_too_long_is_stopped(
        self, app: Chariots, pool: BaseWorkerPool, worker: Any, tmp_path: Path
    ) -> None:
        """And its worker goes on."""
        failed = self.final(pool, self.submit(app, "wait", str(tmp_path), timeout=0.5))
        assert failed.status is JobStatus.failed
        assert failed.error is not None
        assert failed.error["type"].endswith("job-timeout")
        assert self.final(pool, self.submit(app, "echo", 1)).status is JobStatus.done

    def test_a_job_whose_process_dies_is_run_again(
        self, app: Chariots, pool: BaseWorkerPool, worker: Any, tmp_path: Path
    ) -> None:
        """Even where no retries were asked for: nothing of it is lost."""
        done = self.final(pool, self.submit(app, "die", str(tmp_path / "died")))
        assert (done.status, done.attempts, done.deaths) == (JobStatus.done, 2, 1)

    # -- deciding -------------------------------------------------------------------------------------------------

    def test_a_job_that_waits_is_canceled_at_once(self, app: Chariots, pool: BaseWorkerPool) -> None:
        """And stays so."""
        job = self.submit(app, "echo", 1)
        assert pool.cancel(job.id).status is JobStatus.canceled
        assert pool.job(job.id).status is JobStatus.canceled

    def test_a_job_that_runs_is_stopped_when_it_is_canceled(
        self, app: Chariots, pool: BaseWorkerPool, worker: Any, tmp_path: Path
    ) -> None:
        """And its worker goes on."""
        job = self.submit(app, "wait", str(tmp_path))
        self.begun(tmp_path)
        assert pool.cancel(job.id).cancel_requested
        assert self.final(pool, job).status is JobStatus.canceled
        assert self.final(pool, self.submit(app, "echo", 1)).status is JobStatus.done

    def test_a_job_that_is_over_cannot_be_canceled(self, app: Chariots, pool: BaseWorkerPool, worker: Any) -> None:
        """The refusal says what it is."""
        job = self.final(pool, self.submit(app, "echo", 1))
        with pytest.raises(ConflictError, match="done"):
            pool.cancel(job.id)

    def test_a_job_that_failed_can_be_run_again(
        self, app: Chariots, pool: BaseWorkerPool, worker: Any, tmp_path: Path
    ) -> None:
        """As one that is done cannot."""
        file = str(tmp_path / "counted")
        job = self.submit(app, "fail_twice", file)
        for number in (1, 2):
            assert self.final(pool, job).status is JobStatus.failed
            assert pool.rerun(job.id).reruns == number
        assert self.final(pool, job).status is JobStatus.done
        with pytest.raises(ConflictError, match="done"):
            pool.rerun(job.id)

    def test_a_result_is_kept_for_its_time(self, app: Chariots, pool: BaseWorkerPool, worker: Any) -> None:
        """And is told to be gone afterwards, as long as the job is known."""
        job = self.submit(app, "echo", "soon gone", result_ttl=0.0)

        def gone() -> bool:
            try:
                pool.get_pipeline_response_json_for_id(job.id)
            except ExpiredError:
                return True
            return False

        eventually(gone, "the end of the result")
        assert pool.job(job.id).is_expired

    def test_waiting_for_a_job_ends_when_it_changes(
        self, app: Chariots, pool: BaseWorkerPool, worker: Any, tmp_path: Path
    ) -> None:
        """And after the time that was given, with the job as it is."""
        job = self.submit(app, "wait", str(tmp_path))
        self.begun(tmp_path)
        seen = pool.job(job.id)
        assert pool.wait(seen, 0.05).status is JobStatus.running
        (tmp_path / "go").touch()
        while not seen.status.is_final:
            seen = pool.wait(seen, 60.0)
        assert seen.status is JobStatus.done

    def test_workers_tell_where_they_are(self, pool: BaseWorkerPool, worker: Any) -> None:
        """And which app they serve."""
        found = pool.workers()
        assert len(found) == pool.n_workers
        assert all(each.name and each.app and each.host and each.pid for each in found)
