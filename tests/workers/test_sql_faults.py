"""Is nothing lost and nothing half done when the database of the jobs fails, and is it used as was meant?"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from chariots.errors import StoreFullError, StoreUnavailableError
from chariots.op_store.database import Database
from chariots.workers.in_sql.store import SQLJobStore
from chariots.workers.job import Job, Progress
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import JobQuery
from tests.postgres_server import PostgresServer
from tests.workers.contract.support import APP, BODY, RESULT, WORKER, a_job, add, claim, claim_of, finish, now_of
from tests.workers.support import eventually


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLJobStore]:
    """An empty store in an SQLite file."""
    made = SQLJobStore(f"sqlite:///{tmp_path / 'db.sqlite'}")
    yield made
    made.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_that_no_worker_can_see_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"memory of one process.*give the address of a file"):
        SQLJobStore(url)


def test_what_somebody_asks_for_is_synced_and_what_workers_write_is_not(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'db.sqlite'}"
    for relaxed, synchronous in ((False, 2), (True, 1)):  # FULL, NORMAL
        with Database(url, relaxed=relaxed).reading() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous


def test_workers_need_not_wait_for_the_disk_of_postgresql(postgres_database: str) -> None:
    for relaxed, wanted in ((False, "on"), (True, "off")):
        database = Database(postgres_database, relaxed=relaxed)
        with database.changing() as connection:
            assert connection.scalar(sa.text("SHOW synchronous_commit")) == wanted
        database.engine.dispose()


def test_a_file_that_is_gone_is_unavailable_and_brings_nothing_new(store: SQLJobStore, tmp_path: Path) -> None:
    job = add(store)
    (tmp_path / "db.sqlite").rename(tmp_path / "elsewhere.sqlite")
    for ask in (
        lambda: add(store),
        lambda: store.get(job.id),
        lambda: store.claim(WORKER, APP),
        lambda: store.find(JobQuery()),
        lambda: store.wait_for_work(APP, 30.0),
        lambda: store.wait_for_change(job, 30.0),
    ):
        with pytest.raises(StoreUnavailableError, match="moved or deleted"):
            ask()
    (tmp_path / "elsewhere.sqlite").rename(tmp_path / "db.sqlite")
    assert store.find(JobQuery()) == [job]


def test_a_full_disk_is_told_and_leaves_nothing_half_done(store: SQLJobStore) -> None:
    job = add(store)
    running = claim(store)
    for database in (store._durable, store._relaxed):
        database.engine.dispose()
        sa.event.listen(database.engine, "connect", _almost_full)
    before = now_of(store, job)
    with pytest.raises(StoreFullError, match="no room left"):
        add(store, b"x" * 2**20)
    with pytest.raises(StoreFullError):
        finish(store, running, b"x" * 2**19)
    assert store.find(JobQuery()) == [before]
    assert store.input_of(job.id) == BODY


def _almost_full(connection: object, _record: object) -> None:
    pages = connection.execute("PRAGMA page_count").fetchone()[0]  # type: ignore[attr-defined]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")  # type: ignore[attr-defined]


def test_a_store_finds_its_database_again(own_postgres: PostgresServer) -> None:
    store = SQLJobStore(own_postgres.new_database())
    add(store)
    running = claim(store)
    store.wait_for_change(running, 0.01)
    add(store)  # what is safe from a power cut takes with it what was before
    own_postgres.kill()
    for ask in (lambda: add(store), lambda: store.get(running.id), lambda: store.wait_for_change(running, 60.0)):
        with pytest.raises(StoreUnavailableError):
            ask()
    own_postgres.start()

    def answers() -> Job | None:
        try:
            return store.get(running.id)
        except StoreUnavailableError:
            return None

    assert eventually(answers, "the return of the database") == running
    assert store.report(claim_of(running), Progress(1))
    assert store.wait_for_change(running, 60.0) == now_of(store, running)
    assert finish(store, running)
    store.close()


def _work_in_child(url: str, store: SQLJobStore, seen: Job) -> None:
    """What a forked process does with the store of its parent."""
    assert store.wait_for_change(seen, 60.0) == now_of(store, seen)
    assert finish(store, now_of(store, seen))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_forked_process_uses_the_store_of_its_parent(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'db.sqlite'}" if kind == "sqlite" else request.getfixturevalue("postgres_database")
    store = SQLJobStore(url)
    seen = add(store)
    store.wait_for_change(seen, 0.01)  # so that there is a connection that listens
    running = claim(store)
    process = multiprocessing.get_context("fork").Process(target=_work_in_child, args=(url, store, seen))
    process.start()
    done = running
    while done is not None and not done.status.is_final:
        done = store.wait_for_change(done, 60.0)
    process.join(timeout=60)
    assert process.exitcode == 0
    assert store.result_of(now_of(store, running)) == RESULT
    store.close()


def test_a_claim_does_not_look_through_the_jobs_that_have_ended(store: SQLJobStore) -> None:
    with store._relaxed.reading() as connection:
        for condition, index in (
            ("app = 'a' AND status = 'queued' ORDER BY priority DESC, seq LIMIT 1", "ix_job_queued"),
            ("status = 'running'", "ix_job_running"),
            ("status = 'deferred' AND run_at <= 1", "ix_job_deferred"),
            ("is_expired = 0 AND expires_at <= 1", "ix_job_is_expired_expires_at"),
            ("is_expired = 1 AND expires_at <= 1", "ix_job_is_expired_expires_at"),
            ("target = 'a' ORDER BY seq DESC LIMIT 9", "ix_job_target_seq"),
            ("(status = 'failed' OR status = 'canceled') ORDER BY seq DESC LIMIT 9", "ix_job_bad_end"),
        ):
            plan = connection.execute(sa.text(f"EXPLAIN QUERY PLAN SELECT * FROM job WHERE {condition}")).all()
            assert index in str(plan), condition
            assert "TEMP B-TREE" not in str(plan), condition


def test_a_large_input_is_kept_in_pieces(store: SQLJobStore) -> None:
    body = bytes(5 * 2**20 + 1)
    job = store.add(a_job(body=body), body)
    with store._relaxed.reading() as connection:
        sizes = connection.scalars(sa.text("SELECT length(body) FROM job_body ORDER BY piece")).all()
    assert sizes == [2**20] * 5 + [1]
    assert store.input_of(job.id) == body


def test_a_job_that_is_done_leaves_its_result_alone(store: SQLJobStore) -> None:
    job = add(store)
    running = claim(store)
    store.keep(running, b'"kept"')
    assert finish(store, running)
    assert now_of(store, job).status is JobStatus.done
    with store._relaxed.reading() as connection:
        assert connection.scalars(sa.text("SELECT body FROM job_body")).all() == [RESULT]
