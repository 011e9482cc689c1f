"""Is a job that was asked for kept, found, and asked for once?"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

import pytest

from chariots.errors import ConflictError, UnknownNameError
from chariots.web.retry import RetryPolicy
from chariots.workers.job import Job, Progress
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import JobQuery, JobStore
from chariots.workers.stores import open_store
from tests.workers.contract.support import BODY, a_job, add, all_at_once, an_ended_job, claim, fail, now_of


class AskingContract:
    """What whoever asks for a job can rely on."""

    def test_a_job_is_there_once_it_was_added(self, store: JobStore, other: JobStore) -> None:
        job = a_job()
        assert store.add(job, BODY) == job
        assert other.get(job.id) == job
        assert other.input_of(job.id) == BODY

    def test_everything_that_is_known_of_a_job_is_kept(self, store: JobStore) -> None:
        parent = an_ended_job(store)
        job = replace(
            a_job(priority=-7, at=time.time() + 1e6, timeout=2.5, every=60.0, concurrency=3, idempotency_key="k é"),
            after=(parent.id,),
            retry=RetryPolicy(attempts=4, base=0.25, maximum=7.0, jitter=0.125),
            error={"detail": "é \x00 \ud800 💥", "stack": [{"line": 1}]},
            versions_used={"pca": "a.b.c_1.5"},
            versions_produced={"forest": "d.e.f_2.5"},
            progress=Progress(0.1 + 0.2, 3.0, "e\nf", "pca"),
            result_ttl=1e-3,
        )
        assert store.add(job, BODY) == job
        assert now_of(store, job) == job

    def test_what_nobody_asked_for_is_not_there(self, store: JobStore) -> None:
        assert store.get("nobody") is None
        assert store.input_of("nobody") is None
        assert store.result_of(a_job()) is None
        assert store.log_of("nobody") == []

    @pytest.mark.parametrize("size", [0, 1, 2**20, 3 * 2**20 + 1])
    def test_an_input_of_any_size_comes_back_as_it_was(self, store: JobStore, size: int) -> None:
        body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        assert store.input_of(add(store, body).id) == body

    def test_the_same_key_gives_the_first_job(self, store: JobStore, other: JobStore) -> None:
        first = add(store, idempotency_key="key")
        assert add(other, idempotency_key="key") == first
        assert store.find(JobQuery()) == [first]

    def test_the_first_job_is_given_as_it_is_by_now(self, store: JobStore) -> None:
        add(store, idempotency_key="key")
        running = claim(store)
        assert add(store, idempotency_key="key") == running

    def test_another_key_or_none_is_another_job(self, store: JobStore) -> None:
        add(store, idempotency_key="key")
        add(store, idempotency_key="other")
        add(store)
        add(store)
        assert len(store.find(JobQuery())) == 4

    def test_a_key_counts_for_one_app(self, store: JobStore) -> None:
        first, second = (add(store, app=app, idempotency_key="key") for app in ("one:app", "two:app"))
        assert first.id != second.id

    @pytest.mark.parametrize("change", [{"body": b'{"pipeline_input": 2}'}, {"target": "predict"}])
    def test_a_key_that_belongs_to_another_request_is_refused(self, store: JobStore, change: dict[str, object]) -> None:
        first = add(store, idempotency_key="key")
        with pytest.raises(ConflictError, match="'key'"):
            add(store, idempotency_key="key", **change)
        assert store.find(JobQuery()) == [first]

    def test_many_who_ask_at_once_under_one_key_get_one_job(self, store: JobStore, other: JobStore) -> None:
        asked = [partial(add, [store, other][number % 2], idempotency_key="key") for number in range(8)]
        assert len({job.id for job in all_at_once(asked)}) == 1
        assert len(store.find(JobQuery())) == 1

    def test_a_job_cannot_wait_for_one_that_nobody_knows(self, store: JobStore) -> None:
        known = add(store)
        wrong = f"{known.id[:-1]}{'0' if known.id[-1] != '0' else '1'}"
        with pytest.raises(UnknownNameError, match=f"(?s){wrong}.*Did you mean '{known.id}'"):
            add(store, after=(known.id, wrong))
        assert store.find(JobQuery()) == [known]

    def test_another_process_finds_the_store_by_its_description(self, store: JobStore) -> None:
        job = add(store)
        again = open_store(store.describe())
        try:
            assert again.get(job.id) == job
        finally:
            again.close()


class ListingContract:
    """What a list of jobs shows."""

    def test_the_newest_come_first(self, store: JobStore) -> None:
        added = [add(store) for _ in range(5)]
        assert store.find(JobQuery()) == added[::-1]

    def test_only_the_jobs_of_one_app_are_listed(self, store: JobStore) -> None:
        add(store, app="one:app")
        two = add(store, app="two:app")
        assert store.find(JobQuery(app="two:app")) == [two]

    def test_only_the_jobs_of_one_pipeline_are_listed(self, store: JobStore) -> None:
        add(store, target="train")
        predict = add(store, target="predict")
        assert store.find(JobQuery(target="predict")) == [predict]

    def test_only_jobs_in_some_states_are_listed(self, store: JobStore) -> None:
        failed = an_ended_job(store, fail)
        done = an_ended_job(store)
        waiting = add(store)
        deferred = add(store, at=time.time() + 1e6)
        assert self._ids(store, JobStatus.failed) == [failed.id]
        assert self._ids(store, JobStatus.done, JobStatus.deferred) == [deferred.id, done.id]
        assert self._ids(store, JobStatus.queued) == [waiting.id]
        assert self._ids(store, JobStatus.running) == []

    def test_a_list_goes_on_where_the_one_before_ended(self, store: JobStore) -> None:
        added = [add(store, target="odd" if number % 2 else "even") for number in range(9)]
        seen: list[Job] = []
        while page := store.find(JobQuery(target="even", limit=2, before=seen[-1].id if seen else None)):
            assert len(page) <= 2
            seen += page
        assert seen == added[::-2]

    def test_a_list_behind_a_job_that_nobody_knows_is_empty(self, store: JobStore) -> None:
        add(store)
        assert store.find(JobQuery(before="nobody")) == []

    def _ids(self, store: JobStore, *statuses: JobStatus) -> list[str]:
        return [job.id for job in store.find(JobQuery(statuses=statuses))]
