"""What would be left after a power cut at any moment? (followed through every call that reaches the disk)

A file survives once it was synced after its last write; its name survives once the directory was synced after it got
that name, and so on up to a directory that was there before. The test keeps that account and looks at it when the
transaction that names the bytes is committed.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from chariots.errors import StoreError
from chariots.op_store import OpStoreServer, tables
from chariots.op_store.blobs import blob_path
from tests.faults.counting import counted
from tests.faults.test_failing_calls import failing_call
from tests.op_store.support import file_store, save_pair


def opened(descriptor: int) -> str:
    """The path of an open file."""
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


class Disk:
    """An account of what the disk surely holds.

    Attributes:
        unsynced: the files that were written since they were last synced, and the directories in which something
            was made, renamed or removed since.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.unsynced: set[str] = set()
        self._real = {name: getattr(os, name) for name in ("write", "fsync", "replace", "link", "mkdir", "open")}
        monkeypatch.setattr(os, "write", self._write)
        monkeypatch.setattr(os, "fsync", self._fsync)
        monkeypatch.setattr(os, "replace", self._replace)
        monkeypatch.setattr(os, "link", self._link)
        monkeypatch.setattr(os, "mkdir", self._mkdir)

    def holds(self, path: Path, root: Path) -> bool:
        """Whether a file and its name would be there after a power cut."""
        return not self.unsynced & {str(path), *(str(above) for above in path.parents if above.is_relative_to(root))}

    def _write(self, descriptor: int, data: Any) -> Any:
        self.unsynced.add(opened(descriptor))
        return self._real["write"](descriptor, data)

    def _fsync(self, descriptor: int) -> None:
        self._real["fsync"](descriptor)
        self.unsynced.discard(opened(descriptor))

    def _replace(self, source: Any, target: Any, **options: Any) -> None:
        self._real["replace"](source, target, **options)
        if str(source) in self.unsynced:
            self.unsynced.add(str(target))
        self.unsynced |= {str(Path(target).parent), str(Path(source).parent)}

    def _link(self, source: Any, target: Any, **options: Any) -> None:
        self._real["link"](source, target, **options)
        if str(source) in self.unsynced:
            self.unsynced.add(str(target))
        self.unsynced.add(str(Path(target).parent))

    def _mkdir(self, path: Any, *arguments: Any, **options: Any) -> None:
        self._real["mkdir"](path, *arguments, **options)
        self.unsynced.add(str(Path(path).parent))


def lost_at_commit(store: OpStoreServer, disk: Disk, folder: Path) -> Iterator[list[str]]:
    """Lists, at every commit, the bytes that a version names and a power cut would take."""
    lost: list[str] = []

    def before_commit(connection: sa.Connection) -> None:
        if not sa.inspect(connection).has_table("version"):
            return
        for sha256 in connection.scalars(sa.select(tables.version.c.sha256)):
            place = folder / "ops" / blob_path(sha256)
            if sha256 and not (place.exists() and disk.holds(place, folder)):
                lost.append(sha256)

    sa.event.listen(store.registry.database.engine, "commit", before_commit)
    yield lost
    sa.event.remove(store.registry.database.engine, "commit", before_commit)


def test_bytes_are_on_the_disk_before_a_version_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = file_store(tmp_path)
    disk = Disk(monkeypatch)
    for lost in lost_at_commit(store, disk, tmp_path):
        for number in range(20):
            with counted("power cut at the commit of a save (file layer)"):
                save_pair(store.client(), number)
                assert lost == []
    assert store.registry.database.engine.pool.status()


def test_bytes_whose_directories_could_not_be_synced_are_not_named_before_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in itertools.count(1):
        folder = tmp_path / str(limit)
        folder.mkdir()
        store = file_store(folder)
        store.upgrade()
        with monkeypatch.context() as patched:
            disk = Disk(patched)
            for lost in lost_at_commit(store, disk, folder):
                with counted("the n-th fsync of a save fails, it is tried again, then a power cut (file layer)"):
                    with failing_call(patched, "fsync", limit, errno.EIO) as struck:
                        try:
                            save_pair(store.client(), 1)
                        except StoreError:
                            assert struck()
                    save_pair(store.client(), 1)
                    assert lost == []
        if not struck():
            break
    assert limit > 4


def test_bytes_in_a_directory_that_another_process_has_just_made_are_not_named_before_it_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = file_store(tmp_path)
    store.upgrade()
    disk = Disk(monkeypatch)
    (tmp_path / "ops" / "blobs").mkdir(parents=True)
    for lost in lost_at_commit(store, disk, tmp_path):
        save_pair(store.client(), 1)
        assert lost == []


@pytest.mark.parametrize("forgotten", ["file", "directory"])
def test_a_sync_that_is_forgotten_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: str
) -> None:
    store = file_store(tmp_path)
    disk = Disk(monkeypatch)
    kept = os.fsync

    def forgetful(descriptor: int) -> None:
        is_directory = Path(opened(descriptor)).is_dir()
        if is_directory != (forgotten == "directory"):
            kept(descriptor)

    monkeypatch.setattr(os, "fsync", forgetful)
    for lost in lost_at_commit(store, disk, tmp_path):
        save_pair(store.client(), 1)
        assert lost != []


def test_the_database_syncs_at_every_commit(tmp_path: Path) -> None:
    store = file_store(tmp_path)
    with store.registry.database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
