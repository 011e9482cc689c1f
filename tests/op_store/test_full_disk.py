"""What becomes of a save when the place for the bytes is full? (507, and nothing of it is left behind)"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chariots.errors import StoreFullError, StoreUnavailableError
from chariots.op_store import OpStoreServer
from chariots.op_store.savers import BaseSaver, FileSaver
from tests.op_store.support import ROOT, blob_files, file_store, version


def run_on_small_disk(folder: Path) -> dict[str, object]:
    """Runs the program of the neighbour module, with mounts of its own where the system allows that."""
    program = [sys.executable, "-m", "tests.op_store.fill_small_disk", str(folder)]
    apart = ["unshare", "--user", "--map-root-user", "--mount"]
    may = shutil.which("unshare") and subprocess.run([*apart, "true"], capture_output=True, check=False).returncode == 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [*apart, *program] if may else program
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, object] = json.loads(ran.stdout)
    return found


def test_an_op_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    found = run_on_small_disk(tmp_path)
    refused = found["refused"]
    assert isinstance(refused, dict)
    assert refused["status"] == 507
    assert "make room" in refused["detail"]
    assert found["left behind"] == 0
    assert found["older one loads"] is True
    assert found["versions"] == sorted((str(version("a")), str(version("c"))))
    assert found["ready"] == 200


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("call", ["write", "fsync", "link", "mkdir"])
def test_every_step_that_finds_no_room_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    store = file_store(tmp_path)
    store.client().save_op_bytes("forest", version("a"), b"older")
    kept = blob_files(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(StoreFullError, match="nothing was left behind"):
        store.registry.blobs.write(b"no room for these")
    monkeypatch.undo()
    assert blob_files(tmp_path) == kept
    assert store.client().get_op_bytes_for_version("forest", version("a")) == b"older"


def test_a_place_that_may_not_be_used_is_told_as_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = file_store(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreUnavailableError, match="Input/output error"):
        store.registry.blobs.write(b"model")


class AwaySaver(BaseSaver):
    """A place of a user's own, whose library has failures of its own."""

    def save(self, serialized_object: bytes, path: str) -> bool:
        """Keeps nothing."""
        raise RuntimeError("no route to the vault")

    def load(self, path: str) -> bytes:
        """Finds nothing out."""
        raise RuntimeError("no route to the vault")


def test_a_store_is_not_ready_whatever_its_saver_raises(tmp_path: Path) -> None:
    store = OpStoreServer(AwaySaver(str(tmp_path / "ops")), f"sqlite:///{tmp_path / 'db.sqlite'}")
    answer = store.flask.test_client().get("/readyz")
    assert answer.status_code == 503
    assert "cannot be used: no route to the vault; mend" in answer.json["detail"]


def test_a_store_is_not_ready_where_its_folder_is_none(tmp_path: Path) -> None:
    (tmp_path / "ops").write_bytes(b"not a folder")
    store = OpStoreServer(FileSaver(str(tmp_path / "ops")), f"sqlite:///{tmp_path / 'db.sqlite'}")
    application = store.flask.test_client()
    answer = application.get("/readyz")
    assert answer.status_code == 503
    assert str(tmp_path / "ops") in answer.json["detail"]
    (tmp_path / "ops").unlink()
    assert application.get("/readyz").status_code == 200
