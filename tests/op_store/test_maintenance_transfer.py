"""Do ops that leave one store as a file arrive in another as they were, and nothing but them?"""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from chariots.errors import DamagedError, InputError, StoreError, UnknownNameError, UntrustedError
from chariots.op_store import BaseOpStoreClient, OpStoreServer
from chariots.op_store.details import VersionDetails
from chariots.op_store.maintenance import Policy, collect, export_ops, import_ops, stats, verify
from chariots.op_store.savers import FileSaver
from chariots.op_store.trusting.trust import Trust
from chariots.pipelines.store import Origin
from tests.op_store.maintaining import again, alive, rows
from tests.op_store.support import blob_files, query, record, save_pair, version

KEY = f"hmac:training:{base64.b64encode(bytes(32)).decode()}"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[OpStoreServer]:
    """An empty store beside the one of the test, on SQLite whatever that is on."""
    folder = tmp_path / "other"
    folder.mkdir()
    made = OpStoreServer(FileSaver(str(folder / "ops")), f"sqlite:///{folder / 'db.sqlite'}")
    yield made
    made.registry.database.engine.dispose()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where to write the file."""
    return tmp_path / "ops.zip"


def described(client: BaseOpStoreClient, op: str) -> list[VersionDetails]:
    """What a store knows of the versions of an op, whatever their numbers are."""
    return [replace(found, id=0) for found in client.versions(op)]


def test_versions_links_and_bytes_arrive_as_they_were(store: OpStoreServer, other: OpStoreServer, file: Path) -> None:
    for number in range(3):
        save_pair(store.client(), number)
    left = export_ops(store.registry, ["pca", "forest"], file)
    came = import_ops(other.registry, file)
    assert (left.versions, left.links, left.blobs, left.size) == (6, 3, 6, 39)
    assert (came.versions, came.links, came.blobs, came.size, came.known) == (6, 3, 6, 39, 0)
    for op in ("pca", "forest"):
        assert described(other.client(), op) == described(store.client(), op)
    assert other.client().get_op_bytes_for_version("forest", version("forest 1")) == b"forest 1"
    assert other.client().get_validated_links("forest", "pca") == store.client().get_validated_links("forest", "pca")
    found = other.client().resolve("train", [query("pca"), query("forest")], [("pca", "forest")])
    assert (found.problems, found.versions["forest"].version) == ([], str(version("forest 2")))


def test_nothing_new_comes_with_the_second_time(store: OpStoreServer, other: OpStoreServer, file: Path) -> None:
    for number in range(3):
        save_pair(store.client(), number)
    export_ops(store.registry, None, file)
    import_ops(other.registry, file)
    before = rows(other)
    came = import_ops(other.registry, file)
    assert (came.versions, came.known, came.links, came.blobs) == (0, 6, 0, 0)
    assert rows(other) == before


def test_a_store_takes_its_own_file_without_a_change(store: OpStoreServer, file: Path) -> None:
    save_pair(store.client(), 1)
    export_ops(store.registry, None, file)
    before = rows(store)
    import_ops(store.registry, file)
    assert rows(store) == before


def test_the_same_versions_make_the_same_file(store: OpStoreServer, tmp_path: Path) -> None:
    save_pair(store.client(), 1)
    for name in ("one.zip", "two.zip"):
        export_ops(store.registry, None, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_what_comes_is_newer_than_what_was_there(store: OpStoreServer, other: OpStoreServer, file: Path) -> None:
    save_pair(other.client(), "here")
    save_pair(store.client(), "there")
    export_ops(store.registry, None, file)
    import_ops(other.registry, file)
    found = other.client().resolve("train", [query("pca"), query("forest")], [("pca", "forest")])
    assert found.versions["pca"].version == str(version("pca there"))
    assert alive(other) == {"pca": [1, 3], "forest": [2, 4]}


def test_states_that_an_op_returned_to_keep_their_order(store: OpStoreServer, other: OpStoreServer, file: Path) -> None:
    for state in (b"one", b"two", b"one"):
        store.client().save_op_bytes("forest", version("same"), state)
    export_ops(store.registry, ["forest"], file)
    for _ in range(2):
        import_ops(other.registry, file)
        assert len(alive(other)["forest"]) == 3
        assert other.client().get_op_bytes_for_version("forest", version("same")) == b"one"


def test_only_the_newest_leave_where_that_is_asked(store: OpStoreServer, other: OpStoreServer, file: Path) -> None:
    for number in range(4):
        save_pair(store.client(), number)
    left = export_ops(store.registry, ["pca", "forest"], file, newest=2)
    assert (left.versions, left.links, left.blobs) == (4, 2, 4)
    import_ops(other.registry, file)
    assert other.client().get_all_versions_of_op("pca") == {version("pca 2"), version("pca 3")}


def test_a_link_leaves_with_both_of_its_ends(store: OpStoreServer, other: OpStoreServer, file: Path) -> None:
    save_pair(store.client(), 1)
    again(store.client(), [("forest", 1, "vote", 1)])
    left = export_ops(store.registry, ["forest", "vote"], file)
    assert (left.versions, left.links, left.linked) == (2, 1, ["pca"])
    import_ops(other.registry, file)
    assert other.client().get_validated_links("vote", "forest") == {version("forest 1")}
    assert other.client().get_all_versions_of_op("pca") is None


def test_ops_whose_links_stay_behind_are_named_on_either_side(store: OpStoreServer, file: Path) -> None:
    save_pair(store.client(), 1)
    again(store.client(), [("forest", 1, "vote", 1)])
    save_pair(store.client(), 1, "stranger", "neighbour")
    assert export_ops(store.registry, ["forest"], file).linked == ["pca", "vote"]
    assert export_ops(store.registry, ["pca", "forest", "vote"], file).linked == []
    assert export_ops(store.registry, None, file).linked == []


def test_links_of_old_clients_arrive(store: OpStoreServer, other: OpStoreServer, file: Path) -> None:
    client = store.client()
    client.save_op_bytes("pca", version("p"), b"p")
    client.save_op_bytes("forest", version("f"), b"f")
    client.register_valid_link("forest", "pca", version("p"))
    export_ops(store.registry, None, file)
    for _ in range(2):
        import_ops(other.registry, file)
    assert other.client().get_validated_links("forest", "pca") == {version("p")}
    assert stats(other.registry).links == 1


def test_who_saved_what_arrives(store: OpStoreServer, other: OpStoreServer, file: Path) -> None:
    client = store.client()
    origin = Origin(who="ada", host="analytical", git_commit="abc123", code_version="1.2")
    made = record(client, "pca", b"model")
    trained = replace(made, training={"metrics": {"f1": 0.5}})
    client.commit_save("train_pca", "pca", [trained], [], origin)
    export_ops(store.registry, None, file)
    import_ops(other.registry, file)
    (found,) = other.client().versions("pca")
    assert found.origin == origin
    assert found.metrics == {"f1": 0.5}
    assert other.client().pipeline_exists("train_pca") is False  # it was not saved to this store


def test_the_reason_of_an_acceptance_arrives(store: OpStoreServer, other: OpStoreServer, file: Path) -> None:
    client = store.client()
    save_pair(client, 1)
    newer = client.commit_save("train", "pca", [record(client, "pca", b"pca 2", version("pca 2"))], [])
    client.describe_pipeline("train", [query("pca"), query("forest")], [("pca", "forest")])
    client.accept("train", "pca", "forest", "looked at by hand", {"pca": newer["pca"], "forest": 2})
    save_pair(other.client(), "so that numbers differ")
    export_ops(store.registry, ["pca", "forest"], file)
    for _ in range(2):
        came = import_ops(other.registry, file)
    assert came.links == 0
    (event,) = other.client().history("train")
    assert (event.kind, event.reason, dict(event.after)) == ("accept", "looked at by hand", {"pca": 5, "forest": 4})


def test_versions_that_were_given_up_do_not_leave(store: OpStoreServer, file: Path) -> None:
    for number in range(3):
        save_pair(store.client(), number)
    collect(store.registry, Policy(1, 0.0), delete=True)
    assert export_ops(store.registry, None, file).versions == 2


def test_a_file_brings_back_what_was_given_up(store: OpStoreServer, file: Path) -> None:
    for number in range(3):
        save_pair(store.client(), number)
    export_ops(store.registry, None, file)
    collect(store.registry, Policy(1, 0.0), delete=True)
    came = import_ops(store.registry, file)
    assert (came.versions, came.known, came.blobs) == (0, 6, 4)
    assert alive(store) == {"pca": [1, 3, 5], "forest": [2, 4, 6]}
    assert verify(store.registry).findings == []


def test_an_op_that_is_not_there_is_told_with_the_nearest(store: OpStoreServer, tmp_path: Path, file: Path) -> None:
    save_pair(store.client(), 1)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UnknownNameError, match="Did you mean 'forest'"):
        export_ops(store.registry, ["pca", "florest"], file)
    assert sorted(tmp_path.iterdir()) == before


def test_damaged_bytes_do_not_leave(store: OpStoreServer, tmp_path: Path, file: Path) -> None:
    save_pair(store.client(), 1)
    file.write_bytes(b"an earlier file")
    (path,) = (path for path in blob_files(tmp_path) if path.read_bytes() == b"pca 1")
    path.write_bytes(b"pca ?")
    with pytest.raises(DamagedError, match=r"op 'pca' version number 1 .* were to be exported, but they are damaged"):
        export_ops(store.registry, None, file)
    path.unlink()
    with pytest.raises(StoreError, match=r"'pca' version number 1 \(\S+\) are lost"):
        export_ops(store.registry, None, file)
    assert file.read_bytes() == b"an earlier file"
    assert [found.name for found in tmp_path.iterdir() if "writing" in found.name] == []


def truncate(path: Path) -> None:
    """Cuts the end off."""
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    """Changes a bit of the bytes of an op."""
    data = path.read_bytes()
    path.write_bytes(data.replace(b"forest 1", b"forest ?"))


def rewrite(path: Path, change: Callable[[str, bytes], bytes | None], compression: int = zipfile.ZIP_STORED) -> None:
    """Writes the file anew, with members changed or left out."""
    with zipfile.ZipFile(path) as old:
        members = [(name, change(name, old.read(name))) for name in old.namelist()]
    with zipfile.ZipFile(path, "w", compression) as new:
        for name, data in members:
            if data is not None:
                new.writestr(name, data)


def swap(path: Path) -> None:
    """Puts other bytes of the same length there, with a checksum that fits."""
    rewrite(path, lambda name, data: b"pickle!!" if data == b"forest 1" else data)


def lose(path: Path) -> None:
    """Leaves the bytes of an op out."""
    rewrite(path, lambda name, data: None if data == b"forest 1" else data)


def grow(path: Path) -> None:
    """Puts more bytes there than the version has."""
    rewrite(path, lambda name, data: b"forest 1" * 1000 if data == b"forest 1" else data)


def compress(path: Path) -> None:
    """Compresses everything, as a bomb would be."""
    rewrite(path, lambda name, data: data, zipfile.ZIP_DEFLATED)


def edit(path: Path) -> None:
    """Changes a line."""
    rewrite(path, lambda name, data: data.replace(b"a1b2", b"b1a2") if name == "versions.jsonl" else data)


def empty(path: Path) -> None:
    """Leaves nothing."""
    path.write_bytes(b"")


def stranger(path: Path) -> None:
    """Makes it a zip file of something else."""
    with zipfile.ZipFile(path, "w") as other:
        other.writestr("manifest.json", "[]")


def garble(path: Path) -> None:
    """Replaces a line by something that is no version, under a manifest that fits."""
    line = b'{"id": "one"}\n'

    def change(name: str, data: bytes) -> bytes:
        if name == "versions.jsonl":
            return line
        if name == "manifest.json":
            manifest = json.loads(data)
            manifest["members"]["versions.jsonl"]["sha256"] = sha256(line).hexdigest()
            return json.dumps(manifest).encode()
        return data

    rewrite(path, change)


@pytest.mark.parametrize(
    "damage",
    [truncate, flip, swap, lose, grow, compress, edit, empty, stranger, garble],
    ids=lambda each: each.__name__,
)
def test_a_damaged_file_is_refused_and_registers_nothing(
    store: OpStoreServer, other: OpStoreServer, file: Path, damage: Callable[[Path], None]
) -> None:
    save_pair(store.client(), 1)
    export_ops(store.registry, None, file)
    damage(file)
    with pytest.raises(
        InputError, match=r"was to be imported, but it .*; export it again \(nothing was registered\)"
    ) as told:
        import_ops(other.registry, file)
    assert str(told.value).count("export it again") == 1
    assert rows(other)["version"] == []
    assert b"pickle!!" not in {path.read_bytes() for path in blob_files(Path(other.saver.root_path).parent)}


def test_a_file_of_a_newer_release_is_refused(store: OpStoreServer, file: Path) -> None:
    export_ops(store.registry, None, file)
    rewrite(file, lambda name, data: data.replace(b'"form": 1', b'"form": 9') if name == "manifest.json" else data)
    with pytest.raises(StoreError, match="has the form 9, which this release of chariots does not know"):
        import_ops(store.registry, file)


def test_a_store_that_asks_for_signatures_takes_no_unsigned_bytes_from_a_file(
    store: OpStoreServer, tmp_path: Path, file: Path
) -> None:
    save_pair(store.client(), 1)
    export_ops(store.registry, None, file)
    strict = OpStoreServer(
        FileSaver(str(tmp_path / "strict")), f"sqlite:///{tmp_path / 'strict.sqlite'}", trust=Trust(verify_keys=[KEY])
    )
    with pytest.raises(UntrustedError, match="are not signed"):
        import_ops(strict.registry, file)
    assert rows(strict)["version"] == []
    assert not (tmp_path / "strict").exists()


def test_a_signature_arrives_with_its_bytes(store: OpStoreServer, tmp_path: Path, file: Path) -> None:
    trust = Trust(signing_key=KEY)
    signed = trust.signed(record(store.client(), "pca", b"model"))
    store.client().commit_save("train", "pca", [signed], [])
    export_ops(store.registry, None, file)
    strict = OpStoreServer(FileSaver(str(tmp_path / "strict")), f"sqlite:///{tmp_path / 'strict.sqlite'}", trust=trust)
    assert import_ops(strict.registry, file).versions == 1
    assert strict.client().get_op_bytes_for_version("pca", signed.version) == b"model"


def test_a_save_that_fails_in_the_middle_of_an_import_leaves_no_version(
    store: OpStoreServer, tmp_path: Path, file: Path
) -> None:
    class Full(FileSaver):
        room = 1

        def save_stream(self, chunks: Any, path: str) -> bool:
            self.room -= 1
            if self.room < 0:
                raise OSError(28, "No space left on device")
            return super().save_stream(chunks, path)

    save_pair(store.client(), 1)
    export_ops(store.registry, None, file)
    full = OpStoreServer(Full(str(tmp_path / "full")), f"sqlite:///{tmp_path / 'full.sqlite'}")
    with pytest.raises(StoreError, match="No space left"):
        import_ops(full.registry, file)
    assert rows(full)["version"] == []
