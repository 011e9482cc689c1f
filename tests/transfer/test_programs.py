"""Can a person fetch files from a terminal, and read what went wrong?"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chariots.transfer import Manifest
from tests.cli.programs import CHARIOTS, chariots, environment, run
from tests.transfer.conftest import eventually, files_in, pointer, served, some_bytes
from tests.transfer.hostile import Fault, HostileServer

SMALL = some_bytes(30_000)
STARTED = """
import sys
from pathlib import Path
from chariots.transfer import __main__, pointers, resolving
pointers.PLACES = (Path({path!r}),)
pointers.resolve = lambda place: resolving.resolve(place, manifest={path!r})
sys.exit(__main__.main())
"""


@pytest.fixture
def manifest(server: HostileServer, tmp_path: Path) -> Path:
    path = tmp_path / "manifest.json"
    path.write_text(served(server, "a.bin", SMALL).to_json())
    return path


def test_a_manifest_is_fetched(tmp_path: Path, manifest: Path) -> None:
    done = chariots(tmp_path, "fetch", "target", "--manifest", str(manifest))
    assert done.returncode == 0
    assert f"transfer begun files=1 bytes={len(SMALL)}" in done.stderr
    assert done.stdout.startswith(f"1 file, 29.3 KiB, in {tmp_path}/target (")
    assert files_in(tmp_path / "target") == {"a.bin": SMALL}
    told = json.loads(chariots(tmp_path, "fetch", "target", "-m", str(manifest), "--json").stdout)
    assert (told["files"], told["bytes"], told["directory"]) == (1, len(SMALL), f"{tmp_path}/target")


def test_several_manifests_are_merged(tmp_path: Path, server: HostileServer, manifest: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(served(server, "b.bin", b"other").to_json())
    assert chariots(tmp_path, "fetch", "target", "-m", str(manifest), "-m", str(other)).returncode == 0
    assert files_in(tmp_path / "target") == {"a.bin": SMALL, "b.bin": b"other"}


def test_what_goes_wrong_is_a_line(tmp_path: Path, server: HostileServer, manifest: Path) -> None:
    (tmp_path / "wrong.json").write_text("{}")
    done = chariots(tmp_path, "fetch", "target", "-m", "wrong.json")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the manifest 'wrong.json' is no manifest")
    assert "Traceback" not in done.stderr
    missing = Manifest((pointer(server.url("/none"), "a.bin", SMALL),))
    manifest.write_text(missing.to_json())
    done = chariots(tmp_path, "fetch", "target", "-m", str(manifest))
    assert "/none was answered with 404: there is no such file any more; make a new manifest" in done.stderr
    for options, words in (
        (("-m", str(manifest), "--model", "a/b"), "give --manifest or --model"),
        (("--model", "ftp://a/b"), "begins with ftp://"),
        (("-m", "none.json"), "none.json"),
    ):
        done = chariots(tmp_path, "fetch", "target", *options)
        assert done.returncode == 2
        assert words in done.stderr


@pytest.mark.parametrize(
    "program", [(*CHARIOTS, "fetch", "target"), (sys.executable, "-m", "chariots.transfer", "target")]
)
def test_ctrl_c_is_no_accident(
    tmp_path: Path, server: HostileServer, program: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(served(server, "a.bin", SMALL, faults=[Fault(stall_after=1000)]).to_json())
    command = [*program, *(("-m", str(path)) if "fetch" in program else ())]
    if "fetch" not in program:  # it looks for manifests where nothing may be written here
        command[1:3] = ["-c", STARTED.format(path=str(path))]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
    eventually(lambda: bool(server.requests("/a.bin")))
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped. What has come is kept; run it again to go on." in told
    assert "Traceback" not in told


def test_the_module_can_be_run(tmp_path: Path) -> None:
    module = [sys.executable, "-m", "chariots.transfer"]
    done = run([*module, "target"], tmp_path)
    assert (done.returncode, done.stdout) == (0, "target\n")
    assert "there is no manifest" in done.stderr
    done = run([*module, "target"], tmp_path, CHARIOTS_TRANSFER_NUM_WORKERS="x", TRUSS_TRANSFER_LOG="error")
    assert done.returncode == 0
    assert "Fetch the files" in run([*module, "--help"], tmp_path).stdout
