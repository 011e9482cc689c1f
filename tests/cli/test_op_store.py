"""Does ``chariots op-store`` run a store of its own, wherever its settings come from?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from chariots.cli import main
from chariots.demo import pred_iris, train_iris
from chariots.op_store import OpStoreClient
from chariots.serving import PipelinesServer
from chariots.testing import TestPipelinesClient
from tests.cli.programs import CHARIOTS, chariots, started


def tables(database: Path) -> set[str]:
    engine = sa.create_engine(f"sqlite:///{database}")
    try:
        return set(sa.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_two_servers_share_a_store_over_http(tmp_path: Path) -> None:
    command = [*CHARIOTS, "op-store", "serve", "--path", "store", "--port", "0"]
    with started(command, tmp_path) as (url, _):
        trainer = TestPipelinesClient(PipelinesServer([train_iris], op_store_client=OpStoreClient(url)))
        trainer.call_pipeline(train_iris)
        trainer.save_pipeline(train_iris)
        predictor = TestPipelinesClient(PipelinesServer([pred_iris], op_store_client=OpStoreClient(url)))
        predictor.load_pipeline(pred_iris)
        assert predictor.call_pipeline(pred_iris, [[5.1, 3.5, 1.4, 0.2]]).value == ["setosa"]
    assert (tmp_path / "store/db.sqlite").is_file()
    assert any(path.is_file() for path in (tmp_path / "store/ops").rglob("*"))


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["--config", "config.yaml"], {}),
        ([], {"CHARIOTS_OP_STORE_OP_STORE_DB_URL": "sqlite:///db.sqlite"}),
        (["--db-url", "sqlite:///db.sqlite"], {"CHARIOTS_OP_STORE_OP_STORE_DB_URL": "sqlite:///other.sqlite"}),
    ],
)
def test_upgrade_makes_the_tables_where_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Sequence[str], variables: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"CHARIOTS_OP_STORE_SAVER_KWARGS__ROOT_PATH": "ops", **variables}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "config.yaml").write_text("op_store: {op_store_db_url: 'sqlite:///db.sqlite'}")
    shown = CliRunner().invoke(main, ["op-store", "upgrade", *options])
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert {"op", "version", "link"} <= tables(tmp_path / "db.sqlite")
    assert not (tmp_path / "other.sqlite").exists()


def test_the_port_comes_from_the_configuration_unless_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("op_store: {server_port: 1, server_host: 192.0.2.1}")
    command = ["op-store", "serve", "--config", "config.yaml", "--path", "store"]
    shown = chariots(tmp_path, *command, "--insecure")
    assert shown.returncode == 1
    assert "192.0.2.1:1 was asked for" in shown.stderr
    with started([*CHARIOTS, *command, "--host", "127.0.0.1", "--port", "0"], tmp_path) as (url, _):
        assert OpStoreClient(url).pipeline_exists("train_iris") is False


@pytest.mark.parametrize("command", ["serve", "upgrade"])
def test_a_store_that_would_forget_everything_is_refused(command: str) -> None:
    shown = CliRunner().invoke(main, ["op-store", command])
    assert shown.exit_code == 1
    assert "nothing says where it keeps its versions; give --path DIR" in shown.stderr


def test_a_mistake_in_the_configuration_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("op_store: {server_prt: 5001}")
    shown = chariots(tmp_path, "op-store", "serve", "--config", "config.yaml")
    assert shown.returncode == 1
    assert shown.stderr.startswith("Error: config.yaml: the key 'server_prt' of the section 'op_store' is not known.")
    assert shown.stderr.count("\n") == 1
