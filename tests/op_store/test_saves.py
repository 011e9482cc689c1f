"""Is a save of a pipeline all there or not at all, and free when nothing changed?"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from chariots.errors import ConflictError, InputError
from chariots.op_store import BaseOpStoreClient, OpStoreServer, tables
from tests.op_store.support import CODE, all_rows, blob_files, count_rows, query, record, save_pair, version

MISSING = hashlib.sha256(b"never sent").hexdigest()


def test_bytes_are_kept_under_their_own_hash(client: BaseOpStoreClient, tmp_path: Path) -> None:
    sha256 = client.write_blob(b"model")
    assert sha256 == hashlib.sha256(b"model").hexdigest()
    assert blob_files(tmp_path) == [tmp_path / "ops" / "blobs" / sha256[:2] / sha256]
    assert client.read_blob(sha256) == b"model"


def test_the_same_bytes_are_kept_once(client: BaseOpStoreClient, tmp_path: Path) -> None:
    first = client.write_blob(b"model")
    before = blob_files(tmp_path)[0].stat()
    assert client.write_blob(b"model") == first
    assert len(blob_files(tmp_path)) == 1
    assert blob_files(tmp_path)[0].stat().st_ino == before.st_ino


def test_a_save_gets_numbers_that_grow(client: BaseOpStoreClient) -> None:
    first, second = save_pair(client, 1), save_pair(client, 2)
    assert set(first) == {"pca", "forest"}
    assert max(first.values()) < min(second.values())


def test_a_save_is_found_by_the_next_load(client: BaseOpStoreClient) -> None:
    numbers = save_pair(client, 1)
    found = client.resolve("predict", [query("pca"), query("forest")], [("pca", "forest")])
    assert found.problems == []
    assert {name: stored.id for name, stored in found.versions.items()} == numbers
    assert client.read_blob(found.versions["pca"].sha256 or "") == b"pca 1"
    assert found.versions["pca"].size == 5


def test_saving_an_unchanged_pipeline_adds_nothing(client: BaseOpStoreClient, tmp_path: Path) -> None:
    numbers = save_pair(client, 1)
    rows, files = count_rows(tmp_path), blob_files(tmp_path)
    assert save_pair(client, 1) == numbers
    assert (count_rows(tmp_path), blob_files(tmp_path)) == (rows, files)


def test_saving_an_unchanged_pipeline_touches_no_row(client: BaseOpStoreClient, tmp_path: Path) -> None:
    save_pair(client, 1)
    before = all_rows(tmp_path)
    save_pair(client, 1)
    assert all_rows(tmp_path) == before


def test_a_save_registers_its_pipeline(client: BaseOpStoreClient) -> None:
    save_pair(client, 1)
    assert client.pipeline_exists("train") is True


def test_a_save_without_a_pipeline_registers_none(client: BaseOpStoreClient, tmp_path: Path) -> None:
    client.commit_save("", "pca", [record(client, "pca", b"1")], [])
    assert count_rows(tmp_path)["pipeline"] == 0


def test_a_link_names_both_versions(client: BaseOpStoreClient, store: OpStoreServer) -> None:
    numbers = save_pair(client, 1)
    with store.registry.database.reading() as connection:
        links = connection.execute(sa.select(tables.link)).all()
    assert [(link.upstream_version_id, link.downstream_version_id) for link in links] == [
        (numbers["pca"], numbers["forest"])
    ]


def test_links_of_a_save_answer_the_old_question_too(client: BaseOpStoreClient) -> None:
    save_pair(client, 1)
    save_pair(client, 2)
    assert client.get_validated_links("forest", "pca") == {version("pca 1"), version("pca 2")}


def test_an_op_without_bytes_is_registered_once(client: BaseOpStoreClient, tmp_path: Path) -> None:
    for _ in range(2):
        numbers = client.commit_save("p", "split", [record(client, "split", of=CODE)], [])
    assert count_rows(tmp_path)["version"] == 1
    assert numbers == {"split": 1}


def test_an_op_that_was_loaded_stands_for_the_version_it_was_loaded_from(client: BaseOpStoreClient) -> None:
    first = save_pair(client, 1)
    loaded = replace(record(client, "pca", None, version("pca 1")))
    again = client.commit_save("next", "tree", [loaded, record(client, "tree", b"t")], [("pca", "tree")])
    assert again["pca"] == first["pca"]


def test_declared_fields_are_kept_beside_the_hashes(client: BaseOpStoreClient, store: OpStoreServer) -> None:
    save_pair(client, 1)
    with store.registry.database.reading() as connection:
        row = connection.execute(sa.select(tables.version)).first()
    assert row is not None
    assert row.fields["rate"]["value"] == "3"
    assert (row.fingerprint, row.code_major) == ("a1b2", CODE.major)


def test_a_save_whose_bytes_were_never_sent_registers_nothing(client: BaseOpStoreClient, tmp_path: Path) -> None:
    save_pair(client, 1)
    rows = count_rows(tmp_path)
    records = [record(client, "new", b"n"), replace(record(client, "lost", b"l"), sha256=MISSING)]
    with pytest.raises(ConflictError, match="op 'lost' was to be saved with the bytes") as caught:
        client.commit_save("train", "lost", records, [("new", "lost")])
    assert caught.value.status == 409
    assert count_rows(tmp_path) == rows


def test_a_link_to_an_op_that_is_not_saved_is_refused(client: BaseOpStoreClient) -> None:
    with pytest.raises(InputError, match="links"):
        client.commit_save("p", "pca", [record(client, "pca", b"1")], [("pca", "forest")])


def test_two_versions_of_one_op_in_one_save_are_refused(client: BaseOpStoreClient) -> None:
    with pytest.raises(InputError, match=r"versions\.op"):
        client.commit_save("p", "pca", [record(client, "pca", b"1"), record(client, "pca", b"2")], [])


def test_a_save_that_fails_half_way_is_not_visible(
    local: BaseOpStoreClient, store: OpStoreServer, tmp_path: Path
) -> None:
    save_pair(local, 1)
    rows = count_rows(tmp_path)
    statements = 0

    def fail_at(limit: int) -> None:
        def before(*_: object) -> None:
            nonlocal statements
            statements += 1
            if statements == limit:
                raise RuntimeError("cut")

        sa.event.listen(engine, "before_cursor_execute", before)
        try:
            save_pair(local, 2)
        finally:
            sa.event.remove(engine, "before_cursor_execute", before)

    engine = store.registry.database.engine
    for limit in range(1, 100):
        statements = 0
        try:
            fail_at(limit)
        except RuntimeError:
            assert count_rows(tmp_path) == rows
        else:
            break
    assert limit > 5
    assert count_rows(tmp_path)["version"] == rows["version"] + 2


def test_a_save_of_a_thousand_ops_is_one_save(local: BaseOpStoreClient, tmp_path: Path) -> None:
    records = [record(local, f"op{number}", of=CODE) for number in range(1500)]
    links = [(f"op{number}", f"op{number + 1}") for number in range(1499)]
    numbers = local.commit_save("wide", "op1499", records, links)
    assert len(numbers) == 1500
    assert count_rows(tmp_path)["link"] == 1499
