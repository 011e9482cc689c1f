"""What does a load get when the bytes on the disk are no longer those that were saved? (never the bytes)"""

from __future__ import annotations

from pathlib import Path

import pytest

from chariots.errors import StoreError
from chariots.op_store import BaseOpStoreClient, OpStoreServer
from chariots.op_store.savers import BaseSaver
from tests.op_store.support import blob_files, count_rows, version

FIRST = version("a")
DATA = bytes(range(256)) * 20_000


def flip(path: Path) -> None:
    """Changes one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    """Cuts the end off."""
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    """Leaves nothing in the file."""
    path.write_bytes(b"")


def swap(path: Path) -> None:
    """Puts the bytes of another op there."""
    path.write_bytes(bytes(len(DATA)))


def remove(path: Path) -> None:
    """Removes the file."""
    path.unlink()


DAMAGES = [flip, truncate, empty, swap, remove]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_bytes_are_never_returned(client: BaseOpStoreClient, tmp_path: Path, damage: object) -> None:
    client.save_op_bytes("forest", FIRST, DATA)
    (blob,) = blob_files(tmp_path)
    damage(blob)  # type: ignore[operator]  # one of the functions above
    for ask in (lambda: client.read_blob(blob.name), lambda: client.get_op_bytes_for_version("forest", FIRST)):
        with pytest.raises(StoreError) as caught:
            ask()
        assert f"'forest' version number 1 ({FIRST})" in caught.value.detail
        assert blob.name in caught.value.detail
        assert ("lost" if damage is remove else "damaged") in caught.value.detail


@pytest.mark.parametrize("damage", DAMAGES)
def test_other_versions_can_still_be_loaded(client: BaseOpStoreClient, tmp_path: Path, damage: object) -> None:
    client.save_op_bytes("forest", FIRST, b"older")
    client.save_op_bytes("forest", version("b"), DATA)
    damage(max(blob_files(tmp_path), key=lambda path: path.stat().st_size))  # type: ignore[operator]
    assert client.get_op_bytes_for_version("forest", FIRST) == b"older"


@pytest.mark.parametrize("damage", DAMAGES)
def test_saving_the_same_bytes_again_mends_them(client: BaseOpStoreClient, tmp_path: Path, damage: object) -> None:
    client.save_op_bytes("forest", FIRST, DATA)
    rows = count_rows(tmp_path)
    damage(blob_files(tmp_path)[0])  # type: ignore[operator]
    client.save_op_bytes("forest", FIRST, DATA)
    assert client.get_op_bytes_for_version("forest", FIRST) == DATA
    assert count_rows(tmp_path) == rows


def test_half_written_files_are_not_taken_for_bytes(client: BaseOpStoreClient, tmp_path: Path) -> None:
    client.save_op_bytes("forest", FIRST, DATA)
    (blob,) = blob_files(tmp_path)
    (blob.parent / ".writing-0123456789abcdef").write_bytes(DATA[:1000])
    assert client.get_op_bytes_for_version("forest", FIRST) == DATA


class RefusingSaver(BaseSaver):
    """A place that keeps nothing, and says so."""

    def save(self, serialized_object: bytes, path: str) -> bool:
        """Keeps nothing."""
        return False

    def load(self, path: str) -> bytes:
        """Has nothing."""
        raise FileNotFoundError(path)


class FullSaver(RefusingSaver):
    """A place without room."""

    def save(self, serialized_object: bytes, path: str) -> bool:
        """Has no room."""
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize(("kind", "reason"), [(RefusingSaver, "did not keep them"), (FullSaver, "No space left")])
def test_bytes_that_cannot_be_kept_are_not_registered(tmp_path: Path, kind: type[BaseSaver], reason: str) -> None:
    store = OpStoreServer(kind("place"), f"sqlite:///{tmp_path / 'db.sqlite'}")
    with pytest.raises(StoreError, match=reason):
        store.client().save_op_bytes("forest", FIRST, b"model")
    assert store.client().get_all_versions_of_op("forest") is None


def test_a_path_that_is_occupied_is_reported(store: OpStoreServer, tmp_path: Path) -> None:
    (tmp_path / "ops").write_bytes(b"not a directory")
    with pytest.raises(StoreError, match=r"cannot be (saved|read) under"):
        store.client().save_op_bytes("forest", FIRST, b"model")
