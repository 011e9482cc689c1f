"""Can a store whose bytes are in a bucket be kept in order like one on a disk?"""

from __future__ import annotations

from pathlib import Path

import pytest

from chariots.op_store import OpStoreServer
from chariots.op_store.blobs import blob_path
from chariots.op_store.maintenance import Policy, back_up, collect, export_ops, import_ops, restore, verify
from chariots.op_store.savers import FileSaver
from tests.object_stores import ObjectStores, make_bucket, open_saver
from tests.op_store.maintaining import alive
from tests.op_store.support import save_pair, version


@pytest.fixture
def bucket(object_stores: ObjectStores, tmp_path: Path) -> OpStoreServer:
    """A store with three versions of two ops, in a bucket of S3."""
    url = object_stores.url("s3")
    saver = open_saver("s3", url, make_bucket("s3", url))
    store = OpStoreServer(saver, f"sqlite:///{tmp_path / 'bucket.sqlite'}")
    for number in range(3):
        save_pair(store.client(), number)
    return store


def on_disk(folder: Path) -> OpStoreServer:
    """A store on a disk."""
    return OpStoreServer(FileSaver(str(folder / "ops")), f"sqlite:///{folder / 'db.sqlite'}")


def test_losses_and_orphans_in_a_bucket_are_found(bucket: OpStoreServer) -> None:
    assert verify(bucket.registry).findings == []
    lost = bucket.client().versions("pca")[0].sha256
    bucket.saver.delete(blob_path(str(lost)))
    bucket.client().write_blob(b"orphan")
    assert sorted(finding.kind for finding in verify(bucket.registry, grace=-5.0).findings) == ["missing", "orphaned"]


def test_bytes_in_a_bucket_are_given_up(bucket: OpStoreServer) -> None:
    bucket.client().write_blob(b"orphan")
    report = collect(bucket.registry, Policy(1, 0.0), delete=True, grace=-5.0)
    assert (report.version_count, report.blobs, report.orphans) == (4, 5, 1)
    assert sum(1 for _ in bucket.saver.list("blobs")) == 2
    assert verify(bucket.registry, grace=-5.0).findings == []


def test_a_bucket_is_backed_up_into_a_folder_and_a_folder_restored_into_a_bucket(
    bucket: OpStoreServer, object_stores: ObjectStores, tmp_path: Path
) -> None:
    assert back_up(bucket.registry, tmp_path / "backup").copied == 6
    url = object_stores.url("s3")
    other = OpStoreServer(open_saver("s3", url, make_bucket("s3", url)), f"sqlite:///{tmp_path / 'other.sqlite'}")
    assert restore(other.registry, tmp_path / "backup").copied == 6
    assert alive(other) == alive(bucket)
    assert verify(other.registry).findings == []


def test_ops_move_from_a_bucket_to_a_disk(bucket: OpStoreServer, tmp_path: Path) -> None:
    export_ops(bucket.registry, ["pca"], tmp_path / "pca.zip")
    disk = on_disk(tmp_path / "disk")
    assert import_ops(disk.registry, tmp_path / "pca.zip").versions == 3
    assert disk.client().get_op_bytes_for_version("pca", version("pca 2")) == b"pca 2"
