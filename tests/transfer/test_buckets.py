"""Do the objects of a bucket become the right pointers, and their bytes come part by part and of one state?"""

from __future__ import annotations

import hashlib
import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3

from chariots.errors import ConflictError, InputError, UnknownNameError
from chariots.transfer import AzureResolution, GcsResolution, Manifest, Pointer, S3Resolution, create_manifest, resolve
from chariots.transfer.origins import ChangedError, Pin
from chariots.transfer.sources import BucketOrigin
from tests.object_stores import AZURE_ACCOUNT, ObjectStores
from tests.transfer.buckets import Bucket, new_bucket, pointer_to, read, stores

MIB = 2**20
FILES = {"config.json": b"{}", "sub/deep/weights.bin": b"w" * 3000, "a name #1 100%.txt": b"odd", "empty": b""}


@pytest.fixture
def s3(servers: ObjectStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket of S3."""
    return new_bucket("s3", servers, tmp_path, monkeypatch)


def fill(bucket: Bucket, folder: str = "pre/") -> None:
    """Puts the files of these tests into a folder, and one beside it that looks alike."""
    for path, data in FILES.items():
        bucket.put(folder + path, data)
    bucket.put("prefix/other", b"other")


@pytest.mark.parametrize("prefix", ["pre", "pre/"])
def test_every_object_below_a_folder_becomes_a_pointer(bucket: Bucket, prefix: str) -> None:
    fill(bucket)
    pointers = create_manifest([bucket.repo(prefix)], root="/models").pointers
    assert [one.file_name for one in pointers] == [f"/models/vol/{path}" for path in sorted(FILES)]
    for one, path in zip(pointers, sorted(FILES), strict=True):
        name, resolution = f"pre/{path}", one.resolution
        if isinstance(resolution, S3Resolution):
            assert (resolution.bucket_name, resolution.key, resolution.region) == (bucket.name, name, None)
            assert one.uid == f"s3:{bucket.name}:{name}"
        elif isinstance(resolution, GcsResolution):
            assert (resolution.bucket_name, resolution.path) == (bucket.name, name)
        else:
            assert isinstance(resolution, AzureResolution)
            assert (resolution.account_name, resolution.container_name) == (AZURE_ACCOUNT, bucket.name)
            assert resolution.blob_name == name
        assert (one.size, one.runtime_secret_name) == (len(FILES[path]), "keys")
        assert one.hash and '"' not in one.hash
    md5s = [hashlib.md5(FILES[path]).hexdigest() for path in sorted(FILES)]
    expected = {"s3": ["etag"] * 4, "gcs": ["md5"] * 4, "azure": ["etag"] * 4}[bucket.kind]
    assert [one.hashtype for one in pointers] == expected
    assert bucket.kind == "azure" or [one.hash for one in pointers] == md5s


def test_the_files_of_such_a_manifest_arrive(bucket: Bucket, tmp_path: Path) -> None:
    fill(bucket)
    resolve(tmp_path / "there", manifest=create_manifest([bucket.repo("pre")], root=""))
    assert {path: (tmp_path / "there" / "vol" / path).read_bytes() for path in FILES} == FILES


def test_such_a_manifest_is_written_and_read_again(bucket: Bucket) -> None:
    fill(bucket)
    manifest = create_manifest([bucket.repo("pre")])
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_patterns_are_of_paths_below_the_folder(bucket: Bucket) -> None:
    fill(bucket)
    found = create_manifest([bucket.repo("pre", allow_patterns=["sub/*", "*.json"], ignore_patterns=["config*"])])
    assert [one.file_name for one in found.pointers] == ["/app/model_cache/vol/sub/deep/weights.bin"]


def test_more_objects_than_a_page_has_are_all_listed(s3: Bucket) -> None:
    names = [f"many/{number:04}" for number in range(1_100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: urllib3.request("PUT", f"{s3.url}/{s3.name}/{name}", body=b"x").status, names))
    found = create_manifest([s3.repo("many", volume_folder="")], root="").pointers
    assert [one.file_name for one in found] == [name.removeprefix("many/") for name in names]


def test_objects_that_only_stand_for_folders_are_left_out(s3: Bucket) -> None:
    fill(s3)
    for name in ("pre/", "pre/sub/", "pre/nothing/", "pre/sub/deep/"):
        urllib3.request("PUT", f"{s3.url}/{s3.name}/{name}", body=b"")
    found = create_manifest([s3.repo("pre")], root="").pointers
    assert [one.file_name for one in found] == [f"vol/{path}" for path in sorted(FILES)]


def test_an_object_whose_name_no_file_can_have_is_told(s3: Bucket) -> None:
    urllib3.request("PUT", f"{s3.url}/{s3.name}/pre//file", body=b"x")
    with pytest.raises(InputError, match="holds an object whose name has an empty part"):
        create_manifest([s3.repo("pre")])


def test_an_empty_folder_is_told(bucket: Bucket) -> None:
    with pytest.raises(UnknownNameError, match="has no files; check its name, and its revision or prefix"):
        create_manifest([bucket.repo("nothing")])


def test_a_missing_bucket_is_told(bucket: Bucket) -> None:
    bucket.name = "there-is-no-such-bucket"
    with pytest.raises(UnknownNameError, match="/there-is-no-such-bucket cannot be read: the service knows no such"):
        create_manifest([bucket.repo("pre")])
    origin = BucketOrigin(replace(_pointer(bucket), size=3), stores())
    with pytest.raises(UnknownNameError, match="knows no such bucket or container"):
        origin.open(0, 3, None)


def _pointer(bucket: Bucket) -> Pointer:
    resolution = {
        "s3": S3Resolution(bucket.name, "gone"),
        "gcs": GcsResolution("gone", bucket.name),
        "azure": AzureResolution(AZURE_ACCOUNT, bucket.name, "gone"),
    }[bucket.kind]
    return Pointer(resolution, "uid", "gone", "etag", "x", 3, "keys")


def test_parts_of_an_object_are_its_bytes(bucket: Bucket) -> None:
    data = random.Random(1).randbytes(3 * MIB)
    origin = BucketOrigin(pointer_to(bucket, data), stores())
    bounds = [0, 1, 70_000, MIB, MIB + 1, 3 * MIB - 1, 3 * MIB]
    pin: Pin | None = None
    for start, stop in itertools.pairwise(bounds):
        found, pin = read(origin, start, stop, pin)
        assert found == data[start:stop]
    assert pin is not None and pin.size == len(data) and read(origin, 0, len(data)) == (data, pin)


def test_parts_come_over_several_threads_at_once(bucket: Bucket) -> None:
    data = random.Random(2).randbytes(4 * MIB)
    origin = BucketOrigin(pointer_to(bucket, data), stores())
    with ThreadPoolExecutor(8) as pool:
        parts = pool.map(lambda start: read(origin, start, start + MIB // 2)[0], range(0, len(data), MIB // 2))
    assert b"".join(parts) == data


def test_an_object_with_an_odd_name_is_found(bucket: Bucket) -> None:
    name = "dir/a name #1 100%25+ü~.txt"
    assert read(BucketOrigin(pointer_to(bucket, b"odd", name), stores()), 0, 3)[0] == b"odd"


def test_an_empty_object_has_a_state_and_no_bytes(bucket: Bucket) -> None:
    found, pin = read(BucketOrigin(pointer_to(bucket, b""), stores()), 0, 0)
    assert found == b"" and pin.size == 0 and pin.etag


def test_an_answer_may_be_left_in_the_middle(bucket: Bucket) -> None:
    origin = BucketOrigin(pointer_to(bucket, b"x" * MIB), stores())
    answer = origin.open(0, MIB, None)
    assert answer.readinto(memoryview(bytearray(10))) == 10
    answer.close()
    assert answer.readinto(memoryview(bytearray(10))) == 0


def test_a_replaced_object_has_changed(bucket: Bucket) -> None:
    origin = BucketOrigin(pointer_to(bucket, b"a" * MIB), stores())
    _, pin = read(origin, 0, 10)
    bucket.put("big.bin", b"b" * MIB)
    with pytest.raises(ChangedError):
        origin.open(10, MIB, pin)
    assert read(origin, 0, 10)[0] == b"b" * 10


def test_a_replaced_object_of_another_size_no_longer_fits_the_manifest(bucket: Bucket) -> None:
    origin = BucketOrigin(pointer_to(bucket, b"a" * 100), stores())
    bucket.put("big.bin", b"b" * 50)
    for start, stop in ((0, 100), (60, 100)):
        with pytest.raises(ConflictError, match="has changed since the manifest was made: make a new one"):
            origin.open(start, stop, None)


def test_a_removed_object_is_told(bucket: Bucket) -> None:
    origin = BucketOrigin(pointer_to(bucket, b"x"), stores())
    bucket.delete("big.bin")
    with pytest.raises(UnknownNameError, match=r"big\.bin is not there.*make a new manifest"):
        origin.open(0, 1, None)
