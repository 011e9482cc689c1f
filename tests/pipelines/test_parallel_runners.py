"""What do runners promise that do several things at once?"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chariots.errors import NodeTimeoutError, RemoteTraceback, WorkerLostError
from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import OpCallBack, PipelineCallback
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.parallel import ParallelRunner
from chariots.pipelines.reporting import reporting_to
from chariots.pipelines.runners import ProcessRunner, SequentialRunner, ThreadRunner, make_runner
from tests.pipelines.parallel_ops import (
    INPUT,
    OUTPUT,
    AddOne,
    Alone,
    CannotTravel,
    Counter,
    Die,
    Fail,
    FailAfter,
    FailFirst,
    FailOddly,
    Hang,
    Meet,
    Seen,
    Sum,
    Tell,
    Touch,
    Where,
    Write,
    beside,
    chain,
    wait_for,
)


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessRunner]:
    with ProcessRunner(max_workers=3) as runner:
        yield runner


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadRunner]:
    with ThreadRunner(max_workers=3) as runner:
        yield runner


@pytest.fixture(params=["threads", "processes"])
def runner(request: pytest.FixtureRequest) -> ParallelRunner:
    return request.getfixturevalue(request.param)


# -- at the same time ---------------------------------------------------------------------------------------------


def test_nodes_that_do_not_wait_for_each_other_run_at_the_same_time(runner: ParallelRunner, tmp_path: Path) -> None:
    assert runner.run(beside(*[Meet(tmp_path, 3) for _ in range(3)]), 2) == 6


def test_no_more_nodes_run_than_there_are_workers(runner: ParallelRunner, tmp_path: Path) -> None:
    class Workers(BaseOp):
        def execute(self, number: Any) -> Any:
            (tmp_path / f"{os.getpid()}-{threading.get_ident()}").touch()
            time.sleep(0.01)
            return number

    assert runner.run(beside(*[Workers() for _ in range(12)]), 1) == 12
    assert len(list(tmp_path.iterdir())) <= 3


def test_one_worker_is_enough_for_everything(tmp_path: Path) -> None:
    inner = beside(AddOne(), AddOne(), name="inner")
    outer = Pipeline([Node(inner, [INPUT], "a"), Node(AddOne(), ["a"], OUTPUT)], "outer")
    with ThreadRunner(max_workers=1) as threads, ProcessRunner(max_workers=1) as processes:
        assert threads.run(outer, 1) == processes.run(outer, 1) == 5


def test_a_nested_pipeline_spreads_out_as_well(runner: ParallelRunner, tmp_path: Path) -> None:
    inner = beside(*[Meet(tmp_path, 3) for _ in range(3)], name="inner")
    assert runner.run(Pipeline([Node(inner, [INPUT], OUTPUT)], "outer"), 1) == 3


def test_many_runs_at_once_share_the_workers_and_none_is_lost(runner: ParallelRunner) -> None:
    pipeline = beside(*[AddOne() for _ in range(20)])
    found: list[Any] = []
    callers = [
        threading.Thread(target=lambda number=number: found.append((number, runner.run(pipeline, number))))
        for number in range(16)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert sorted(found) == [(number, 20 * (number + 1)) for number in range(16)]


def test_random_graphs_give_what_one_after_the_other_gives(runner: ParallelRunner) -> None:
    random = np.random.default_rng(7)
    previous = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for size in (2, 5, 30, 80):
            nodes = []
            for index in range(size):
                known = [INPUT, *(f"v{earlier}" for earlier in range(index))]
                reads = list(random.choice(known, size=min(len(known), 3), replace=True))
                nodes.append(Node(Sum(), reads, f"v{index}", f"n{index}"))
            nodes.append(Node(Sum(), [f"v{index}" for index in range(size)], OUTPUT, "all"))
            pipeline = Pipeline(nodes, "random")
            assert runner.run(pipeline, 1) == SequentialRunner().run(pipeline, 1)
    finally:
        sys.setswitchinterval(previous)


def test_a_value_is_dropped_when_its_last_reader_has_run(threads: ThreadRunner) -> None:
    class Big:
        pass

    references: list[weakref.ref[Big]] = []

    class Make(BaseOp):
        def execute(self, value: Any) -> Any:
            made = Big()
            references.append(weakref.ref(made))
            return made

    class Look(BaseOp):
        def execute(self, value: Any) -> Any:
            return 1

    class Check(BaseOp):
        def execute(self, value: Any) -> Any:
            gc.collect()
            return [reference() is None for reference in references]

    assert threads.run(chain(Make(), Look(), Check()), 0) == [True]


# -- what nodes ask for -------------------------------------------------------------------------------------------


def test_nodes_that_need_the_same_resource_take_turns(runner: ParallelRunner, tmp_path: Path) -> None:
    pipeline = beside(*[Alone(tmp_path) for _ in range(6)], resources={"gpu": 1})
    assert runner.run(pipeline, 1) == 6


def test_runs_share_resources_too(runner: ParallelRunner, tmp_path: Path) -> None:
    pipeline = beside(*[Alone(tmp_path) for _ in range(3)], resources={"gpu": 0.6})
    failures: list[BaseException] = []

    def call() -> None:
        try:
            runner.run(pipeline, 1)
        except BaseException as error:  # noqa: BLE001  # told below
            failures.append(error)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert not failures


def test_a_node_that_asks_for_more_than_there_is_is_refused() -> None:
    pipeline = Pipeline([Node(AddOne(), [INPUT], OUTPUT, "greedy", resources={"memory": 3e9})], "p")
    with ThreadRunner(resources={"memory": 2e9}) as runner, pytest.raises(ValueError, match=r"greedy.*=3e.09.*2e"):
        runner.run(pipeline, 1)


def test_what_cannot_be_asked_for_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'addone'.*'gpus'.*Did you mean 'gpu'"):
        Node(AddOne(), resources={"gpus": 1})
    with pytest.raises(ValueError, match="retries=-1"):
        Node(AddOne(), retries=-1)
    with pytest.raises(ValueError, match="timeout=0"):
        Node(AddOne(), timeout=0)
    with pytest.raises(TypeError, match="cache='yes'"):
        Node(AddOne(), cache="yes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_workers=0"):
        ThreadRunner(max_workers=0)


@pytest.mark.parametrize("kind", ["sequential", "threads", "processes"])
def test_a_node_is_tried_again_as_often_as_it_asks(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    runner = SequentialRunner() if kind == "sequential" else request.getfixturevalue(kind)
    file = tmp_path / "attempts"
    pipeline = Pipeline([Node(FailFirst(file, 2), [INPUT], OUTPUT, "shaky", retries=2)], "p")
    assert runner.run(pipeline, 5) == 5
    assert len(file.read_text().splitlines()) == 3
    pipeline = Pipeline([Node(FailFirst(file, 9), [INPUT], OUTPUT, "shaky", retries=1)], "p")
    with pytest.raises(ConnectionError, match="not yet"):
        runner.run(pipeline, 5)
    assert len(file.read_text().splitlines()) == 5


@pytest.mark.parametrize("kind", ["sequential", "threads", "processes"])
def test_a_node_that_takes_too_long_fails(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    runner = SequentialRunner() if kind == "sequential" else request.getfixturevalue(kind)
    file = tmp_path / "began"
    pipeline = Pipeline([Node(Hang(file), [INPUT], OUTPUT, "slow", timeout=1.5)], "p")
    with pytest.raises(NodeTimeoutError, match=r"'slow' was given 1.5 s") as caught:
        runner.run(pipeline, 5)
    assert isinstance(caught.value, TimeoutError)
    if kind == "processes":
        assert_gone(int(wait_for(file)))
        assert runner.run(chain(AddOne()), 1) == 2  # with another process


# -- failures -----------------------------------------------------------------------------------------------------


def test_the_error_of_an_op_is_raised_as_it_was(runner: ParallelRunner) -> None:
    with pytest.raises(ValueError, match="nothing to do with 2") as caught:
        runner.run(chain(AddOne(), Fail(), AddOne()), 1)
    assert "raised in node 'n1' of pipeline 'chain'" in caught.value.__notes__
    if isinstance(runner, ProcessRunner):
        assert isinstance(caught.value.__cause__, RemoteTraceback)
        assert "there is nothing to do with" in str(caught.value.__cause__)
        assert "parallel_ops.py" in str(caught.value.__cause__)


def test_every_failure_is_reported_and_the_first_in_order_is_raised(tmp_path: Path, threads: ThreadRunner) -> None:
    file = tmp_path / "go"

    class FailFirstOfAll(BaseOp):
        def execute(self, number: Any) -> Any:
            file.write_text("go")
            raise ValueError("now")

    with pytest.raises(KeyError, match="later") as caught:
        threads.run(beside(FailAfter(file), FailFirstOfAll()), 1)
    assert "node 'n1' failed as well: ValueError: now" in caught.value.__notes__


def test_what_follows_a_failure_is_not_begun(runner: ParallelRunner, tmp_path: Path) -> None:
    file = tmp_path / "ran"
    with pytest.raises(ValueError, match="nothing to do"):
        runner.run(chain(Fail(), Touch(file)), 1)
    assert not file.exists()


def test_a_failure_ends_the_processes_that_run_beside_it(processes: ProcessRunner, tmp_path: Path) -> None:
    file = tmp_path / "began"
    with pytest.raises(KeyError, match="later") as caught:
        processes.run(beside(Hang(file), FailAfter(file)), 1)
    assert not any("as well" in note for note in caught.value.__notes__)
    assert_gone(int(wait_for(file)))
    assert processes.run(chain(AddOne()), 1) == 2


def test_an_op_that_ends_its_process_is_named(processes: ProcessRunner) -> None:
    with pytest.raises(WorkerLostError, match=r"op 'die' did not return: .*SIGKILL") as caught:
        processes.run(chain(Die()), 1)
    assert "raised in node 'n0' of pipeline 'chain'" in caught.value.__notes__
    assert processes.run(chain(AddOne()), 1) == 2


def test_an_error_that_pickle_cannot_make_again_is_the_same_all_the_same(processes: ProcessRunner) -> None:
    with pytest.raises(CannotTravel, match=r"^this and that") as caught:
        processes.run(chain(FailOddly()), 1)
    assert "parallel_ops.py" in str(caught.value.__cause__)


def test_what_was_learned_before_a_failure_in_the_same_process_is_kept(processes: ProcessRunner) -> None:
    counter = Counter()
    with pytest.raises(ValueError, match="nothing to do"):
        processes.run(chain(counter, Fail()), 1)
    assert counter.count == 1


def test_what_cannot_be_sent_is_refused_by_name(processes: ProcessRunner) -> None:
    op = AddOne()
    op.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"op 'addone' cannot be sent to another process.*ThreadRunner"):
        processes.run(chain(op), 1)

    class Generate(BaseOp):
        def execute(self, number: Any) -> Any:
            return (one for one in range(number))

    with pytest.raises(TypeError, match="op 'generate' ran, but what it returned cannot be sent"):
        processes.run(chain(Generate()), 1)


def test_a_wrong_number_of_outputs_is_told_as_ever(runner: ParallelRunner) -> None:
    pipeline = Pipeline([Node(AddOne(), [INPUT], ["a", "b"], "one"), Node(Sum(), ["a", "b"], OUTPUT)], "p")
    with pytest.raises(ValueError, match=r"node 'one' has 2 outputs .*returned a int"):
        runner.run(pipeline, 1)


def test_sys_exit_in_an_op_reaches_the_caller(runner: ParallelRunner) -> None:
    class Leave(BaseOp):
        def execute(self, number: Any) -> Any:
            sys.exit(7)

    with pytest.raises(SystemExit, match="7"):
        runner.run(beside(Leave(), AddOne()), 1)


# -- processes ----------------------------------------------------------------------------------------------------


def test_ops_run_elsewhere_and_the_processes_stay(processes: ProcessRunner) -> None:
    found = {processes.run(chain(Where()), 1) for _ in range(5)}
    assert len(found) == 1
    assert os.getpid() not in found


@pytest.mark.parametrize(
    "value",
    [
        np.arange(100_000.0),
        np.asfortranarray(np.arange(200_000.0).reshape(400, 500)),
        np.arange(200_000.0)[::3],
        np.array([], dtype="f4"),
        np.array(["a", "bcd"]),
        pd.DataFrame({"a": np.arange(50_000), "b": ["x", "yz"] * 25_000}),
        pd.DataFrame(),
        b"x" * 300_000,
        list(range(100_000)),
        None,
        {"nested": [np.ones(70_000), {"deep": (np.zeros(3), None)}]},
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_come_through_as_they_were(processes: ProcessRunner, value: Any) -> None:
    class Same(BaseOp):
        def execute(self, given: Any) -> Any:
            return given

    pipeline = Pipeline(
        [Node(Same(), [INPUT], "a", "n0"), Node(Same(), ["a"], "b", "n1"), Node(Pair(), ["a", "b"], OUTPUT)], "p"
    )
    for found in processes.run(pipeline, value):
        assert_equal(found, value)


class Pair(BaseOp):
    def execute(self, *values: Any) -> Any:
        return values


def test_a_large_array_is_written_once_for_all_that_read_it(
    processes: ProcessRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chariots.pipelines.processes import shared

    kept: list[int] = []
    memory = shared.new_segment
    monkeypatch.setattr(shared, "new_segment", lambda size: (kept.append(size), memory(size))[1])

    class Total(BaseOp):
        def execute(self, array: Any) -> Any:
            return float(array.sum())

    assert processes.run(beside(*[Total() for _ in range(6)]), np.ones(1_000_000)) == 6_000_000
    assert len(kept) == 1


def test_what_a_node_changes_in_place_nobody_else_sees(processes: ProcessRunner) -> None:
    array = np.zeros(100_000)

    pipeline = Pipeline(
        [Node(Write(), [INPUT], "a", "w1"), Node(Write(), [INPUT], "b", "w2"), Node(Sum(), ["a", "b"], OUTPUT)], "p"
    )
    found = processes.run(pipeline, array)
    assert (found == 2).all()
    assert (array == 0).all()
    found += 1  # what comes back may be changed as well


def test_no_descriptors_are_left_behind(processes: ProcessRunner) -> None:
    pipeline = beside(*[AddOne() for _ in range(5)])
    array = np.ones(100_000)
    processes.run(pipeline, array)
    gc.collect()
    before = open_descriptors()
    for _ in range(10):
        processes.run(pipeline, array)
    gc.collect()
    assert open_descriptors() <= before + 3  # a process may have been started meanwhile


def test_what_an_op_learned_elsewhere_comes_back(processes: ProcessRunner) -> None:
    op = Counter()
    pipeline = chain(op)
    assert [processes.run(pipeline, None) for _ in range(3)] == [1, 2, 3]
    assert op.count == 3
    op.count = 10  # and what changes here goes there
    assert processes.run(pipeline, None) == 11


def test_what_an_op_keeps_on_itself_comes_back_too(processes: ProcessRunner) -> None:
    op = Seen()
    assert [processes.run(chain(op), number) for number in "abc"] == [1, 2, 3]
    assert op.seen == ["a", "b", "c"]


def test_an_op_goes_to_a_process_once(processes: ProcessRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    from chariots.pipelines.processes import shipping

    packed: list[Any] = []
    pack = shipping.pack
    monkeypatch.setattr(shipping, "pack", lambda value: (packed.append(value), pack(value))[1])
    op = Counter()
    op.large = np.zeros(100_000)  # type: ignore[attr-defined]
    op.allow = False  # type: ignore[attr-defined]

    class Look(BaseOp):
        def __init__(self) -> None:
            super().__init__()
            self.table = np.arange(100_000)

        def execute(self, number: Any) -> Any:
            return int(self.table[number])

    pipeline = chain(Look(), Look())
    for number in range(5):
        assert processes.run(pipeline, number) == number
    assert len(packed) == 2


def test_an_op_may_be_a_dataclass(processes: ProcessRunner) -> None:
    @dataclass
    class Times(BaseOp):
        factor: int

        def execute(self, number: Any) -> Any:
            return self.factor * number

    assert processes.run(chain(Times(3), Times(4)), 2) == 24


def test_an_op_that_is_gone_is_forgotten(processes: ProcessRunner) -> None:
    class Keep(BaseOp):
        def __init__(self) -> None:
            super().__init__()
            self.data = np.zeros(1_000_000)

        def execute(self, number: Any) -> Any:
            return number

    for _ in range(40):
        assert processes.run(chain(Keep()), 1) == 1
    gc.collect()
    processes.run(chain(AddOne()), 1)
    assert len(processes._shipping._shipments) < 30
    for worker in processes._pool._free:
        processes._shipping.outdated(worker)
        assert len(worker.known) < 30


def test_callbacks_of_ops_and_pipelines_are_called_here(processes: ProcessRunner) -> None:
    told: list[Any] = []

    class OfOp(OpCallBack):
        def before_execution(self, callback_op: BaseOp, args: list[Any]) -> None:
            told.append(("op before", os.getpid(), args))

        def after_execution(self, callback_op: BaseOp, args: list[Any], output: Any) -> None:
            told.append(("op after", os.getpid(), output))

    class OfPipeline(PipelineCallback):
        def before_node_execution(self, pipeline: Pipeline, node: Any, args: list[Any]) -> None:
            told.append(("node before", os.getpid(), args))

        def after_node_execution(self, pipeline: Pipeline, node: Any, args: list[Any], output: Any) -> None:
            told.append(("node after", os.getpid(), output))

    class Here(AddOne):
        pass

    pipeline = Pipeline([Node(Here([OfOp()]), [INPUT], OUTPUT)], "p", [OfPipeline()])
    assert processes.run(pipeline, 1) == 2
    assert [one[0] for one in told] == ["node before", "op before", "op after", "node after"]
    assert {one[1] for one in told} == {os.getpid()}
    assert [one[2] for one in told] == [[1], [1], 2, 2]


def test_progress_comes_through(runner: ParallelRunner) -> None:
    told: list[Any] = []
    with reporting_to(lambda *what: told.append(what)):
        runner.run(chain(Tell()), 1)
    assert told == [(1, 2, "half of it")]


def test_map_spreads_elements_out(runner: ParallelRunner, tmp_path: Path) -> None:
    assert runner.map(chain(Meet(tmp_path, 3)), iter([5, 6, 7])) == [5, 6, 7]
    assert runner.map(chain(AddOne(), AddOne()), range(50)) == list(range(2, 52))
    assert runner.map(chain(AddOne()), []) == []


def test_map_names_the_element_that_failed(runner: ParallelRunner) -> None:
    with pytest.raises(TypeError) as caught:
        runner.map(chain(AddOne()), [1, 2, "three", 4])
    assert "raised for element 2" in caught.value.__notes__


def test_a_runner_can_be_used_after_it_was_closed() -> None:
    for made in (ThreadRunner(max_workers=2), ProcessRunner(max_workers=2)):
        for _ in range(2):
            assert made.run(beside(AddOne(), AddOne()), 1) == 4
            made.close()


def test_runners_are_made_by_name() -> None:
    assert isinstance(make_runner("thread-runner", {"max_workers": 2}), ThreadRunner)
    with pytest.raises(ValueError, match=r"no runner 'thread-runer'.*Did you mean 'thread-runner'"):
        make_runner("thread-runer")
    with pytest.raises(ValueError, match=r"process-runner cannot be made with .*workers"):
        make_runner("process-runner", {"workers": 2})


# -- whole programs -----------------------------------------------------------------------------------------------

PROGRAM = """
import sys, time
from pathlib import Path
from chariots import Pipeline, Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import {runner}
import os

class Mine(BaseOp):
    '''Belongs to the main program, and has no module that could be imported.'''
    def execute(self, number):
        return Result(number + 1)

class Result:
    def __init__(self, number): self.number = number

class Hang(BaseOp):
    def execute(self, number):
        Path(sys.argv[1]).write_text(str(os.getpid()))
        time.sleep(600)

runner = {runner}(max_workers=2)
found = runner.run(Pipeline([Node(Mine(), ["__pipeline_input__"], "__pipeline_output__")], "p"), 1)
assert type(found) is Result and found.number == 2
try:
    runner.run(Pipeline([Node(Hang(), ["__pipeline_input__"], "__pipeline_output__")], "p"), 1)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@pytest.mark.parametrize("name", ["SequentialRunner", "ThreadRunner", "ProcessRunner"])
def test_ctrl_c_stops_at_once_and_leaves_no_orphan(name: str, tmp_path: Path) -> None:
    program = PROGRAM.format(runner=name)
    if name == "SequentialRunner":
        program = program.replace("max_workers=2", "")
    file = tmp_path / "pid"
    process = subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE, text=True)
    pid = int(wait_for(file))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert (output, process.returncode) == ("stopped\n", 0)
    assert_gone(pid)


def test_kill_9_leaves_no_orphan(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM.format(runner="ProcessRunner"), str(file)])
    pid = int(wait_for(file))
    process.kill()
    process.wait()
    assert_gone(pid)


def test_a_forked_process_has_workers_of_its_own(processes: ProcessRunner, threads: ThreadRunner) -> None:
    pipeline = beside(AddOne(), AddOne())
    assert processes.run(pipeline, 1) == threads.run(pipeline, 1) == 4
    pid = os.fork()
    if not pid:
        try:
            good = processes.run(pipeline, 2) == threads.run(pipeline, 2) == 6
            processes.close()
            os._exit(0 if good else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert processes.run(pipeline, 3) == 8


def open_descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def assert_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            os.kill(pid, 0)
            stat = Path(f"/proc/{pid}/stat")
            if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def assert_equal(found: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        np.testing.assert_array_equal(found, value)
        assert found.dtype == value.dtype
    elif isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(found, value)
    elif isinstance(value, dict):
        assert found.keys() == value.keys()
        for key in value:
            assert_equal(found[key], value[key])
    elif isinstance(value, (list, tuple)) and len(value) < 10:
        assert len(found) == len(value)
        for one, other in zip(found, value, strict=True):
            assert_equal(one, other)
    else:
        assert found == value
