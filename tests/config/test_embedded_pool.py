"""Does the embedded pool come out as the configuration says?"""

from __future__ import annotations

from pathlib import Path

import pytest

from chariots.config import ChariotsConfig, OpStoreConfig, WorkersConfig
from chariots.workers import LocalWorkerPool


@pytest.mark.parametrize("name", ["local", "LocalWorkerPool", "local-worker-pool", "local_worker_pool"])
def test_an_embedded_pool_is_made_from_its_arguments(name: str, tmp_path: Path) -> None:
    given = {"db_url": f"sqlite:///{tmp_path}/jobs.sqlite", "workers": 0, "result_ttl": 5, "defaults": {"timeout": 9}}
    pool = WorkersConfig(worker_type=name, worker_pool_kwargs=given).get_worker_pool()
    assert isinstance(pool, LocalWorkerPool)
    assert (pool.workers_wanted, pool.result_ttl, pool.defaults.timeout) == (0, 5, 9.0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"db_url": "sqlite:///x", "result_tl": 5}, "Did you mean 'result_ttl'"),
        ({"db_url": "sqlite:///x", "defaults": {"timeout": -1}}, "timeout"),
    ],
)
def test_arguments_that_an_embedded_pool_does_not_take_are_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        WorkersConfig(worker_type="local", worker_pool_kwargs=given).get_worker_pool()


def test_jobs_lie_in_the_database_of_the_op_store_where_none_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/versions.sqlite"
    config = ChariotsConfig(
        op_store_config=OpStoreConfig(op_store_db_url=url), pipelines_worker_config=WorkersConfig(worker_type="local")
    )
    pool = config.get_pipelines_worker_pool()
    assert isinstance(pool, LocalWorkerPool)
    assert pool.db_url == url
