"""Does `verify` find what is damaged, missing or left over, and name who loses by it?"""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from chariots.errors import InputError
from chariots.op_store import BaseOpStoreClient, OpStoreServer
from chariots.op_store.maintenance import Policy, VerifyReport, collect, inventory, verification, verify
from chariots.op_store.maintenance.verification import verify_shelf
from chariots.op_store.savers import BaseSaver
from tests.op_store.maintaining import make_files_old
from tests.op_store.support import all_rows, blob_files, database_url, save_pair, version


def kinds(report: VerifyReport) -> list[str]:
    """What kinds of things were found."""
    return sorted(finding.kind for finding in report.findings)


def blob_of(folder: Path, data: bytes) -> Path:
    """The file that holds these bytes."""
    (found,) = (path for path in blob_files(folder) if path.read_bytes() == data)
    return found


def test_a_sound_store_is_found_sound(client: BaseOpStoreClient) -> None:
    for number in range(3):
        save_pair(client, number)
    report = client.verify()
    assert (report.findings, report.versions, report.blobs) == ([], 6, 6)
    assert report.size == sum(len(f"{op} {number}") for op in ("pca", "forest") for number in range(3))


def test_an_empty_store_is_sound(client: BaseOpStoreClient) -> None:
    assert client.verify().findings == []


def flip(path: Path) -> None:
    """Changes one bit."""
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    """Removes the last byte."""
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(("damage", "kind"), [(flip, "damaged"), (cut, "damaged"), (Path.unlink, "missing")])
def test_a_loss_is_told_with_the_op_and_the_version(
    client: BaseOpStoreClient, tmp_path: Path, damage: Callable[[Path], None], kind: str
) -> None:
    save_pair(client, 1)
    save_pair(client, 2)
    damage(blob_of(tmp_path, b"pca 2"))
    report = client.verify()
    (finding,) = report.losses
    assert report.findings == report.losses
    assert finding.kind == kind
    assert finding.versions == [f"'pca' version number 3 ({version('pca 2')})"]
    assert "'pca' version number 3" in finding.sentence
    assert "bring them back from a backup, or save the op again" in finding.sentence


def test_every_version_that_shares_lost_bytes_is_named(store: OpStoreServer, tmp_path: Path) -> None:
    for number in range(7):
        store.client().save_op_bytes("forest", version(str(number)), b"the same")
    blob_files(tmp_path)[0].unlink()
    report = verify(store.registry)
    assert (report.versions, report.blobs) == (7, 1)
    (finding,) = report.findings
    assert len(finding.versions) == 6
    assert finding.versions[0].startswith("'forest' version number 7 ")
    assert finding.versions[-1] == "2 more"


def test_a_file_that_cannot_be_read_is_told(store: OpStoreServer, tmp_path: Path) -> None:
    save_pair(store.client(), 1)
    path = blob_of(tmp_path, b"pca 1")
    path.unlink()
    path.mkdir()
    (finding,) = verify(store.registry).losses
    assert finding.kind == "damaged"
    assert "cannot be read" in finding.sentence


def test_orphans_and_leftovers_of_killed_saves_are_told_once_they_are_old(
    client: BaseOpStoreClient, tmp_path: Path
) -> None:
    save_pair(client, 1)
    client.write_blob(b"never registered")
    (blob_files(tmp_path)[0].parent / ".writing-0123456789abcdef").write_bytes(b"half")
    assert client.verify().findings == []
    assert kinds(client.verify(grace=-1.0)) == ["leftover", "orphaned"]
    make_files_old(tmp_path)
    report = client.verify()
    assert kinds(report) == ["leftover", "orphaned"]
    assert report.losses == []
    assert sum(finding.size for finding in report.findings) == len(b"never registered") + 4


def test_what_no_store_put_there_is_told(store: OpStoreServer, tmp_path: Path) -> None:
    save_pair(store.client(), 1)
    blob = blob_of(tmp_path, b"pca 1")
    (blob.parent / "notes.txt").write_text("mine")
    (blob.parent / ("0" * 64)).write_bytes(b"on the wrong shelf" if blob.parent.name != "00" else b"")
    report = verify(store.registry, grace=-1.0)
    assert "foreign" in kinds(report)
    assert report.losses == []
    assert any(str(finding.path).endswith("/notes.txt") for finding in report.findings)


def test_versions_that_were_given_up_are_not_missed(store: OpStoreServer, tmp_path: Path) -> None:
    for number in range(3):
        save_pair(store.client(), number)
    left = blob_of(tmp_path, b"pca 0")
    collect(store.registry, Policy(1, 0.0), delete=True)
    assert verify(store.registry).findings == []
    left.write_bytes(b"pca 0")
    (finding,) = verify(store.registry).findings
    assert (finding.kind, "were given up by `gc`" in finding.sentence) == ("orphaned", True)


def test_looking_changes_nothing(store: OpStoreServer, tmp_path: Path) -> None:
    save_pair(store.client(), 1)
    flip(blob_of(tmp_path, b"pca 1"))
    before = [(path, path.read_bytes()) for path in blob_files(tmp_path)]
    verify(store.registry)
    assert [(path, path.read_bytes()) for path in blob_files(tmp_path)] == before


@pytest.mark.sqlite
def test_a_database_with_a_row_missing_is_told(store: OpStoreServer, tmp_path: Path) -> None:
    save_pair(store.client(), 1)
    with sqlite3.connect(tmp_path / "db.sqlite") as connection:
        connection.execute("DELETE FROM version WHERE id = 1")
    before = all_rows(tmp_path)
    (finding,) = verify(store.registry).losses
    assert finding.kind == "database"
    assert "of link names a row of version that is not there" in finding.sentence
    assert all_rows(tmp_path) == before


def test_a_shelf_can_be_looked_through_in_pieces(store: OpStoreServer) -> None:
    states = (f"state {number}".encode() for number in itertools.count())
    here = (state for state in states if hashlib.sha256(state).hexdigest().startswith("07"))
    for number, state in enumerate(itertools.islice(here, 70)):  # 32 are read before the clock is looked at
        store.client().save_op_bytes("forest", version(str(number)), state)
    seen, calls = VerifyReport(), 0
    after: str | None = ""
    while after is not None:
        report, after = verify_shelf(store.registry, "07", after=after, seconds=0.0)
        seen.add(report)
        calls += 1
    assert (calls, seen.blobs, seen.versions, seen.findings) == (3, 70, 70, [])


def test_large_bytes_are_read_in_pieces_of_their_own(store: OpStoreServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "_MOST_BYTES", 60)  # two of these, as if each had 100 MiB
    states = (b"%030d" % number for number in itertools.count())
    here = (state for state in states if hashlib.sha256(state).hexdigest().startswith("a"))
    for number, state in enumerate(itertools.islice(here, 5)):
        store.client().save_op_bytes("forest", version(str(number)), state)
    pieces = []
    after: str | None = ""
    while after is not None:
        report, after = verify_shelf(store.registry, "a", after=after, seconds=0.0)
        pieces.append(report.blobs)
    assert pieces == [2, 2, 1]


def test_a_shelf_that_is_none_is_refused(client: BaseOpStoreClient) -> None:
    for shelf in ("", "..", "AB", "abc", "\0"):
        with pytest.raises(InputError, match="one or two lower-case hexadecimal digits"):
            client.post("/v2/verify/shelf", {"shelf": shelf})


class Unlistable(BaseSaver):
    """A place of a user's own that cannot list."""

    kept: dict[str, bytes] = {}

    def save(self, serialized_object: bytes, path: str) -> bool:
        """Keeps bytes in memory."""
        self.kept[path] = serialized_object
        return True

    def load(self, path: str) -> bytes:
        """Returns them."""
        if path not in self.kept:
            raise FileNotFoundError(path)
        return self.kept[path]


def test_a_saver_that_cannot_list_is_still_read(tmp_path: Path) -> None:
    saver = Unlistable("place")
    store = OpStoreServer(saver, database_url(tmp_path))
    save_pair(store.client(), 1)
    assert (verify(store.registry).findings, verify(store.registry).listed) == ([], False)
    saver.kept[next(iter(saver.kept))] = b"other"
    assert kinds(verify(store.registry)) == ["damaged"]


def test_progress_is_told(client: BaseOpStoreClient) -> None:
    seen: list[float] = []
    client.verify(progress=lambda done, report: seen.append(done))
    assert seen == sorted(seen)
    assert (len(seen), seen[-1]) == (16, 1.0)


def test_a_large_store_is_walked_in_smaller_pieces(store: OpStoreServer, monkeypatch: pytest.MonkeyPatch) -> None:
    save_pair(store.client(), 1)
    store.client().write_blob(b"never registered")
    monkeypatch.setattr(inventory, "_MANY", 1)
    seen: list[float] = []
    report = verify(store.registry, grace=-1.0, progress=lambda done, report: seen.append(done))
    assert (len(seen), report.versions, kinds(report)) == (256, 2, ["orphaned"])
