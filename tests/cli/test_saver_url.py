"""Does ``chariots op-store`` keep bytes where a URL says?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chariots.cli import main
from chariots.cli.stores import store_settings
from chariots.op_store import OpStoreClient
from chariots.op_store.savers import FileSaver, S3Saver
from chariots.versioning import Version
from tests.cli.programs import CHARIOTS, started
from tests.object_stores import make_bucket, moto_server

DATABASE = "sqlite:///db.sqlite"


def upgrade(folder: Path, monkeypatch: pytest.MonkeyPatch, options: Sequence[str]) -> Result:
    """Runs a command that opens the store."""
    monkeypatch.chdir(folder)
    return CliRunner().invoke(main, ["op-store", "upgrade", "--db-url", DATABASE, *options])


def test_a_server_keeps_its_bytes_in_a_bucket(tmp_path: Path) -> None:
    with moto_server() as service:
        bucket = make_bucket("s3", service)
        variables = {
            "AWS_ENDPOINT_URL": service,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "name",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        where = ["--db-url", DATABASE, "--saver-url", f"s3://{bucket}/models"]
        command = [*CHARIOTS, "op-store", "serve", *where, "--port", "0", "--workers", "2"]
        with started(command, tmp_path, **variables) as (url, _):
            client, version = OpStoreClient(url), Version()
            for number in range(4):
                client.save_op_bytes(f"op {number}", version, bytes([number]) * 1000)
                assert client.get_op_bytes_for_version(f"op {number}", version) == bytes([number]) * 1000
        kept = S3Saver("models", bucket, {"endpoint": service, "access_key_id": "n", "secret_access_key": "s"})
        assert [found.size for found in kept.list("blobs")] == [1000] * 4


def test_a_url_replaces_the_saver_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("op_store: {saver_kwargs: {root_path: ops}}", encoding="utf-8")
    saver = store_settings(
        "config.yaml", db_url=DATABASE, saver_url="s3://models/production", may_be_new=True
    ).get_saver()
    assert isinstance(saver, S3Saver)
    assert saver.root_path == "production"


@pytest.mark.parametrize("option", ["path", "saver_root"])
def test_a_folder_replaces_the_url_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.chdir(tmp_path)
    text = "op_store: {saver_url: 's3://models', saver_kwargs: {deadline: 5}, op_store_db_url: 'sqlite:///db.sqlite'}"
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    saver = store_settings("config.yaml", **{option: str(tmp_path / "here")}, may_be_new=True).get_saver()
    assert isinstance(saver, FileSaver)
    assert saver.root_path.startswith(str(tmp_path / "here"))


def test_a_url_and_a_folder_are_one_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = upgrade(tmp_path, monkeypatch, ["--saver-url", "s3://models", "--saver-root", "ops"])
    assert shown.exit_code != 0
    assert "give one of them" in shown.stderr


def test_a_url_that_stands_for_no_saver_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = upgrade(tmp_path, monkeypatch, ["--saver-url", "s4://models"])
    assert shown.exit_code != 0
    assert "--saver-url cannot be used" in shown.stderr
    assert "s3://bucket/prefix" in shown.stderr
