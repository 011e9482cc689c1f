"""Where does a test get buckets from, and what opens them? (those of `tests.object_stores`, with secrets in files)"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chariots.transfer import ModelRepo, Pointer, create_manifest
from chariots.transfer.origins import Pin
from chariots.transfer.sources import BucketOrigin, Stores
from tests.object_stores import AZURE_ACCOUNT, AZURE_KEY, ObjectStores, make_bucket, open_saver

SECRET_KEY = "hush-hush-key"
KINDS = {"s3": "s3", "gcs": "google", "azure": "azure"}  # as transfers call them, and as the test servers do


@dataclass
class Bucket:
    """A bucket that no other test uses.

    Attributes:
        kind: as a `ModelRepo` calls it.
        name: its name.
        url: the server.
        folder: where its secret is, in a file called ``keys``.
    """

    kind: str
    name: str
    url: str
    folder: Path

    @property
    def address(self) -> str:
        """What stands before the name of an object."""
        scheme = {"s3": "s3", "gcs": "gs", "azure": f"azure://{AZURE_ACCOUNT}"}[self.kind]
        return f"{scheme}{'/' if self.kind == 'azure' else '://'}{self.name}"

    def repo(self, prefix: str = "", **arguments: Any) -> ModelRepo:
        """A folder of it."""
        given = {"volume_folder": "vol", "runtime_secret_name": "keys", **arguments}
        return ModelRepo(f"{self.address}/{prefix}" if prefix else self.address, kind=self.kind, **given)

    def put(self, name: str, data: bytes) -> None:
        """Makes or replaces an object."""
        import obstore

        obstore.put(self._store(), name, data)

    def delete(self, name: str) -> None:
        """Removes an object."""
        import obstore

        obstore.delete(self._store(), name)

    def serve_at(self, url: str, monkeypatch: pytest.MonkeyPatch, key: str | None = None) -> None:
        """Has it found at another address, or with another key."""
        self.folder.mkdir(exist_ok=True)
        monkeypatch.setenv("CHARIOTS_TRANSFER_SECRETS_DIR", str(self.folder))
        if self.kind == "gcs":
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
            return
        keys = {"access_key_id": "name", "secret_access_key": key or SECRET_KEY, "region": "us-east-1", "endpoint": url}
        if self.kind == "azure":
            keys = {"account_key": key or AZURE_KEY, "endpoint": url}
        (self.folder / "keys").write_text(json.dumps(keys))

    def _store(self) -> Any:
        return open_saver(KINDS[self.kind], self.url, self.name, root="").connected({}, {})


def new_bucket(kind: str, servers: ObjectStores, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Makes a bucket, and the secret that opens it.

    Args:
        kind: one of `KINDS`.
        servers: the servers.
        folder: a directory of the test.
        monkeypatch: sets the environment.
    """
    url = servers.url(KINDS[kind])
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SESSION_TOKEN", "STORAGE_EMULATOR_HOST", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    bucket = Bucket(kind, make_bucket(KINDS[kind], url), url, folder / "secrets")
    bucket.serve_at(url, monkeypatch)
    return bucket


def stores(read_timeout: float = 20.0) -> Stores:
    """Buckets to open, with some patience."""
    return Stores(read_timeout)


def read(origin: BucketOrigin, start: int, stop: int, pin: Pin | None = None) -> tuple[bytes, Pin]:
    """A part of an object, and its state."""
    answer = origin.open(start, stop, pin)
    found, buffer = b"", memoryview(bytearray(100_000))
    while count := answer.readinto(buffer):
        found += buffer[:count]
    answer.close()
    assert answer.start == start and answer.has_ranges
    return found, answer.pin


def pointer_to(bucket: Bucket, data: bytes, name: str = "big.bin") -> Pointer:
    """An object with these bytes, and the pointer to it."""
    bucket.put(name, data)
    return next(one for one in create_manifest([bucket.repo()]).pointers if one.file_name.endswith(name))
