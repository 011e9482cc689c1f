"""What if there is no room left, at any point of a save? (507, nothing left behind, and what was there is served)"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chariots.errors import StoreFullError
from tests.faults.checking import check_everything, half_written, served_pair
from tests.faults.counting import counted
from tests.faults.forks import FILLING, FINISHED, FULL, REFUSED, save
from tests.faults.test_kills import Forks
from tests.op_store.support import file_store, save_pair

PAGE = 4096
# From no room at all to more than enough for two ops of 300,000 bytes and the log of the database.
STEPS = (
    0,
    1,
    2,
    3,
    5,
    8,
    12,
    16,
    20,
    30,
    50,
    73,
    74,
    75,
    76,
    80,
    120,
    140,
    147,
    148,
    149,
    150,
    155,
    160,
    170,
    180,
    200,
)


def can_mount() -> bool:
    """Whether this process may mount a file system; one that may not limits the size of its files instead."""
    if os.geteuid() != 0:
        return False
    script = 'mkdir -p "$0" && mount -t tmpfs -o size=4k tmpfs "$0" && umount "$0"'
    place = f"/tmp/chariots-mount-{os.getpid()}"
    try:
        tried = subprocess.run(["sh", "-c", script, place], capture_output=True, check=False)
        return tried.returncode == 0
    finally:
        subprocess.run(["rmdir", place], capture_output=True, check=False)


@contextmanager
def disk(place: Path, size: str) -> Iterator[Path]:
    """A disk of so many bytes, mounted at a place; ``2m`` are two mebibytes."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two mebibytes."""
    with disk(tmp_path / "disk", "2m") as place:
        yield place


def fill(disk: Path, pages_left: int) -> Path:
    """Fills a disk up to so many pages."""
    filling = disk / "filling"
    with filling.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(PAGE))
        except OSError:
            file.truncate(max(0, file.tell() // PAGE - pages_left) * PAGE)
    return filling


if can_mount():

    @pytest.mark.parametrize("pages", STEPS)
    def test_a_save_on_a_full_disk_leaves_nothing(small_disk: Path, pages: int) -> None:
        store = file_store(small_disk)
        client = store.client()
        save(small_disk, "0")
        # A server that runs: whoever opens an SQLite file in WAL mode first needs room for its index beside it.
        assert served_pair(client) == "0"
        filling = fill(small_disk, pages)
        with counted("disk full after the n-th page of a save (tmpfs)"):
            try:
                save(small_disk, "1")
            except StoreFullError as error:
                assert error.status == 507
                assert served_pair(client) == "0"
                assert half_written(small_disk) == []
            else:
                assert pages > 2 * len(FILLING) // PAGE
            filling.unlink()
            save(small_disk, "1")
            assert served_pair(client) == "1"
            assert check_everything(small_disk) == 2
        store.registry.database.engine.dispose()

    def test_whoever_opens_a_database_first_on_a_full_disk_is_told_so(small_disk: Path) -> None:
        store = file_store(small_disk)
        save_pair(store.client(), 0)
        store.registry.database.engine.dispose()
        filling = fill(small_disk, 0)
        with counted("a server that starts on a full disk (tmpfs)"):
            with pytest.raises(StoreFullError, match="there is no room left") as caught:
                file_store(small_disk).client().last_deployment("predict")
            assert caught.value.status == 507
            filling.unlink()
            assert served_pair(store.client()) == "0"
        store.registry.database.engine.dispose()


@pytest.mark.parametrize("kind", ["SQLite"], indirect=True)
def test_a_save_that_outgrows_what_a_process_may_write_leaves_nothing(folder: Path) -> None:
    forks = Forks(folder)
    save_pair(file_store(folder).client(), "first")
    outcomes, last = [], "first"
    for step, pages in enumerate(STEPS):
        with counted("no file may grow beyond n pages during a save (RLIMIT_FSIZE)"):
            outcomes.append(forks("limit", pages * PAGE, step))
            assert outcomes[-1] in (FINISHED, FULL, REFUSED)
            last = str(step) if outcomes[-1] == FINISHED else last
            store = file_store(folder)
            assert served_pair(store.client()) == last
            store.registry.database.engine.dispose()  # which also makes the log of the database short again
            assert half_written(folder) == []
    forks.close()
    assert outcomes[0] != FINISHED
    assert outcomes[-1] == FINISHED
    check_everything(folder)
