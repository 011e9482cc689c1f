"""Where do the jobs of a server lie that says nothing, or something wrong, about it?"""

from __future__ import annotations

from pathlib import Path

import pytest

from chariots import Chariots
from chariots.errors import ConflictError
from chariots.op_store import OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.pipelines import PipelinesServer
from chariots.workers import JobQuery, LocalWorkerPool


def test_a_server_with_a_folder_has_its_jobs_there(tmp_path: Path) -> None:
    app = Chariots([], tmp_path)
    assert isinstance(app.worker_pool, LocalWorkerPool)
    assert app.worker_pool.jobs(JobQuery()) == []
    assert app.worker_pool.db_url is not None
    assert str(tmp_path / "db.sqlite") in app.worker_pool.db_url
    app.worker_pool.close()


def test_a_server_may_do_without_workers(tmp_path: Path) -> None:
    assert Chariots([], tmp_path, worker_pool=None).worker_pool is None


def test_a_pool_takes_the_database_of_an_op_store_in_the_same_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'versions.sqlite'}"
    store = OpStoreServer(FileSaver(str(tmp_path)), url)
    app = PipelinesServer([], op_store_client=store.client(), worker_pool=LocalWorkerPool())
    assert app.worker_pool.db_url == url


def test_a_database_that_was_given_wins(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    assert Chariots([], tmp_path / "store", worker_pool=LocalWorkerPool(url)).worker_pool.db_url == url


def test_without_a_database_the_setting_is_named() -> None:
    app = PipelinesServer([], worker_pool=LocalWorkerPool())
    with pytest.raises(ConflictError, match="db_url"):
        app.worker_pool.jobs(JobQuery())


@pytest.mark.parametrize("url", ["sqlite:///:memory:", "sqlite://"])
def test_the_memory_of_a_process_is_no_place_for_jobs(url: str) -> None:
    with pytest.raises(ValueError, match="other processes"):
        LocalWorkerPool(url)


def test_a_negative_number_of_workers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="workers=-1"):
        LocalWorkerPool(f"sqlite:///{tmp_path / 'jobs.sqlite'}", workers=-1)
