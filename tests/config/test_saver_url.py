"""Does one URL say where the op store keeps its bytes?"""

from __future__ import annotations

from pathlib import Path

import pytest

from chariots.config import ChariotsConfig, OpStoreConfig
from chariots.op_store.savers import AzureSaver, FileSaver, GoogleStorageSaver, S3Saver


def configured(folder: Path, text: str) -> OpStoreConfig:
    """The section op_store of a file with this text."""
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return ChariotsConfig(file).op_store_config


def test_a_url_in_the_file_makes_the_saver(tmp_path: Path) -> None:
    saver = configured(tmp_path, "op_store: {saver_url: 's3://models/production'}").get_saver()
    assert isinstance(saver, S3Saver)
    assert (saver.bucket_name, saver.root_path) == ("models", "production")


def test_saver_kwargs_add_to_the_url(tmp_path: Path) -> None:
    text = "op_store: {saver_url: 's3://models', saver_kwargs: {deadline: 5, client_kwargs: {region: eu-west-1}}}"
    saver = configured(tmp_path, text).get_saver()
    assert isinstance(saver, S3Saver)
    assert (saver.deadline, saver.client_kwargs) == (5, {"region": "eu-west-1"})


def test_a_url_in_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARIOTS_OP_STORE_SAVER_URL", f"file://{tmp_path}/ops")
    saver = configured(tmp_path, "op_store: {saver_url: 's3://models'}").get_saver()
    assert isinstance(saver, FileSaver)
    assert saver.root_path == f"{tmp_path}/ops"


def test_what_the_url_says_may_not_be_said_twice(tmp_path: Path) -> None:
    settings = configured(tmp_path, "op_store: {saver_url: 's3://models', saver_kwargs: {root_path: elsewhere}}")
    with pytest.raises(ValueError, match="holds 'root_path', which saver_url says as well"):
        settings.get_saver()


def test_an_argument_that_the_saver_does_not_take_is_refused(tmp_path: Path) -> None:
    settings = configured(tmp_path, "op_store: {saver_url: 's3://models', saver_kwargs: {client_kwarg: {}}}")
    with pytest.raises(
        ValueError, match=r"'client_kwarg', which a S3Saver does not take. Did you mean 'client_kwargs'"
    ):
        settings.get_saver()


def test_a_url_that_stands_for_no_saver_is_refused_when_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the key 'saver_url' of the section 'op_store' cannot be used: .*'s4'"):
        configured(tmp_path, "op_store: {saver_url: 's4://models'}")


@pytest.mark.parametrize(
    ("name", "kind", "place"),
    [
        ("s3", S3Saver, "bucket_name"),
        ("S3Saver", S3Saver, "bucket_name"),
        ("google-storage", GoogleStorageSaver, "bucket_name"),
        ("azure-saver", AzureSaver, "container_name"),
    ],
)
def test_buckets_can_be_named_by_type_too(name: str, kind: type[object], place: str) -> None:
    settings = {"account_name": "account"} if kind is AzureSaver else {}
    given = {"root_path": "models", place: "ops", "client_kwargs": settings}
    assert type(OpStoreConfig(saver_type=name, saver_kwargs=given).get_saver()) is kind
