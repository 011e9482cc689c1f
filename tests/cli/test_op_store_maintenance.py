"""Can a person keep an op store in order from a terminal?"""

from __future__ import annotations

import json
from pathlib import Path

import click.testing
import pytest

from chariots.cli import main
from chariots.op_store import OpStoreClient, OpStoreServer
from tests.cli.programs import CHARIOTS, started
from tests.op_store.maintaining import alive, make_files_old
from tests.op_store.support import blob_files, file_store, save_pair, version


@pytest.fixture
def store(tmp_path: Path) -> OpStoreServer:
    """A store with five versions of two ops, in the folder ``store``."""
    (tmp_path / "store").mkdir()
    made = file_store(tmp_path / "store")
    for number in range(5):
        save_pair(made.client(), number)
    return made


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    """Runs a command on the store in the folder and returns what it printed."""
    where = [] if "--path" in arguments or "--store" in arguments else ["--path", str(folder / "store")]
    result = click.testing.CliRunner().invoke(main, ["op-store", *arguments, *where])
    assert result.exit_code == code, result.output
    return result.output


def test_stats_show_every_op(store: OpStoreServer, tmp_path: Path) -> None:
    shown = run(tmp_path, "stats")
    assert "2 ops with 10 versions, 10 of them with bytes; 5 links." in shown
    assert [line.split()[:6] for line in shown.splitlines()[-2:]] == [
        ["forest", "5", "5", "40", "B", "10"],
        ["pca", "5", "5", "25", "B", "9"],
    ]
    assert json.loads(run(tmp_path, "stats", "--json"))["versions"] == 10


def test_verify_ends_with_1_if_something_is_lost(store: OpStoreServer, tmp_path: Path) -> None:
    assert "10 versions with 10 blobs of 65 B were read: all as they were saved." in run(tmp_path, "verify")
    (path,) = (path for path in blob_files(tmp_path / "store") if path.read_bytes() == b"pca 3")
    path.write_bytes(b"pca ?")
    shown = run(tmp_path, "verify", code=1)
    assert shown.startswith(
        f"damaged: the bytes {path.name} of op 'pca' version number 7 ({version('pca 3')}) are damaged"
    )
    assert shown.endswith("were read: 1 losses.\n") or shown.endswith("were read: 1 loss.\n")
    assert json.loads(run(tmp_path, "verify", "--json", code=1))["findings"][0]["kind"] == "damaged"


def test_verify_ends_with_1_for_orphans_if_that_is_asked(store: OpStoreServer, tmp_path: Path) -> None:
    store.client().write_blob(b"orphan")
    assert "orphaned" not in run(tmp_path, "verify", "--strict")
    make_files_old(tmp_path / "store")
    assert "orphaned: the 6 bytes" in run(tmp_path, "verify")
    run(tmp_path, "verify", "--strict", code=1)
    assert "orphaned" not in run(tmp_path, "verify", "--strict", "--grace", "3d")


def test_gc_first_says_what_would_go(store: OpStoreServer, tmp_path: Path) -> None:
    assert "0 versions to be given up, 10 kept." in run(tmp_path, "gc")
    shown = run(tmp_path, "gc", "--keep", "2", "--younger-than", "0s")
    assert "pca: 3 versions (1, 3, 5)\n6 versions to be given up, 4 kept." in shown
    assert shown.endswith("Nothing was changed; say --delete to do it.\n")
    assert len(alive(store)["pca"]) == 5
    shown = run(tmp_path, "gc", "--keep", "2", "--younger-than", "0s", "--delete")
    assert "6 versions given up, 4 kept.\n39 B freed: 6 blobs" in shown
    assert alive(store) == {"pca": [7, 9], "forest": [8, 10]}
    assert "6 given up" in run(tmp_path, "stats")


@pytest.mark.parametrize("age", ["30", "d30", "-1d", "1y", "", "٣d"])
def test_an_age_that_is_none_is_told(store: OpStoreServer, tmp_path: Path, age: str) -> None:
    assert "write 30d for thirty days" in run(tmp_path, "gc", "--younger-than", age, code=2)


def test_ops_move_from_store_to_store(store: OpStoreServer, tmp_path: Path) -> None:
    file, other = str(tmp_path / "ops.zip"), str(tmp_path / "other")
    shown = run(tmp_path, "export", "pca", "forest", "--newest", "3", "--output", file)
    assert f"{file} holds 6 versions of 2 ops and 3 links (39 B in 6 blobs)" in shown
    assert "6 new versions and 3 new links" in run(tmp_path, "import", file, "--path", other)
    assert "0 new versions and 0 new links" in run(tmp_path, "import", file, "--path", other)
    assert "6 versions with 6 blobs" in run(tmp_path, "verify", "--path", other)


def test_an_export_says_which_ops(store: OpStoreServer, tmp_path: Path) -> None:
    file = str(tmp_path / "ops.zip")
    assert "name the ops to export, or say --all" in run(tmp_path, "export", "-o", file, code=2)
    assert "--all exports every op; leave out the names" in run(tmp_path, "export", "--all", "pca", "-o", file, code=2)
    assert "Did you mean 'forest'?" in run(tmp_path, "export", "florest", "-o", file, code=1)
    shown = run(tmp_path, "export", "--all", "-o", file)
    assert "10 versions of 2 ops" in shown
    assert "stayed behind" not in shown
    assert "Links with pca stayed behind; name them as well" in run(tmp_path, "export", "forest", "-o", file)


def test_a_place_that_cannot_be_written_to_is_told(store: OpStoreServer, tmp_path: Path) -> None:
    file = str(tmp_path / "none" / "ops.zip")
    assert run(tmp_path, "export", "--all", "--output", file, code=1).startswith(
        f"Error: ops were to be exported to {file}, but the file system refused (No such file or directory: "
    )
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "backup")
    assert run(tmp_path, "backup", folder, code=1).startswith(
        f"Error: an op store was to be backed up into {folder}, but the file system refused (Not a directory: "
    )


def test_a_store_is_backed_up_and_restored(store: OpStoreServer, tmp_path: Path) -> None:
    backup, again = str(tmp_path / "backup"), str(tmp_path / "again")
    assert "10 of 10 blobs copied (65 B)" in run(tmp_path, "backup", backup)
    assert "0 of 10 blobs copied (0 B)" in run(tmp_path, "backup", backup)
    assert "all as they were saved" in run(tmp_path, "verify", "--path", backup)
    assert "10 versions was restored" in run(tmp_path, "restore", backup, "--path", again)
    assert "holds ops or pipelines already" in run(tmp_path, "restore", backup, "--path", again, code=1)
    assert alive(file_store(tmp_path / "again")) == alive(store)


def test_a_backup_with_losses_ends_with_1(store: OpStoreServer, tmp_path: Path) -> None:
    blob_files(tmp_path / "store")[0].unlink()
    assert "missing: the bytes" in run(tmp_path, "backup", str(tmp_path / "backup"), code=1)


def test_a_served_store_can_be_asked(store: OpStoreServer, tmp_path: Path) -> None:
    command = [*CHARIOTS, "op-store", "serve", "--path", "store", "--port", "0"]
    with started(command, tmp_path) as (url, _):
        assert "2 ops with 10 versions" in run(tmp_path, "stats", "--store", url)
        assert "10 versions with 10 blobs" in run(tmp_path, "verify", "--store", url)
        assert OpStoreClient(url).stats().versions == 10
        refused = run(tmp_path, "stats", "--store", url, "--path", "store", code=2)
        assert "--store names a server" in refused


def test_a_store_that_does_not_answer_is_told_in_a_line(tmp_path: Path) -> None:
    shown = run(tmp_path, "stats", "--store", "http://127.0.0.1:9", code=1)
    assert "Traceback" not in shown
    assert "127.0.0.1:9" in shown


@pytest.mark.parametrize("asked", [["stats"], ["verify"], ["gc"], ["export", "--all", "--output", "x.zip"]])
def test_a_mistyped_folder_is_refused_and_not_made(asked: list[str], tmp_path: Path) -> None:
    shown = run(tmp_path, *asked, "--path", str(tmp_path / "stroe"), code=1)
    assert "there is none (no file db.sqlite)" in shown
    assert not (tmp_path / "stroe").exists()
