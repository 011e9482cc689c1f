"""What is left when a transfer is killed, and when the disk is full? (the right file or none; the rest goes on)"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chariots.errors import StoreFullError
from chariots.transfer import Manifest, resolve
from tests.cli.programs import environment
from tests.faults.counting import counted, rounds
from tests.faults.test_full_disk import can_mount, disk
from tests.transfer.conftest import MEBIBYTE, files_in, pointer, some_bytes
from tests.transfer.hostile import HostileServer

KILLS = rounds(100)
LARGE = some_bytes(40 * MEBIBYTE + 3)
SMALL = {f"small/{number}.bin": some_bytes(20_000, seed=number) for number in range(40)}
FILES = {"large.bin": LARGE, **SMALL}

RESOLVE = """
import sys
from chariots.transfer import resolve
print("begun", flush=True)
tell = (lambda progress: print(progress.there, flush=True)) if sys.argv[3:] else None
resolve(sys.argv[1], manifest=sys.argv[2], progress=tell)
print("done", flush=True)
"""


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server


@pytest.fixture
def manifest(server: HostileServer, tmp_path: Path) -> Path:
    """A file that holds the manifest of some files, which come in about a second."""
    pointers = []
    for name, data in FILES.items():
        server.put(f"/{name}", data, rate=20e6)
        pointers.append(pointer(server.url(f"/{name}"), name, data))
    path = tmp_path / "manifest.json"
    path.write_text(Manifest(tuple(pointers)).to_json())
    return path


def resolving(target: Path, manifest: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RESOLVE, str(target), str(manifest), *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n", process.communicate()
    return process


def check(target: Path) -> None:
    """What is under a final name is right."""
    for name, data in files_in(target).items():
        assert data == FILES[name], name


def test_a_transfer_that_is_killed_goes_on_where_it_was(server: HostileServer, manifest: Path, tmp_path: Path) -> None:
    moments = random.Random(2)
    begun = time.monotonic()
    resolving(tmp_path / "whole", manifest).communicate()
    seconds = time.monotonic() - begun
    for number in range(KILLS):
        target = tmp_path / f"target-{number}"
        with counted("a transfer is killed at a random moment"):
            process = resolving(target, manifest)
            time.sleep(moments.random() * seconds)
            process.kill()
            process.communicate()
            check(target)
            resolve(target, manifest=manifest)
            assert files_in(target) == FILES
        for path in target.rglob("*"):
            if path.is_file():
                path.unlink()


@pytest.mark.parametrize("rate", [5e6, 40e6])
def test_after_a_kill_at_half_only_what_is_missing_comes(server: HostileServer, tmp_path: Path, rate: float) -> None:
    size = 96 * MEBIBYTE
    data = some_bytes(size)
    server.put("/a.bin", data, rate=rate)
    path = tmp_path / "manifest.json"
    path.write_text(Manifest((pointer(server.url("/a.bin"), "a.bin", data),)).to_json())
    process = resolving(tmp_path / "target", path, "and tell")
    assert process.stdout is not None
    there = 0
    while there < size // 2:
        there = int(process.stdout.readline())
    process.kill()
    process.communicate()
    server.forget()
    server.put("/a.bin", data)
    with counted("after a kill at half, only what is missing comes"):
        resolve(tmp_path / "target", manifest=path)
        assert files_in(tmp_path / "target") == {"a.bin": data}
        # What each connection had received last was not noted yet.
        assert server.bytes_sent() < (size - there) * 1.05 + 12 * MEBIBYTE


def test_of_several_processes_in_one_directory_one_may_be_killed(
    server: HostileServer, manifest: Path, tmp_path: Path
) -> None:
    moments = random.Random(3)
    total = sum(map(len, FILES.values()))
    for number in range(rounds(25)):
        target = tmp_path / f"target-{number}"
        server.forget()
        with counted("of 4 processes that fetch into one directory, one is killed"):
            processes = [resolving(target, manifest) for _ in range(4)]
            time.sleep(moments.random())
            victim = moments.choice(processes)
            victim.kill()
            for process in processes:
                out, err = process.communicate(timeout=60)
                assert process is victim or (out, process.returncode) == ("done\n", 0), err
            assert files_in(target) == FILES
            assert server.bytes_sent() < 1.7 * total  # nobody fetches what another one has, or is fetching


def test_ctrl_c_stops_a_transfer_at_once(server: HostileServer, manifest: Path, tmp_path: Path) -> None:
    for number in range(rounds(20)):
        target = tmp_path / f"target-{number}"
        with counted("Ctrl-C in a transfer"):
            process = resolving(target, manifest)
            time.sleep(random.Random(number).random() * 0.5)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
            # Without a word only where it was done already, and its interpreter no longer listened.
            is_done = out == "done\n" and process.returncode in (0, -signal.SIGINT)
            assert is_done or "KeyboardInterrupt" in err, (process.returncode, out, err)
            check(target)
            resolve(target, manifest=manifest)
            assert files_in(target) == FILES


if can_mount():

    @pytest.fixture
    def small_disk(tmp_path: Path) -> Iterator[Path]:
        """A disk of 30 mebibytes."""
        with disk(tmp_path / "disk", "30m") as place:
            yield place

    def test_a_full_disk_is_told_before_anything_comes(server: HostileServer, manifest: Path, small_disk: Path) -> None:
        with counted("a transfer onto a full disk"):
            with pytest.raises(StoreFullError, match=r"does not fit into .*bytes are free"):
                resolve(small_disk / "target", manifest=manifest)
            check(small_disk / "target")
            assert server.bytes_sent("/large.bin") == 0
            subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
            resolve(small_disk / "target", manifest=manifest)
            assert files_in(small_disk / "target") == FILES

    def test_a_directory_that_can_only_be_read_is_told(server: HostileServer, manifest: Path, small_disk: Path) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        told = pytest.raises(ValueError, match="Read-only file system")
        with counted("a transfer into a directory that can only be read"), told:
            resolve(small_disk / "target", manifest=manifest)
