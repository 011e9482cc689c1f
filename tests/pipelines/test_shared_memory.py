"""Is what processes share written again only when nobody reads it any more, and handed on without being copied?"""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.processes import segments
from chariots.pipelines.processes.shared import Packed, pack, unpack
from chariots.pipelines.runners import ProcessRunner, SequentialRunner
from tests.pipelines.keeping_ops import Forks, HandOn, Keep, KeepInCircle, Nested, Write
from tests.pipelines.parallel_ops import INPUT, OUTPUT, AddOne, wait_for

COUNT = 100_000  # numbers of an array that is shared
PAGE = 4096


@pytest.fixture
def runner() -> Iterator[ProcessRunner]:
    with ProcessRunner(1) as found:
        yield found
    assert segments.spares._free == []


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One for each piece of memory that this process was given by the system."""
    found: list[int] = []
    memory = segments._memory
    monkeypatch.setattr(segments, "_memory", lambda: (found.append(1), memory())[1])
    return found


def one(op: BaseOp) -> Pipeline:
    """A pipeline of one op."""
    return Pipeline([Node(op, [INPUT], OUTPUT)], "one")


def chain(*ops: BaseOp) -> Pipeline:
    """A pipeline of ops that follow each other."""
    last = len(ops) - 1
    nodes = [
        Node(op, [f"value_{at}" if at else INPUT], OUTPUT if at == last else f"value_{at + 1}", name=f"node_{at}")
        for at, op in enumerate(ops)
    ]
    return Pipeline(nodes, "chain")


# -- what is handed on --------------------------------------------------------------------------------------------


def test_what_lies_in_shared_memory_is_not_copied_to_be_handed_on() -> None:
    array = np.arange(COUNT, dtype=float)
    first = pack(array)
    there = unpack(first)
    there[7] = -7
    second = pack(there)
    assert second.segment is None
    assert second.segments() == first.segments()
    ((part, lies),) = second.slices.items()
    assert (part, lies.offset) == (0, 0)
    assert [(start, len(changed)) for start, changed in lies.changes] == [(0, PAGE)]
    array[7] = -7
    assert (unpack(second) == array).all()
    assert unpack(first)[7] == 7


def test_whatever_was_changed_goes_with_it() -> None:
    generator = random.Random(3)
    array = np.arange(COUNT, dtype=float)
    packed = pack(array)
    copied = 0
    for _ in range(60):
        there = unpack(packed)
        for _ in range(generator.choice([0, 1, 3, 200])):
            start = generator.randrange(COUNT)
            stop = min(COUNT, start + generator.choice([1, 2, 1000]))
            there[start:stop] = array[start:stop] = generator.random()
        packed = pack(there)
        copied += packed.segment is not None
        assert (unpack(packed) == array).all()
    assert 0 < copied < 40  # some changes are so many that all is copied


def test_what_was_changed_all_over_is_copied() -> None:
    first = pack(np.zeros(COUNT))
    there = unpack(first)
    there += 1
    second = pack(there)
    assert not second.slices
    assert second.segments() != first.segments()
    assert unpack(second).sum() == COUNT


def test_a_small_part_is_copied_and_does_not_keep_the_whole() -> None:
    first = pack(np.arange(COUNT, dtype=float))
    there = unpack(first)
    assert not pack(there[: COUNT // 3]).slices
    half = pack(there[COUNT // 3 :])
    assert half.segments() == first.segments()
    assert unpack(half)[0] == COUNT // 3


def test_views_of_one_array_and_what_cannot_be_written_to_are_handed_on() -> None:
    there = unpack(pack(np.arange(COUNT, dtype=float)))
    there[5] = 50
    there.flags.writeable = False
    packed = pack([there, there[1:], there.reshape(2, -1).T])
    assert len(packed.slices) == 3
    whole, rest, turned = unpack(packed)
    assert (whole == there).all()
    assert (rest == there[1:]).all()
    assert (turned == there.reshape(2, -1).T).all()


def test_of_a_frame_the_columns_are_copied_that_are_new() -> None:
    frame = pd.DataFrame({name: np.random.default_rng(0).normal(size=COUNT) for name in "abc"})
    frame["count"] = np.arange(COUNT)
    first = pack(frame)
    there = unpack(first)
    assert pack(there).segment is None
    there.iat[3, 1] = 0.5
    there["new"] = there["count"] * 2
    second = pack(there)
    assert second.slices
    assert set(first.segments()) < set(second.segments())
    frame.iat[3, 1] = 0.5
    frame["new"] = frame["count"] * 2
    pd.testing.assert_frame_equal(unpack(second), frame)
    there.iat[4, 1] = 0.25
    pd.testing.assert_frame_equal(unpack(second), frame)  # it was packed before


def test_where_the_system_does_not_tell_what_changed_everything_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    from chariots.pipelines.processes import mappings

    there = unpack(pack(np.arange(COUNT, dtype=float)))
    there[3] = -3
    monkeypatch.setattr(mappings, "_PAGEMAP", "/proc/self/nowhere")
    mappings._can_tell.cache_clear()
    try:
        packed = pack(there)
        assert not packed.slices
        assert (unpack(packed) == there).all()
    finally:
        mappings._can_tell.cache_clear()


def test_a_process_hands_on_without_copying(runner: ProcessRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    from chariots.pipelines import process_runner

    sent: list[Packed] = []
    monkeypatch.setattr(process_runner, "_packed", lambda value: _noted(sent, value))
    array = np.zeros(COUNT)
    found = runner.run(chain(Write(1), HandOn(), Write(COUNT - 1)), array)
    assert (found[1], found[-1], found.sum()) == (-1, -COUNT + 1, -COUNT)
    (given,) = sent
    again = pack(found)
    assert again.segments() == given.segments()
    assert array.sum() == 0


def _noted(sent: list[Packed], value: Any) -> Packed:
    packed = value if isinstance(value, Packed) else pack(value)
    sent.append(packed)
    return packed


# -- what is written again ----------------------------------------------------------------------------------------


def test_memory_that_nobody_reads_is_written_again(runner: ProcessRunner, made: list[int]) -> None:
    for number in range(10):
        array = np.full(COUNT, float(number))
        assert runner.run(one(HandOn()), array).sum() == number * COUNT
    assert len(made) <= 1 + 10  # one for the inputs; and memory for an output that needed none, which is given back
    assert len(segments.spares._free) == 1


def test_outputs_are_written_to_memory_that_was_lent(runner: ProcessRunner, made: list[int]) -> None:
    for number in range(10):
        assert runner.run(one(AddOne()), np.full(COUNT, float(number))).sum() == (number + 1) * COUNT
    assert len(made) == 2


def test_results_stay_what_they_were(runner: ProcessRunner) -> None:
    pipelines = [one(HandOn()), one(AddOne()), chain(Write(1), HandOn(), Write(9)), chain(AddOne(), HandOn())]
    generator = random.Random(5)
    found: list[tuple[Any, Any]] = []
    for number in range(80):
        pipeline = generator.choice(pipelines)
        if found and generator.random() < 0.4:
            array = generator.choice(found)[0]  # what came of an earlier run
        else:
            array = np.full(generator.choice([COUNT, COUNT // 2 + 7, 100]), float(number))
        expected = SequentialRunner().run(pipeline, array.copy())
        found.append((runner.run(pipeline, array), expected))
        if generator.random() < 0.5:
            del found[generator.randrange(len(found))]
        for result, right in found:
            assert (result == right).all()


def test_what_an_op_keeps_stays_what_it_was(runner: ProcessRunner) -> None:
    sums: list[float] = []
    for number in range(6):
        sums.append(number * COUNT)
        assert runner.run(one(Keep()), np.full(COUNT, float(number))) == sums
        runner.run(one(HandOn()), np.full(COUNT, -1.0))
        runner.run(one(AddOne()), np.full(COUNT, -1.0))


def test_what_is_kept_in_a_circle_stays_until_it_is_collected(runner: ProcessRunner) -> None:
    results = []
    for number in range(6):
        found = runner.run(one(KeepInCircle()), np.full(COUNT, float(number)))
        circle: list[Any] = [found]
        circle.append(circle)
        results.append(found)
        del found, circle
    assert [result.sum() for result in results] == [number * COUNT for number in range(6)]
    results.clear()
    gc.collect()
    assert runner.run(one(HandOn()), np.ones(COUNT)).sum() == COUNT


def test_what_an_op_keeps_in_a_process_of_its_own_stays_what_it_was(runner: ProcessRunner) -> None:
    sums: list[float] = []
    for number in range(4):
        sums.append(number * COUNT)
        assert runner.run(one(Nested()), np.full(COUNT, float(number))) == sums
        runner.run(one(HandOn()), np.full(COUNT, -1.0))


def test_a_process_that_an_op_has_forked_sees_what_was_there(runner: ProcessRunner, tmp_path: Path) -> None:
    runner.run(one(Forks(tmp_path / "go", tmp_path / "found")), np.full(COUNT, 3.0))
    for _ in range(4):
        runner.run(one(AddOne()), np.full(COUNT, -1.0))
    (tmp_path / "go").write_text("go")
    wait_for(tmp_path / "found")
    assert float((tmp_path / "found").read_text()) == 3 * COUNT


def test_a_process_that_was_forked_from_here_sees_what_was_there(runner: ProcessRunner, tmp_path: Path) -> None:
    result = runner.run(one(HandOn()), np.full(COUNT, 3.0))
    go, found = tmp_path / "go", tmp_path / "found"
    pid = os.fork()
    if not pid:
        try:
            wait_for(go)
            (tmp_path / "part").write_text(str(float(result.sum())))
            (tmp_path / "part").rename(found)
        finally:
            os._exit(0)
    del result
    for _ in range(4):
        runner.run(one(AddOne()), np.full(COUNT, -1.0))
    go.write_text("go")
    wait_for(found)
    os.waitpid(pid, 0)
    assert float(found.read_text()) == 3 * COUNT


def test_memory_that_a_process_had_that_was_ended_is_given_up(runner: ProcessRunner) -> None:
    class Hangs(BaseOp):
        def execute(self, array: Any) -> None:
            import time

            time.sleep(600)

    with pytest.raises(TimeoutError):
        runner.run(Pipeline([Node(Hangs(), [INPUT], OUTPUT, timeout=0.5)], "hanging"), np.ones(COUNT))
    gc.collect()
    assert segments.spares._free == []
    assert runner.run(one(AddOne()), np.ones(COUNT)).sum() == 2 * COUNT


def test_no_more_than_so_much_is_kept(runner: ProcessRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments.spares, "most_bytes", 3 * 8 * COUNT + 3 * PAGE)
    packed = [pack(np.zeros(COUNT)) for _ in range(5)]
    assert segments.spares._free == []
    del packed
    assert len(segments.spares._free) == 3
    pack(np.zeros(4 * COUNT))
    assert len(segments.spares._free) <= 3
