"""Are keys and tokens made on the command line what a store and its clients then hold each other to?"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from chariots.cli import main
from chariots.config import OpStoreConfig
from chariots.demo import pred_iris, train_iris
from chariots.errors import ForbiddenError, UnauthorizedError, UntrustedError
from chariots.op_store import OpStoreClient, Trust
from chariots.serving import PipelinesServer
from chariots.testing import TestPipelinesClient
from tests.cli.programs import CHARIOTS, chariots, started

PREFIX = "CHARIOTS_OP_STORE_"


def made(*command: str) -> dict[str, str]:
    """The settings that a command printed."""
    shown = CliRunner().invoke(main, ["op-store", *command])
    assert (shown.exit_code, shown.stderr) == (0, "")
    return dict(line.split("=", 1) for line in shown.stdout.splitlines() if not line.startswith("#"))


def new_token() -> str:
    """A token as the command makes it."""
    shown = CliRunner().invoke(main, ["op-store", "new-token"])
    assert shown.exit_code == 0
    return shown.stdout.strip()


@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
def test_a_store_that_only_verifies_takes_what_the_trainer_signed_and_nothing_else(tmp_path: Path, kind: str) -> None:
    settings = made("new-key", "training", "--kind", kind)
    verify = {f"{PREFIX}VERIFY_KEYS": settings[f"{PREFIX}VERIFY_KEYS"]}
    command = [*CHARIOTS, "op-store", "serve", "--path", "store", "--port", "0"]
    with started(command, tmp_path, **verify) as (url, _):
        trust = Trust(signing_key=settings[f"{PREFIX}SIGNING_KEY"])
        stranger = TestPipelinesClient(PipelinesServer([train_iris], op_store_client=OpStoreClient(url)))
        stranger.call_pipeline(train_iris)
        with pytest.raises(UntrustedError, match="CHARIOTS_OP_STORE_SIGNING_KEY"):
            stranger.save_pipeline(train_iris)
        trainer = TestPipelinesClient(PipelinesServer([train_iris], op_store_client=OpStoreClient(url, trust=trust)))
        trainer.call_pipeline(train_iris)
        trainer.save_pipeline(train_iris)
        reader = OpStoreClient(url, trust=Trust(verify_keys=verify.values()))
        predictor = TestPipelinesClient(PipelinesServer([pred_iris], op_store_client=reader))
        predictor.load_pipeline(pred_iris)
        assert predictor.call_pipeline(pred_iris, [[5.1, 3.5, 1.4, 0.2]]).value == ["setosa"]


def test_a_store_knows_its_clients_by_their_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = new_token(), new_token()
    command = [*CHARIOTS, "op-store", "serve", "--path", "store", "--port", "0", "--host", "0.0.0.0"]
    with started(command, tmp_path, CHARIOTS_OP_STORE_TOKENS=f"read:{read},write:{write}") as (url, _):
        url = url.replace("0.0.0.0", "127.0.0.1")
        with pytest.raises(UnauthorizedError, match="brought none"):
            OpStoreClient(url).pipeline_exists("train")
        with pytest.raises(ForbiddenError, match="allows 'read' only"):
            OpStoreClient(url, token=read).write_blob(b"model")
        OpStoreClient(url, token=write).write_blob(b"model")
        monkeypatch.setenv(f"{PREFIX}TOKEN", read)
        configured = OpStoreConfig(server_host="127.0.0.1", server_port=url.rpartition(":")[2]).get_client()
        assert configured.pipeline_exists("train") is False
    log = (tmp_path / "server.log").read_text()
    assert read not in log
    assert write not in log


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_a_store_without_tokens_is_not_opened_to_other_machines(host: str, tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["op-store", "serve", "--path", str(tmp_path), "--host", host])
    assert shown.exit_code == 1
    assert f"was to listen on {host}" in shown.stderr
    assert "say --insecure" in shown.stderr


def test_a_store_is_opened_to_everybody_where_that_is_said_to_be_meant(tmp_path: Path) -> None:
    command = [*CHARIOTS, "op-store", "serve", "--path", "store", "--port", "0", "--host", "0.0.0.0", "--insecure"]
    with started(command, tmp_path) as (url, _):
        port = int(url.rpartition(":")[2])
        assert OpStoreClient(f"http://127.0.0.1:{port}").pipeline_exists("train") is False
    assert "everybody who reaches 0.0.0.0 may read and replace" in (tmp_path / "server.log").read_text()


def test_what_a_store_has_is_signed_with_the_key_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = chariots(tmp_path, "op-store", "upgrade", "--path", "store")
    assert saved.returncode == 0
    settings = OpStoreConfig(
        saver_kwargs={"root_path": str(tmp_path / "store/ops")},
        op_store_db_url=f"sqlite:///{tmp_path / 'store/db.sqlite'}",
    )
    version = "a" * 40 + "." + "b" * 40 + "." + "c" * 40 + "_1.0"
    settings.get_server().client().save_op_bytes("forest", version, b"model")
    command = ["op-store", "sign", "--path", str(tmp_path / "store")]
    without = CliRunner().invoke(main, command)
    assert (without.exit_code, "no key to sign with" in without.stderr) == (1, True)
    key = made("new-key", "alice")
    monkeypatch.setenv(f"{PREFIX}SIGNING_KEY", key[f"{PREFIX}SIGNING_KEY"])
    unknown = CliRunner().invoke(main, [*command, "forst"])
    assert (unknown.exit_code, "Did you mean 'forest'" in unknown.stderr) == (1, True)
    shown = CliRunner().invoke(main, [*command, "forest"])
    assert shown.stdout == "1 version signed by 'alice', 0 already signed by a trusted key.\n"
    reader = settings.get_server().client()
    reader.trust = Trust(verify_keys=[key[f"{PREFIX}VERIFY_KEYS"]])
    assert reader.get_op_bytes_for_version("forest", version) == b"model"
    newer = made("new-key", "bob")
    monkeypatch.setenv(f"{PREFIX}SIGNING_KEY", newer[f"{PREFIX}SIGNING_KEY"])
    monkeypatch.setenv(f"{PREFIX}VERIFY_KEYS", key[f"{PREFIX}VERIFY_KEYS"])
    shown = CliRunner().invoke(main, [*command, "--replace", "alice"])
    assert shown.stdout == "1 version signed by 'bob', 0 already signed by a trusted key.\n"


def test_a_wrong_key_is_told_before_anything_is_served(tmp_path: Path) -> None:
    shown = chariots(tmp_path, "op-store", "serve", "--path", "store", CHARIOTS_OP_STORE_VERIFY_KEYS="ed25519:me:zz")
    assert shown.returncode == 1
    assert "'chariots op-store new-key' makes one" in shown.stderr
    assert "zz" not in shown.stderr


def test_a_name_that_no_key_can_have_is_refused() -> None:
    shown = CliRunner().invoke(main, ["op-store", "new-key", "my key"])
    assert (shown.exit_code, "was to be named 'my key'" in shown.stderr) == (1, True)
