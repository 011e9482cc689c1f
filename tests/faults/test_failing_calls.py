"""What if the n-th write, sync, naming of a file or SQL statement of a save fails? (for every n)"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from chariots.errors import StoreError
from chariots.op_store import OpStoreServer
from tests.faults.checking import check_everything, check_rows, half_written, served_pair
from tests.faults.counting import counted
from tests.op_store.support import all_rows, database_url, file_store, save_pair
from tests.op_store.test_upgrades import first_release_on_postgresql, first_release_on_sqlite

CALLS = {"write": "write", "fsync": "fsync", "link": "link", "unlink": "unlink", "open": "open", "mkdir": "mkdir"}
EVENTS = {"before": "before_cursor_execute", "after": "after_cursor_execute"}


class CutError(Exception):
    """The failure that these tests cause."""


@contextmanager
def failing_call(monkeypatch: pytest.MonkeyPatch, name: str, limit: int, code: int) -> Iterator[Callable[[], bool]]:
    """Makes the n-th call of a function of `os` fail; yields how to ask whether it came to that."""
    real = getattr(os, name)
    left = limit

    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, name, call)
        yield lambda: left <= 0


@contextmanager
def failing_statement(store: OpStoreServer, event: str, limit: int) -> Iterator[Callable[[], bool]]:
    """Makes the n-th statement of a store fail; yields how to ask whether it came to that."""
    left = limit

    def cut(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise CutError

    engine = store.registry.database.engine
    sa.event.listen(engine, event, cut)
    try:
        yield lambda: left <= 0
    finally:
        sa.event.remove(engine, event, cut)


@pytest.mark.parametrize("kind", ["SQLite"], indirect=True)
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("call", CALLS)
def test_a_save_whose_file_calls_fail_is_not_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    store = file_store(folder)
    client = store.client()
    save_pair(client, 0)
    for limit in itertools.count(1):
        before = all_rows(folder)
        with counted(f"the n-th {call} of a save fails, every n ({errno.errorcode[code]})"):
            with failing_call(monkeypatch, CALLS[call], limit, code) as struck:
                try:
                    save_pair(client, limit)
                except (StoreError, OSError):
                    assert struck()
            if struck():
                # The name of a file may be on its way to the disk when the call fails, but no row tells of it.
                if served_pair(client) == "0":
                    assert all_rows(folder) == before
                assert half_written(folder) == []
            save_pair(client, limit)
            assert served_pair(client) == str(limit)
        if not struck():
            break
    assert limit > 1, f"a save does without {call}"
    check_everything(folder)


@pytest.mark.parametrize("moment", EVENTS)
def test_a_save_whose_statements_fail_is_not_there(folder: Path, kind: str, moment: str) -> None:
    store = file_store(folder)
    client = store.client()
    save_pair(client, 0)
    for limit in itertools.count(1):
        before = all_rows(folder)
        with counted(f"the n-th SQL statement of a save fails, every n ({kind})"):
            with failing_statement(store, EVENTS[moment], limit) as struck:
                try:
                    save_pair(client, limit)
                except CutError:
                    assert all_rows(folder) == before
                    assert check_rows(store) == limit
            save_pair(client, limit)
            assert served_pair(client) == str(limit)
        if not struck():
            break
    assert limit > 5
    store.registry.database.engine.dispose()


def test_a_save_whose_commit_fails_is_not_there(folder: Path, kind: str) -> None:
    store = file_store(folder)
    client = store.client()
    save_pair(client, 0)
    before = all_rows(folder)
    engine = store.registry.database.engine
    with counted(f"the commit of a save fails ({kind})"):

        def cut(_: object) -> None:
            raise CutError

        sa.event.listen(engine, "commit", cut)
        with pytest.raises(CutError):
            save_pair(client, 1)
        sa.event.remove(engine, "commit", cut)
        assert all_rows(folder) == before
        assert served_pair(client) == "0"
        save_pair(client, 1)
        assert served_pair(client) == "1"
    engine.dispose()


@pytest.mark.parametrize("moment", EVENTS)
def test_a_migration_whose_statements_fail_changes_nothing(folder: Path, kind: str, moment: str) -> None:
    if kind == "SQLite":
        first_release_on_sqlite(folder)
    else:
        first_release_on_postgresql(folder, database_url(folder))
    before = all_rows(folder)
    for limit in itertools.count(1):
        store = file_store(folder)
        with (
            counted(f"the n-th SQL statement of a migration fails, every n ({kind})"),
            failing_statement(store, EVENTS[moment], limit) as struck,
        ):
            try:
                store.upgrade()
            except CutError:
                assert all_rows(folder) == before
        store.registry.database.engine.dispose()
        if not struck():
            break
    assert limit > 10
    assert file_store(folder).client().last_deployment("predict") == {"pca": 4, "forest": 5}
