"""The cache beside other processes: damage, vanishing, kill -9, limits, buckets."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chariots.op_store.savers import FileSaver
from chariots.pipelines import NodeCache, Pipeline, explained
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import SequentialRunner
from tests.object_stores import ObjectStores, make_bucket, open_saver
from tests.pipelines.caching_ops import Plus, Same, Times, ran
from tests.pipelines.keep_until_killed import PIPELINE

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "tests.pipelines.keep_until_killed"]
LARGE = np.arange(50_000)


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    """Lets every test begin with an empty journal."""
    ran.clear()


def two() -> Pipeline:
    """Two nodes, the second of which is not cached."""
    return Pipeline([Node(Plus(), [INPUT], "a", name="n0", cache=True), Node(Same(), ["a"], OUTPUT)], "two")


def files(folder: Path, ending: str = "") -> list[Path]:
    """What a cache in a folder has of entries and values."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.parent.name not in ("newest", ".writing")]
    return sorted(path for path in found if path.name.endswith(ending))


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def fill(path: Path) -> None:
    path.write_bytes(b"something else entirely")


@pytest.mark.parametrize("harm", [shorten, flip, empty, fill, Path.unlink])
@pytest.mark.parametrize("value", [LARGE, 5], ids=["apart", "inside"])
@pytest.mark.parametrize("which", ["entry", "value"])
def test_what_is_damaged_or_gone_is_computed_again_and_healed(
    tmp_path: Path, harm: Callable[[Path], None], value: Any, which: str
) -> None:
    runner = SequentialRunner(tmp_path)
    expected = value + 1
    np.testing.assert_array_equal(runner.run(two(), value), expected)
    ran.clear()
    found = files(tmp_path, ".entry") if which == "entry" else [p for p in files(tmp_path) if p.suffix != ".entry"]
    assert len(found) == (1 if which == "entry" or value is LARGE else 0)
    for path in found:
        harm(path)
    np.testing.assert_array_equal(runner.run(two(), value), expected)
    assert ran == (["Plus", "Same"] if found else ["Same"])
    ran.clear()
    np.testing.assert_array_equal(runner.run(two(), value), expected)
    assert ran == ["Same"]


def test_a_long_chain_that_vanishes_between_look_and_read_is_computed_again(tmp_path: Path) -> None:
    count = 3000
    nodes = [Node(Plus(), [f"v{at}" if at else INPUT], f"v{at + 1}", name=f"n{at}", cache=True) for at in range(count)]

    class Vanishes(NodeCache):
        def load(self, entry: Any, index: int, whose: str) -> Any:
            raise LookupError("it has vanished")

    pipeline = Pipeline([*nodes, Node(Same(), [f"v{count}"], OUTPUT)], "long")
    SequentialRunner(tmp_path).run(pipeline, 0)
    ran.clear()
    assert SequentialRunner(Vanishes(tmp_path)).run(pipeline, 0) == count
    assert len(ran) == count + 1


def test_what_nobody_needs_is_not_read(tmp_path: Path) -> None:
    class Watched(NodeCache):
        read: list[str] = []

        def load(self, entry: Any, index: int, whose: str) -> Any:
            self.read.append(whose)
            return super().load(entry, index, whose)

    nodes = [Node(Plus(), [INPUT], "a", name="n0", cache=True), Node(Times(), ["a"], OUTPUT, name="n1", cache=True)]
    pipeline, runner = Pipeline(nodes, "lazy"), SequentialRunner(Watched(tmp_path))
    for _ in range(2):
        np.testing.assert_array_equal(runner.run(pipeline, LARGE), (LARGE + 1) * 2)
    assert Watched.read == ["node 'n1'"]


def test_pickles_are_neither_written_nor_read_where_they_are_not_wanted(tmp_path: Path) -> None:
    class Paths(BaseOp):
        def execute(self, text: str) -> Path:
            return Path(text)

    pipeline = Pipeline([Node(Paths(), [INPUT], OUTPUT, name="n0", cache=True)], "paths")
    with pytest.raises(TypeError, match="can be kept as a pickle only, and this cache has pickles=False"):
        SequentialRunner(NodeCache(tmp_path, pickles=False)).run(pipeline, "a")
    SequentialRunner(tmp_path).run(pipeline, "a")
    entry, obstacle = NodeCache(tmp_path, pickles=False).find(files(tmp_path, ".entry")[0].stem)
    assert (entry, obstacle) == (None, "its entry holds a pickle, which this cache does not read")


# -- other processes --------------------------------------------------------------------------------------------------


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts a process that runs cached pipelines, and waits until it is about to."""
    process = subprocess.Popen(
        [*PROGRAM, str(folder), *arguments], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_a_process_finds_what_another_one_has_computed(tmp_path: Path) -> None:
    process = started(tmp_path, "3")
    assert process.wait(60) == 0
    with explained() as explanation:
        assert SequentialRunner(tmp_path).run(PIPELINE, 2) == (2, 2, 6)
    assert explanation.states == {"fill": "cached", "first": "ran"}


def test_two_processes_that_compute_the_same_at_the_same_time_both_get_it_right(tmp_path: Path) -> None:
    processes = [started(tmp_path, "30") for _ in range(2)]
    assert [process.wait(100) for process in processes] == [0, 0]
    assert len(files(tmp_path, ".entry")) == 30
    for number in range(30):
        assert SequentialRunner(tmp_path).run(PIPELINE, number) == (number, number, 3 * number)


@pytest.mark.parametrize("attempt", range(6))
def test_a_process_killed_in_the_middle_leaves_nothing_wrong(tmp_path: Path, attempt: int) -> None:
    process = started(tmp_path)
    until = time.monotonic() + 60
    while len(files(tmp_path)) < 5 + attempt and time.monotonic() < until:
        time.sleep(0.001)
    process.kill()
    process.wait()
    known = len(files(tmp_path, ".entry"))
    assert known >= 2
    for number in range(known + 3):
        assert SequentialRunner(tmp_path).run(PIPELINE, number) == (number, number, 3 * number)
    # Every file with a name of its own is whole: an entry, and the array that it names.
    assert len(files(tmp_path, ".entry")) == known + 3
    assert {path.stat().st_size for path in files(tmp_path) if path.suffix != ".entry"} == {1_600_128}


def test_what_a_killed_writer_left_is_removed_after_a_day(tmp_path: Path) -> None:
    SequentialRunner(tmp_path).run(two(), LARGE)
    old, fresh = tmp_path / ".writing" / "old", tmp_path / ".writing" / "fresh"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 100_000,) * 2)
    SequentialRunner(NodeCache(tmp_path)).run(two(), LARGE * 2)
    assert (old.exists(), fresh.exists()) == (False, True)


def test_a_cache_that_is_emptied_while_it_is_used_goes_on(tmp_path: Path) -> None:
    cache = NodeCache(tmp_path)
    runner, is_over = SequentialRunner(cache), threading.Event()

    def clear() -> None:
        while not is_over.is_set():
            NodeCache(tmp_path).clear()

    thread = threading.Thread(target=clear)
    thread.start()
    try:
        for number in range(60):
            assert runner.run(PIPELINE, number % 7) == (number % 7, number % 7, 3 * (number % 7))
    finally:
        is_over.set()
        thread.join()


def test_a_place_that_fails_is_told_once_and_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("no folder")
    runner = SequentialRunner(NodeCache(occupied))
    with caplog.at_level(logging.WARNING, logger="chariots"):
        for _ in range(3):
            assert runner.run(two(), 1) == 2
    told = [record.getMessage() for record in caplog.records if "does not work" in record.getMessage()]
    assert len(told) == 1 and str(occupied) in told[0]


# -- limits -----------------------------------------------------------------------------------------------------------


def test_what_was_not_used_for_longest_is_given_up(tmp_path: Path) -> None:
    cache = NodeCache(tmp_path, max_bytes=1_300_000)  # three arrays of 400 kB
    runner = SequentialRunner(cache)
    now = time.time()
    for age, number in ((50, 1), (40, 2), (30, 3)):
        known = set(files(tmp_path))
        runner.run(two(), LARGE * number)
        for path in set(files(tmp_path)) - known:
            os.utime(path, (now - age,) * 2)
    runner.run(two(), LARGE * 1)  # used again
    runner.run(two(), LARGE * 4)
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 1_300_000
    assert cache.tidy() == sum(path.stat().st_size for path in files(tmp_path))
    ran.clear()
    for number in (1, 4, 2):
        runner.run(two(), LARGE * number)
    assert ran == ["Same", "Same", "Plus", "Same"]


def test_what_is_larger_than_the_cache_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    runner = SequentialRunner(NodeCache(tmp_path, max_bytes=1000))
    np.testing.assert_array_equal(runner.run(two(), LARGE), LARGE + 1)
    assert files(tmp_path) == []
    assert "is not kept in a cache of 1000" in caplog.text


def test_what_is_too_old_is_computed_again_and_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = NodeCache(tmp_path, max_age=3600)
    runner, past = SequentialRunner(cache), time.time() - 3700
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: past)
        runner.run(two(), 1)
        runner.run(two(), 2)
    for path in files(tmp_path):
        os.utime(path, (past, past))
    with explained() as explanation:
        runner.run(two(), 1)
    assert explanation.nodes["n0"].why == "the entry is older than 3600 s"
    cache.tidy()
    assert len(files(tmp_path, ".entry")) == 1
    ran.clear()
    runner.run(two(), 1)
    assert ran == ["Same"]


# -- savers -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def object_stores(tmp_path: Path) -> Iterator[ObjectStores]:
    """Real servers of object stores."""
    stores = ObjectStores(tmp_path)
    try:
        yield stores
    finally:
        stores.close()


def check_saver(cache: NodeCache, other: NodeCache) -> None:
    """What has to hold for any saver."""
    for value in (LARGE, 5, "text"):
        pipeline = Pipeline([Node(Same(), [INPUT], "a", name="n0", cache=True), Node(Same(), ["a"], OUTPUT)], "s")
        for used, expected in ((cache, ["Same", "Same"]), (other, ["Same"])):
            ran.clear()
            np.testing.assert_array_equal(SequentialRunner(used).run(pipeline, value), value)
            assert ran == expected
    assert other.tidy() > LARGE.nbytes
    cache.clear()
    assert other.tidy() == 0
    assert list(cache.place.list()) == []


def test_a_saver_of_files_keeps_entries(tmp_path: Path) -> None:
    check_saver(NodeCache(FileSaver(str(tmp_path))), NodeCache(FileSaver(str(tmp_path)), max_bytes=10**9))


def test_a_bucket_keeps_entries_for_several_machines(object_stores: ObjectStores) -> None:
    url = object_stores.url("s3")
    bucket = make_bucket("s3", url)
    check_saver(NodeCache(open_saver("s3", url, bucket)), NodeCache(open_saver("s3", url, bucket), max_bytes=10**9))


def test_a_limit_holds_in_a_bucket(object_stores: ObjectStores) -> None:
    url = object_stores.url("s3")
    cache = NodeCache(open_saver("s3", url, make_bucket("s3", url)), max_bytes=1_000_000)
    for number in range(4):
        SequentialRunner(cache).run(two(), LARGE * number)
    assert sum(kept.size for kept in cache.place.list() if not kept.path.startswith("newest/")) <= 1_000_000
