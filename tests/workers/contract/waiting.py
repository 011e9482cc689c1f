"""Does whoever waits hear of what happened, and does each of many get something else?"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

from chariots.workers.job import Job, LogLine, Progress
from chariots.workers.job_store import JobStore
from chariots.workers.rules import Succeeded, ended
from tests.workers.contract.support import (
    APP,
    WORKER,
    a_job,
    add,
    all_at_once,
    claim,
    claim_of,
    finish,
    long_ago,
    now_of,
)

ROOT = Path(__file__).parents[3]
AGES = 60.0  # longer than any of this takes; a wait that ends by itself then was not woken

CLAIM_ALL = """
import sys
from chariots.workers.stores import open_store

store = open_store(sys.stdin.readline())
print("ready", flush=True)
sys.stdin.readline()
while (job := store.claim("a process", sys.argv[1])) is not None:
    print(job.id, flush=True)
store.close()
"""


class WaitingContract:
    """How somebody hears of a change."""

    def test_a_change_that_was_not_seen_yet_is_told_at_once(self, store: JobStore) -> None:
        seen = add(store)
        running = claim(store)
        assert store.wait_for_change(seen, AGES) == running

    def test_whoever_waits_for_a_job_is_woken_by_another(self, store: JobStore, other: JobStore) -> None:
        add(store)
        seen = claim(store)
        steps = (
            lambda: other.report(claim_of(seen), Progress(1)),
            lambda: other.report(claim_of(seen), None, [LogLine(0, 1.0, "INFO", "line")]),
            lambda: other.cancel(seen.id),
            lambda: finish(other, seen),
        )
        last: Job | None = seen
        for step in steps:
            found, _ = self._while_waiting(partial(store.wait_for_change, last, AGES), step)
            assert found != last
            assert found == now_of(other, seen)
            last = found

    def test_whoever_waits_in_vain_is_told_that_nothing_changed(self, store: JobStore) -> None:
        job = add(store)
        assert store.wait_for_change(job, 0.05) == job

    def test_other_jobs_wake_nobody(self, store: JobStore, other: JobStore) -> None:
        job = add(store, priority=-1)

        def elsewhere() -> None:
            for _ in range(3):
                add(other)
                finish(other, claim(other))

        found, _ = self._while_waiting(partial(store.wait_for_change, job, 0.5), elsewhere)
        assert found == job

    def test_a_job_that_is_gone_is_told_so(self, store: JobStore) -> None:
        add(store)
        job = claim(store)
        assert store.settle(long_ago(ended(job, Succeeded()), 31))
        while store.expire():
            pass
        assert store.wait_for_change(job, AGES) is None
        assert store.wait_for_change(a_job(), AGES) is None

    def test_a_worker_does_not_wait_while_there_is_work(self, store: JobStore) -> None:
        add(store)
        began = time.monotonic()
        store.wait_for_work(APP, AGES)
        assert time.monotonic() - began < AGES / 2

    def test_a_worker_that_waits_is_woken_by_new_work(self, store: JobStore, other: JobStore) -> None:
        _, seconds = self._while_waiting(partial(store.wait_for_work, APP, AGES), partial(add, other))
        assert seconds < AGES / 2
        assert store.claim(WORKER, APP) is not None

    def test_a_worker_that_waits_is_woken_by_work_that_is_freed(self, store: JobStore, other: JobStore) -> None:
        parent = add(store)
        add(store, after=(parent.id,))
        running = claim(store)
        _, seconds = self._while_waiting(partial(store.wait_for_work, APP, AGES), partial(finish, other, running))
        assert seconds < AGES / 2
        assert store.claim(WORKER, APP) is not None

    def test_a_worker_does_not_wait_for_ever(self, store: JobStore) -> None:
        began = time.monotonic()
        store.wait_for_work(APP, 0.05)
        assert time.monotonic() - began < AGES / 2

    def test_several_may_wait_for_one_job(self, store: JobStore, other: JobStore) -> None:
        add(store)
        seen = claim(store)
        waits = [partial(store.wait_for_change, seen, AGES) for _ in range(4)]
        *found, ended_ = all_at_once([*waits, partial(finish, other, seen)])
        assert ended_ is True
        assert found == [now_of(store, seen)] * 4

    def _while_waiting(self, wait: partial[Job | None], step: object) -> tuple[Job | None, float]:
        """Does something while another thread waits; gives what that was told, and after how many seconds."""
        found: list[tuple[Job | None, float]] = []

        def run() -> None:
            began = time.monotonic()
            answer = wait()
            found.append((answer, time.monotonic() - began))

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(0.05)  # so that it most likely waits by then; the outcome is the same if it does not yet
        step()
        thread.join()
        return found[0]


class RacingContract:
    """What many get who ask at once."""

    def test_each_job_is_claimed_once_by_many_threads(self, store: JobStore, other: JobStore) -> None:
        added = {add(store).id for _ in range(200)}

        def claim_all(each: JobStore) -> list[str]:
            found = []
            while (job := each.claim(WORKER, APP)) is not None:
                found.append(job.id)
            return found

        rows = all_at_once([partial(claim_all, [store, other][number % 2]) for number in range(8)])
        claimed = list(chain.from_iterable(rows))
        assert len(claimed) == 200
        assert set(claimed) == added

    def test_each_job_is_claimed_once_by_many_processes(self, store: JobStore) -> None:
        added = {add(store).id for _ in range(200)}
        command = [sys.executable, "-c", CLAIM_ALL, APP]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
            for _ in range(4)
        ]
        claimed: list[str] = []
        try:
            for process in processes:
                process.stdin.write(f"{store.describe()}\n")
                process.stdin.flush()
            assert {process.stdout.readline() for process in processes} == {"ready\n"}
            for process in processes:
                process.stdin.write("go\n")
                process.stdin.flush()
            for process in processes:
                out, _ = process.communicate(timeout=AGES)
                claimed += out.split()
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        assert len(claimed) == 200
        assert set(claimed) == added

    def test_many_claims_at_once_keep_to_the_limit(self, store: JobStore, other: JobStore) -> None:
        for _ in range(20):
            add(store, concurrency=3)
        claims = [partial([store, other][number % 2].claim, WORKER, APP) for number in range(12)]
        claimed = [job for job in all_at_once(claims) if job is not None]
        assert len(claimed) <= 3
        while (job := store.claim(WORKER, APP)) is not None:
            claimed.append(job)
        assert len(claimed) == 3

    def test_the_smaller_of_two_limits_holds_for_its_own_job(self, store: JobStore) -> None:
        add(store, concurrency=2)
        one = add(store, concurrency=1, priority=5)
        assert claim(store).id == one.id
        claim(store)
        assert store.claim(WORKER, APP) is None

    def test_the_end_of_a_job_lets_the_next_one_in(self, store: JobStore) -> None:
        for _ in range(3):
            add(store, concurrency=1)
        for _ in range(3):
            job = claim(store)
            assert store.claim(WORKER, APP) is None
            assert finish(store, replace(job))


class DrainingContract:
    """What is left when everything was asked for, run and ended."""

    def test_what_many_add_and_many_work_off_ends_done(self, store: JobStore, other: JobStore) -> None:
        added = all_at_once([partial(an_added_row, [store, other][number % 2], 10) for number in range(4)])
        left = threading.Semaphore(40)

        def work(each: JobStore) -> int:
            done = 0
            while left.acquire(blocking=False):
                while (job := each.claim(WORKER, APP)) is None:
                    each.wait_for_work(APP, 1.0)
                done += finish(each, job, job.id.encode())
            return done

        assert sum(all_at_once([partial(work, [store, other][number % 2]) for number in range(4)])) == 40
        for job in chain.from_iterable(added):
            assert store.result_of(now_of(store, job)) == job.id.encode()


def an_added_row(store: JobStore, length: int) -> list[Job]:
    """Adds some jobs, one after the other."""
    return [add(store) for _ in range(length)]
