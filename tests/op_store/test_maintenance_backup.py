"""Does a backup hold one state of a store, whatever happens meanwhile, and does the store come back from it?"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chariots.errors import ConflictError, UnknownNameError
from chariots.op_store import OpStoreServer
from chariots.op_store.maintenance import Policy, back_up, collect, export_ops, import_ops, restore, stats, verify
from chariots.op_store.savers import FileSaver
from chariots.workers.in_sql.store import SQLJobStore
from chariots.workers.job import Job
from chariots.workers.job_store import JobQuery
from tests.op_store.maintaining import alive, rows
from tests.op_store.support import ROOT, blob_files, database_url, query, save_pair, version

FIRST_RELEASE = ROOT / "tests/op_store/first_release.sql"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A folder for the backup."""
    return tmp_path / "backup"


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[OpStoreServer]:
    """A store to restore into."""
    made = sqlite_store(tmp_path / "empty")
    yield made
    made.registry.database.engine.dispose()


def sqlite_store(folder: Path, saver: FileSaver | None = None) -> OpStoreServer:
    """The store in a folder, or a new one there."""
    return OpStoreServer(saver or FileSaver(str(folder / "ops")), f"sqlite:///{folder / 'db.sqlite'}")


def fill(store: OpStoreServer) -> None:
    """Puts something into every table."""
    client = store.client()
    client.describe_pipeline("train", [query("pca"), query("forest")], [("pca", "forest")])
    for number in range(3):
        served = save_pair(client, number)
        client.record_deployment("train", served)
        client.promote("train", versions=dict(served), who="ada", reason="it is better")
    client.rollback("train", reason="it is not")
    client.save_op_bytes("words", version("w"), b"w")
    client.register_valid_link("pca", "words", version("w"))
    collect(store.registry, Policy(2, 0.0), delete=True)


def told(everything: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """Rows as they compare between databases, of which one keeps time zones."""
    return {
        name: [
            tuple(str(value).removesuffix("+00:00") if hasattr(value, "isoformat") else value for value in row)
            for row in found
        ]
        for name, found in everything.items()
    }


def test_a_backup_holds_everything(store: OpStoreServer, backup: Path) -> None:
    fill(store)
    report = back_up(store.registry, backup)
    copy = sqlite_store(backup)
    assert told(rows(copy)) == told(rows(store))
    assert all(rows(copy).values())
    assert (report.versions, report.findings) == (stats(store.registry).with_bytes, [])
    assert report.copied == report.blobs == stats(store.registry).blobs
    assert verify(copy.registry).findings == []


def test_a_backup_holds_no_jobs(store: OpStoreServer, empty: OpStoreServer, tmp_path: Path, backup: Path) -> None:
    jobs = SQLJobStore(database_url(tmp_path))
    job = jobs.add(Job("job 1", "app:app", "pipeline", "train"), os.urandom(2**20))
    save_pair(store.client(), 1)
    back_up(store.registry, backup)
    restore(empty.registry, backup)
    assert jobs.get(job.id) == job
    jobs.close()
    for url in (f"sqlite:///{backup / 'db.sqlite'}", f"sqlite:///{tmp_path / 'empty' / 'db.sqlite'}"):
        copied = SQLJobStore(url)
        assert copied.find(JobQuery()) == []
        assert copied.input_of(job.id) is None
        copied.close()
    assert (backup / "db.sqlite").stat().st_size < 2**20, "the room of the jobs is not kept either"


def test_a_backup_can_be_served_as_it_is(store: OpStoreServer, backup: Path) -> None:
    fill(store)
    back_up(store.registry, backup)
    client = sqlite_store(backup).client()
    assert client.get_op_bytes_for_version("forest", version("forest 2")) == b"forest 2"
    assert client.last_deployment("train") == store.client().last_deployment("train")
    assert client.alias("train", "production") == store.client().alias("train", "production")


def test_the_next_backup_copies_what_is_new(store: OpStoreServer, backup: Path) -> None:
    save_pair(store.client(), 1)
    back_up(store.registry, backup)
    save_pair(store.client(), 2)
    report = back_up(store.registry, backup)
    assert (report.blobs, report.copied, report.size) == (4, 2, 13)
    assert told(rows(sqlite_store(backup))) == told(rows(store))
    assert back_up(store.registry, backup).copied == 0


def test_nothing_but_the_backup_is_left_in_its_folder(store: OpStoreServer, backup: Path) -> None:
    fill(store)
    for _ in range(2):
        back_up(store.registry, backup)
    names = {path.name for path in backup.iterdir()}
    assert {name for name in names if not name.endswith(("-wal", "-shm"))} == {"db.sqlite", "ops", "backup.json"}


def test_what_a_killed_backup_left_goes_once_it_is_old(store: OpStoreServer, backup: Path) -> None:
    backup.mkdir()
    old, young = backup / ".writing-0123456789abcdef.sqlite-wal", backup / ".writing-fedcba9876543210.sqlite"
    for path in (old, young):
        path.touch()
    os.utime(old, (0, 0))
    back_up(store.registry, backup)
    assert (old.exists(), young.exists()) == (False, True)


def test_a_store_comes_back_as_it_was(store: OpStoreServer, empty: OpStoreServer, backup: Path) -> None:
    fill(store)
    back_up(store.registry, backup)
    report = restore(empty.registry, backup)
    assert told(rows(empty)) == told(rows(store))
    assert (report.copied, report.findings) == (report.blobs, [])
    assert verify(empty.registry).findings == []
    before = stats(empty.registry).versions
    assert min(save_pair(empty.client(), "new").values()) > before  # numbers go on where they were


def test_a_store_moves_to_the_database_of_the_test(empty: OpStoreServer, store: OpStoreServer, tmp_path: Path) -> None:
    fill(empty)
    restore(store.registry, tmp_path / "empty")
    assert told(rows(store)) == told(rows(empty))
    assert verify(store.registry).findings == []
    highest = max(number for numbers in alive(store).values() for number in numbers)
    assert min(save_pair(store.client(), "new").values()) > highest
    store.client().promote("train", versions=dict(save_pair(store.client(), "newer")))
    collect(store.registry, Policy(1, 0.0), delete=True)


def test_the_folder_that_is_restored_from_is_left_as_it_was(
    store: OpStoreServer, empty: OpStoreServer, backup: Path
) -> None:
    fill(store)
    back_up(store.registry, backup)
    before = (backup / "db.sqlite").read_bytes()
    restore(empty.registry, backup)
    assert (backup / "db.sqlite").read_bytes() == before


def test_a_backup_of_the_first_release_can_be_restored(store: OpStoreServer, backup: Path) -> None:
    backup.mkdir()
    with sqlite3.connect(backup / "db.sqlite") as old:
        old.executescript(FIRST_RELEASE.read_text())
        (versions,) = old.execute("SELECT count(*) FROM version").fetchone()
    report = restore(store.registry, backup)
    assert stats(store.registry).versions == versions
    assert {finding.kind for finding in report.findings} <= {"missing"}
    with sqlite3.connect(backup / "db.sqlite") as old:
        assert old.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)


def test_only_an_empty_store_is_restored(store: OpStoreServer, backup: Path) -> None:
    save_pair(store.client(), 1)
    back_up(store.registry, backup)
    before = rows(store)
    with pytest.raises(ConflictError, match=r"holds ops or pipelines already; give an empty one, .* \(nothing was"):
        restore(store.registry, backup)
    assert rows(store) == before


def test_a_folder_without_a_store_is_told(store: OpStoreServer, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"there is no db\.sqlite in that folder"):
        restore(store.registry, tmp_path / "nothing")


def test_a_folder_that_holds_another_store_is_left_alone(store: OpStoreServer, tmp_path: Path) -> None:
    other = sqlite_store(tmp_path / "other")
    save_pair(other.client(), 1)
    before = rows(other)
    with pytest.raises(ConflictError, match=r"is not that of a backup \(there is no backup\.json beside it\)"):
        back_up(store.registry, tmp_path / "other")
    assert rows(other) == before


def test_a_backup_that_was_written_to_since_is_left_alone(store: OpStoreServer, backup: Path) -> None:
    save_pair(store.client(), 1)
    back_up(store.registry, backup)
    copy = sqlite_store(backup)
    save_pair(copy.client(), "only there")
    before = rows(copy)
    with pytest.raises(ConflictError, match="holds version number 4, and the op store has none of that number"):
        back_up(store.registry, backup)
    assert rows(copy) == before


def test_the_backup_of_another_store_is_left_alone(store: OpStoreServer, tmp_path: Path, backup: Path) -> None:
    other = sqlite_store(tmp_path / "other")
    save_pair(other.client(), 1)
    back_up(other.registry, backup)
    before = rows(sqlite_store(backup))
    for number in range(2, 5):
        save_pair(store.client(), number)
    with pytest.raises(ConflictError, match="holds version number 2, and the op store has another of that number"):
        back_up(store.registry, backup)
    assert rows(sqlite_store(backup)) == before


def test_the_backup_of_a_store_with_the_same_versions_is_left_alone(
    store: OpStoreServer, tmp_path: Path, backup: Path
) -> None:
    other = sqlite_store(tmp_path / "other")
    other.client().record_deployment("train", save_pair(other.client(), 1))
    back_up(other.registry, backup)
    export_ops(other.registry, None, tmp_path / "ops.zip")
    import_ops(store.registry, tmp_path / "ops.zip")
    with pytest.raises(ConflictError, match="holds deployment number 1, and the op store has none of that number"):
        back_up(store.registry, backup)


@pytest.mark.sqlite
def test_a_store_is_not_backed_up_into_itself(store: OpStoreServer, tmp_path: Path) -> None:
    save_pair(store.client(), 1)
    with pytest.raises(ConflictError, match="into its own folder"):
        back_up(store.registry, tmp_path)


def test_losses_are_named_and_the_rest_is_copied(store: OpStoreServer, tmp_path: Path, backup: Path) -> None:
    save_pair(store.client(), 1)
    save_pair(store.client(), 2)
    for path in blob_files(tmp_path):
        if path.read_bytes() == b"pca 1":
            path.unlink()
        elif path.read_bytes() == b"pca 2":
            path.write_bytes(b"pca ?")
    report = back_up(store.registry, backup)
    assert sorted(finding.kind for finding in report.findings) == ["damaged", "missing"]
    assert sorted(finding.versions[0][:22] for finding in report.findings) == [
        "'pca' version number 1",
        "'pca' version number 3",
    ]
    assert {path.read_bytes() for path in blob_files(backup)} == {b"forest 1", b"forest 2"}


def test_bytes_damaged_in_the_backup_are_not_restored(store: OpStoreServer, empty: OpStoreServer, backup: Path) -> None:
    save_pair(store.client(), 1)
    back_up(store.registry, backup)
    for path in blob_files(backup):
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    report = restore(empty.registry, backup)
    assert [finding.kind for finding in report.findings] == ["damaged", "damaged"]
    assert verify(empty.registry).size == 0


class Interrupted(FileSaver):
    """A saver that lets something happen before the first bytes are read."""

    act: Any = None

    def load_stream(self, path: str) -> Iterator[bytes]:
        """Acts once, then reads."""
        act, self.act = self.act, None
        if act is not None:
            act()
        return super().load_stream(path)


@pytest.fixture
def interrupted(database: str, tmp_path: Path) -> Iterator[OpStoreServer]:
    """A store whose bytes can be watched."""
    store = OpStoreServer(Interrupted(str(tmp_path / "ops")), database)
    yield store
    store.registry.database.engine.dispose()


def aside(call: Any, *arguments: Any) -> None:
    """Calls something in another thread and waits for it."""
    thread = threading.Thread(target=call, args=arguments)
    thread.start()
    thread.join()


def test_what_is_saved_meanwhile_is_in_the_next_backup(interrupted: OpStoreServer, backup: Path) -> None:
    save_pair(interrupted.client(), 1)
    before = rows(interrupted)
    interrupted.saver.act = lambda: aside(save_pair, interrupted.client(), 2)  # type: ignore[attr-defined]
    back_up(interrupted.registry, backup)
    copy = sqlite_store(backup)
    assert told(rows(copy)) == told(before)
    assert verify(copy.registry).findings == []
    back_up(interrupted.registry, backup)
    assert told(rows(copy)) == told(rows(interrupted))


def test_what_is_given_up_meanwhile_is_given_up_in_the_backup(interrupted: OpStoreServer, backup: Path) -> None:
    for number in range(4):
        save_pair(interrupted.client(), number)
    give_up = lambda: collect(interrupted.registry, Policy(1, 0.0), delete=True)
    interrupted.saver.act = lambda: aside(give_up)  # type: ignore[attr-defined]
    report = back_up(interrupted.registry, backup)
    assert report.findings == []
    copy = sqlite_store(backup)
    assert verify(copy.registry).losses == []
    newest = {op: max(numbers) for op, numbers in alive(interrupted).items()}
    assert {op: max(numbers) for op, numbers in alive(copy).items()} == newest


def test_a_backup_that_is_killed_leaves_the_one_before(interrupted: OpStoreServer, backup: Path) -> None:
    save_pair(interrupted.client(), 1)
    back_up(interrupted.registry, backup)
    before = rows(sqlite_store(backup))
    save_pair(interrupted.client(), 2)

    def die() -> None:
        raise KeyboardInterrupt

    interrupted.saver.act = die  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        back_up(interrupted.registry, backup)
    copy = sqlite_store(backup)
    assert rows(copy) == before
    assert verify(copy.registry).losses == []
    back_up(interrupted.registry, backup)
    assert told(rows(sqlite_store(backup))) == told(rows(interrupted))


def test_a_backup_does_not_need_the_store_any_more(store: OpStoreServer, tmp_path: Path, backup: Path) -> None:
    save_pair(store.client(), 1)
    back_up(store.registry, backup)
    shutil.rmtree(tmp_path / "ops")
    assert verify(sqlite_store(backup).registry).findings == []
