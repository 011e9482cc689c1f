"""Do ops travel between a store and a file whole, or not at all?"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from chariots.errors import StoreError, UnknownNameError
from chariots.op_store import BaseOpStoreClient
from tests.op_store.support import blob_files, version

DATA = os.urandom(3 * 2**20 + 17)
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with some bytes in it."""
    path = tmp_path_factory.mktemp("files") / "model.bin"
    path.write_bytes(DATA)
    return path


def test_a_file_is_kept_like_bytes(client: BaseOpStoreClient, source: Path) -> None:
    client.save_op_file("large", version("a"), source)
    assert client.get_op_bytes_for_version("large", version("a")) == DATA


def test_bytes_are_put_into_a_file(client: BaseOpStoreClient, source: Path) -> None:
    client.save_op_bytes("large", version("a"), DATA)
    target = source.with_name("copy.bin")
    target.write_bytes(b"what was there before")
    client.load_op_file("large", version("a"), target)
    assert target.read_bytes() == DATA
    assert sorted(path.name for path in source.parent.iterdir()) == ["copy.bin", "model.bin"]


def test_an_empty_file_is_kept_too(client: BaseOpStoreClient, source: Path) -> None:
    source.write_bytes(b"")
    client.read_blob_to(client.write_blob_from(source), source.with_name("copy"))
    assert source.with_name("copy").read_bytes() == b""


def test_a_file_that_the_store_has_already_is_not_sent_again(
    client: BaseOpStoreClient, source: Path, tmp_path: Path
) -> None:
    assert client.write_blob_from(source) == SHA
    before = blob_files(tmp_path)[0].stat().st_ino
    assert client.write_blob_from(source) == SHA
    assert [path.stat().st_ino for path in blob_files(tmp_path)] == [before]


def test_damaged_bytes_leave_the_file_as_it_was(client: BaseOpStoreClient, source: Path, tmp_path: Path) -> None:
    client.save_op_file("large", version("a"), source)
    (blob,) = blob_files(tmp_path)
    blob.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    with pytest.raises(StoreError, match="'large' version number 1"):
        client.load_op_file("large", version("a"), source)
    assert source.read_bytes() == DATA
    assert list(source.parent.iterdir()) == [source]


def test_bytes_that_are_not_there_leave_the_file_as_it_was(client: BaseOpStoreClient, source: Path) -> None:
    with pytest.raises(UnknownNameError):
        client.read_blob_to(hashlib.sha256(b"other").hexdigest(), source)
    with pytest.raises(UnknownNameError):
        client.load_op_file("large", version("a"), source)
    assert list(source.parent.iterdir()) == [source]
    assert source.read_bytes() == DATA


def test_a_file_that_is_not_there_is_named(client: BaseOpStoreClient, source: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.bin"):
        client.save_op_file("large", version("a"), source.with_name("missing.bin"))
    assert client.get_all_versions_of_op("large") is None
