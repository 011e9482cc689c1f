"""Does a save that carries a key count once, whoever tries it again, and however?"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from chariots.errors import AlreadySavedError, ConflictError, InputError
from chariots.op_store import BaseOpStoreClient, OpStoreServer
from chariots.op_store.blobs import blob_path
from chariots.pipelines.store import SaveKey, VersionRecord
from tests.op_store.support import all_rows, count_rows, record, version

FIRST, SECOND = SaveKey("job 1", 1), SaveKey("job 1", 2)


def records(client: BaseOpStoreClient, number: int) -> list[VersionRecord]:
    """Two ops that were trained together."""
    return [record(client, op, f"{op} {number}".encode(), version(f"{op} {number}")) for op in ("pca", "forest")]


def test_an_attempt_that_saves_again_gets_the_same_numbers_and_adds_nothing(
    client: BaseOpStoreClient, tmp_path: Path
) -> None:
    made = records(client, 1)
    numbers = client.commit_save("train", "forest", made, [("pca", "forest")], once=FIRST)
    before = all_rows(tmp_path)
    assert client.commit_save("train", "forest", made, [("pca", "forest")], once=FIRST) == numbers
    assert all_rows(tmp_path) == before


def test_what_the_same_attempt_saves_differently_is_not_added_either(client: BaseOpStoreClient, tmp_path: Path) -> None:
    numbers = client.commit_save("train", "forest", records(client, 1), [], once=FIRST)
    assert client.commit_save("train", "forest", records(client, 2), [], once=FIRST) == numbers
    assert count_rows(tmp_path)["version"] == 2


def test_another_attempt_is_refused_and_adds_nothing(client: BaseOpStoreClient, tmp_path: Path) -> None:
    client.commit_save("train", "forest", records(client, 1), [], once=FIRST)
    later = records(client, 2)
    before = all_rows(tmp_path)
    with pytest.raises(
        AlreadySavedError, match=r"attempt 2 .*'job 1'.*attempt 1 has saved.*nothing was added"
    ) as raised:
        client.commit_save("train", "forest", later, [("pca", "forest")], once=SECOND)
    assert raised.value.extra["attempt"] == 1
    assert (raised.value.status, isinstance(raised.value, ConflictError)) == (409, True)
    assert all_rows(tmp_path) == before


def test_the_attempt_that_saved_is_known(client: BaseOpStoreClient) -> None:
    assert client.saved_attempt("job 1") is None
    client.commit_save("train", "forest", records(client, 1), [], once=SaveKey("job 1", 7))
    assert client.saved_attempt("job 1") == 7
    assert client.saved_attempt("job 2") is None


def test_a_save_without_anything_new_leaves_its_key(client: BaseOpStoreClient) -> None:
    numbers = client.commit_save("train", "forest", records(client, 1), [])
    assert client.commit_save("train", "forest", records(client, 1), [], once=FIRST) == numbers
    assert client.saved_attempt("job 1") == 1


def test_a_save_without_anything_at_all_leaves_its_key(client: BaseOpStoreClient) -> None:
    assert client.commit_save("train", "forest", [], [], once=FIRST) == {}
    assert client.commit_save("train", "forest", [], [], once=FIRST) == {}
    assert client.saved_attempt("job 1") == 1


def test_a_save_that_is_refused_leaves_no_key(client: BaseOpStoreClient) -> None:
    lost = VersionRecord("pca", str(version("1")), sha256="0" * 64, size=1)
    with pytest.raises(ConflictError, match="does not have"):
        client.commit_save("train", "pca", [lost], [], once=FIRST)
    assert client.saved_attempt("job 1") is None


def test_an_answer_is_given_again_though_the_bytes_are_gone(store: OpStoreServer, local: BaseOpStoreClient) -> None:
    made = records(local, 1)
    numbers = local.commit_save("train", "forest", made, [], once=FIRST)
    store.saver.delete(blob_path(str(made[0].sha256)))
    assert local.commit_save("train", "forest", made, [], once=FIRST) == numbers


def test_saves_without_a_key_are_as_many_as_before(client: BaseOpStoreClient, tmp_path: Path) -> None:
    client.commit_save("train", "forest", records(client, 1), [])
    client.commit_save("train", "forest", records(client, 2), [])
    assert count_rows(tmp_path)["save"] == 2


@pytest.mark.parametrize("once", [SaveKey("", 1), SaveKey("x" * 10_000, 1), SaveKey("job", -1)])
def test_what_cannot_be_a_key_is_refused_by_name(client: BaseOpStoreClient, once: SaveKey) -> None:
    with pytest.raises(InputError, match="once"):
        client.commit_save("train", "forest", [], [], once=once)


@pytest.mark.parametrize("same", [True, False], ids=["one attempt", "several attempts"])
def test_of_many_saves_at_once_under_one_key_one_counts(client: BaseOpStoreClient, tmp_path: Path, same: bool) -> None:
    made = [records(client, number) for number in range(6)]
    start = threading.Barrier(6)
    saved: list[tuple[int, ...]] = []
    refused: list[int] = []

    def save(number: int) -> None:
        start.wait()
        try:
            numbers = client.commit_save(
                "train", "forest", made[number], [], once=SaveKey("job", 1 if same else number)
            )
            saved.append(tuple(sorted(numbers.values())))
        except AlreadySavedError:
            refused.append(number)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(saved), len(refused)) == ((6, 0) if same else (1, 5))
    assert len(set(saved)) == 1
    assert count_rows(tmp_path)["version"] == 2
    assert count_rows(tmp_path)["save"] == 1
