"""Does every documented question get the documented answer, from every kind of client?"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from chariots.errors import InputError, UnknownNameError
from chariots.op_store import BaseOpStoreClient
from tests.op_store.support import blob_files, count_rows, version

FIRST, SECOND = version("a", created=10.25), version("b", created=11.0)


def test_an_op_that_was_never_saved_has_no_versions(client: BaseOpStoreClient) -> None:
    assert client.get_all_versions_of_op("pca") is None


def test_every_version_that_was_saved_is_listed(client: BaseOpStoreClient) -> None:
    client.save_op_bytes("pca", FIRST, b"1")
    client.save_op_bytes("pca", SECOND, b"2")
    assert client.get_all_versions_of_op("pca") == {FIRST, SECOND}


def test_a_version_comes_back_with_the_time_it_was_created(client: BaseOpStoreClient) -> None:
    client.save_op_bytes("pca", FIRST, b"1")
    assert [str(found) for found in client.get_all_versions_of_op("pca") or ()] == [str(FIRST)]


def test_an_op_may_be_given_as_an_object_with_a_name(client: BaseOpStoreClient) -> None:
    op = SimpleNamespace(name="pca")
    client.save_op_bytes(op, FIRST, b"1")
    assert client.get_all_versions_of_op(op) == {FIRST}
    assert client.get_op_bytes_for_version(op, FIRST) == b"1"


def test_bytes_come_back_for_the_version_they_were_saved_with(client: BaseOpStoreClient) -> None:
    client.save_op_bytes("pca", FIRST, bytes(range(256)) * 9000)
    client.save_op_bytes("pca", SECOND, b"")
    assert client.get_op_bytes_for_version("pca", FIRST) == bytes(range(256)) * 9000
    assert client.get_op_bytes_for_version("pca", SECOND) == b""


def test_a_version_is_found_whenever_it_was_created(client: BaseOpStoreClient) -> None:
    client.save_op_bytes("pca", FIRST, b"1")
    assert client.get_op_bytes_for_version("pca", version("a", created=99.0)) == b"1"


def test_other_bytes_for_the_same_version_win_over_the_older_ones(client: BaseOpStoreClient) -> None:
    client.save_op_bytes("pca", FIRST, b"old")
    client.save_op_bytes("pca", FIRST, b"new")
    assert client.get_op_bytes_for_version("pca", FIRST) == b"new"
    assert client.get_all_versions_of_op("pca") == {FIRST}


def test_saving_the_same_bytes_again_adds_no_row_and_no_file(client: BaseOpStoreClient, tmp_path: Path) -> None:
    client.save_op_bytes("pca", FIRST, b"1")
    rows, files = count_rows(tmp_path), blob_files(tmp_path)
    client.save_op_bytes("pca", FIRST, b"1")
    assert (count_rows(tmp_path), blob_files(tmp_path)) == (rows, files)


def test_two_ops_that_never_met_have_no_links(client: BaseOpStoreClient) -> None:
    client.save_op_bytes("pca", FIRST, b"1")
    client.save_op_bytes("forest", FIRST, b"1")
    assert client.get_validated_links("forest", "pca") is None
    assert client.get_validated_links("forest", "nobody") is None


def test_links_name_the_upstream_versions_that_are_valid(client: BaseOpStoreClient) -> None:
    client.register_valid_link("forest", "pca", FIRST)
    client.register_valid_link("forest", "pca", str(SECOND))
    client.register_valid_link("other", "pca", version("c"))
    assert client.get_validated_links("forest", "pca") == {FIRST, SECOND}


def test_a_link_without_a_downstream_op_only_registers_the_version(client: BaseOpStoreClient) -> None:
    client.register_valid_link(None, "pca", FIRST)
    assert client.get_all_versions_of_op("pca") == {FIRST}
    assert client.get_validated_links("forest", "pca") is None


def test_registering_a_link_again_adds_no_row(client: BaseOpStoreClient, tmp_path: Path) -> None:
    client.register_valid_link("forest", "pca", FIRST)
    rows = count_rows(tmp_path)
    client.register_valid_link("forest", "pca", FIRST)
    assert count_rows(tmp_path) == rows


def test_a_pipeline_exists_once_it_is_registered(client: BaseOpStoreClient) -> None:
    pipeline = SimpleNamespace(name="train", pipeline_nodes=[SimpleNamespace(name="pca")])
    assert client.pipeline_exists("train") is False
    client.register_new_pipeline(pipeline)
    client.register_new_pipeline(pipeline)
    assert client.pipeline_exists("train") is True


def test_a_pipeline_that_was_only_served_was_not_registered(client: BaseOpStoreClient) -> None:
    client.record_deployment("predict", {})
    assert client.pipeline_exists("predict") is False


def test_bytes_of_an_unknown_op_are_refused_with_the_nearest_name(client: BaseOpStoreClient) -> None:
    client.save_op_bytes("logistic", FIRST, b"1")
    with pytest.raises(UnknownNameError, match=r"no op of that name.*Did you mean 'logistic'") as caught:
        client.get_op_bytes_for_version("logistics", FIRST)
    assert caught.value.status == 404


def test_bytes_of_an_unknown_version_are_refused_with_the_newest_one(client: BaseOpStoreClient) -> None:
    client.save_op_bytes("pca", FIRST, b"1")
    with pytest.raises(UnknownNameError, match=f"the newest it has is {FIRST}"):
        client.get_op_bytes_for_version("pca", SECOND)


def test_a_version_that_was_registered_without_bytes_has_none(client: BaseOpStoreClient) -> None:
    client.register_valid_link(None, "pca", FIRST)
    with pytest.raises(UnknownNameError, match="no version of it was saved with bytes"):
        client.get_op_bytes_for_version("pca", FIRST)


@pytest.mark.parametrize(
    "name", ["..", "/", "../../etc/passwd", "a/b", "C:\\x", "naïve", "\u0420\u0441\u0430", "😀", "a" * 255]
)
def test_any_printable_name_is_kept_as_it_is(client: BaseOpStoreClient, tmp_path: Path, name: str) -> None:
    client.save_op_bytes(name, FIRST, b"1")
    assert client.get_op_bytes_for_version(name, FIRST) == b"1"
    assert client.get_all_versions_of_op(name) == {FIRST}
    assert {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")} <= {
        "ops",
        "db.sqlite",
        "db.sqlite-wal",
        "db.sqlite-shm",
    }


@pytest.mark.parametrize("name", ["", "a\0b", "a\nb", "a" * 10_000, "a\u202eb"])
def test_a_name_that_nobody_could_read_is_refused(client: BaseOpStoreClient, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        client.save_op_bytes(name, FIRST, b"1")
    assert caught.value.status == 422
    assert caught.value.extra["errors"][0]["loc"] in (["op"], ["op_name"])
    assert count_rows(tmp_path).get("op", 0) == 0
