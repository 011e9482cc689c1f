"""What do callers get while a database is locked or gone, and afterwards?"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from chariots.errors import StoreUnavailableError, UnreachableError
from chariots.op_store import OpStoreClient, OpStoreServer
from chariots.op_store.savers import FileSaver
from tests.faults.checking import check_everything, served_pair
from tests.faults.counting import counted, seconds
from tests.op_store.support import file_store, open_database, save_pair, serving
from tests.postgres_server import PostgresServer

LOCKED = seconds(5, short=0.5)
GONE = seconds(10, short=0.5)


def test_a_save_waits_for_a_database_that_is_locked(folder: Path, kind: str) -> None:
    store = file_store(folder)
    client = store.client()
    save_pair(client, 0)
    with counted(f"database locked for {LOCKED:.1f} s ({kind})"):
        saving = threading.Thread(target=save_pair, args=(client, 1))
        with open_database(folder) as other:
            other.execute(
                sa.text("BEGIN IMMEDIATE" if kind == "SQLite" else "LOCK TABLE op, version IN EXCLUSIVE MODE")
            )
            saving.start()
            until = time.monotonic() + LOCKED
            while time.monotonic() < until:
                assert served_pair(client) == "0"  # readers go on meanwhile
                assert saving.is_alive()
            other.rollback()
        saving.join()
        assert served_pair(client) == "1"
    check_everything(folder)
    store.registry.database.engine.dispose()


def test_a_database_that_is_gone_and_comes_back_is_used_again(
    own_postgres: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    store = OpStoreServer(FileSaver(str(tmp_path)), own_postgres.url)
    application = store.flask.test_client()
    save_pair(store.client(), 0)
    with counted(f"PostgreSQL gone for {GONE:.1f} s"), serving(store) as url:
        own_postgres.stop()
        until = time.monotonic() + GONE
        while time.monotonic() < until:
            ready = application.get("/readyz")
            assert (ready.status_code, application.get("/livez").status_code) == (503, 200)
            assert "was to read its database postgresql" in ready.json["detail"]
            with pytest.raises(StoreUnavailableError, match="check that it is there"):
                save_pair(store.client(), 1)
            with pytest.raises((StoreUnavailableError, UnreachableError)):
                OpStoreClient(url).last_deployment("predict")
        own_postgres.start()
        assert application.get("/readyz").status_code == 200
        save_pair(OpStoreClient(url), 1)
        assert served_pair(store.client()) == "1"
    store.registry.database.engine.dispose()


def test_a_client_waits_out_a_short_absence_by_itself(own_postgres: PostgresServer, tmp_path: Path) -> None:
    store = OpStoreServer(FileSaver(str(tmp_path)), own_postgres.url)
    save_pair(store.client(), 0)
    with counted("PostgreSQL restarted while a client saves"), serving(store) as url:
        own_postgres.stop()
        saving = threading.Thread(target=save_pair, args=(OpStoreClient(url), 1))
        saving.start()
        own_postgres.start()
        saving.join()
        assert served_pair(store.client()) == "1"
    store.registry.database.engine.dispose()
