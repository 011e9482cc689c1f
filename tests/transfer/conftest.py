"""What do the tests of transfers share?"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chariots.transfer import HttpResolution, Manifest, Pointer, file_download
from chariots.web import RetryPolicy
from tests.object_stores import ObjectStores
from tests.transfer.buckets import KINDS, Bucket, new_bucket
from tests.transfer.hostile import HostileServer

MEBIBYTE = 2**20


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests counts, and pauses between attempts are short."""
    import os

    for name in list(os.environ):
        if name.startswith(("CHARIOTS_", "TRUSS_", "HF_", "HUGGING", "BASETEN_", "AWS_")) or name.endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CHARIOTS_TRANSFER_DOWNLOAD_DIR", str(tmp_path / "default"))
    monkeypatch.setattr(file_download, "POLICY", RetryPolicy(attempts=8, base=0.01, maximum=0.1))


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStores]:
    """Servers of S3, Google Cloud Storage and Azure Blob Storage, on loopback."""
    servers = ObjectStores(tmp_path_factory.mktemp("object_stores"))
    yield servers
    servers.close()


@pytest.fixture(params=KINDS)
def bucket(
    request: pytest.FixtureRequest, servers: ObjectStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bucket:
    """An empty bucket of each kind, one after the other."""
    return new_bucket(request.param, servers, tmp_path, monkeypatch)


def some_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


PointerMaker = Callable[..., Pointer]


def pointer(url: str, name: str, data: bytes, *, size: int | None = None, **changed: str) -> Pointer:
    """A pointer to bytes, with their SHA-256 unless another hash is given."""
    told = {"uid": name, "hashtype": "sha256", "hash": sha256(data), **changed}
    return Pointer(HttpResolution(url), file_name=name, size=len(data) if size is None else size, **told)


def served(server: HostileServer, name: str, data: bytes, **manners: object) -> Manifest:
    """Serves bytes, and gives the manifest of them."""
    server.put(f"/{name}", data, **manners)  # type: ignore[arg-type]
    return Manifest((pointer(server.url(f"/{name}"), name, data),))


def files_in(folder: Path) -> dict[str, bytes]:
    """What is under final names."""
    if not folder.exists():
        return {}
    names = [path for path in folder.rglob("*") if path.is_file() and ".chariots-transfer" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


def eventually(is_so: Callable[[], bool]) -> None:
    """Waits until something is so, which is sooner or later."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
