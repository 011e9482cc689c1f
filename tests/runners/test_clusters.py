"""What do the runners of clusters do beyond what every runner does? On real clusters of two workers."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from chariots.config import PipelinesConfig
from chariots.errors import MissingExtraError, WorkerLostError
from chariots.ml import MLMode
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import BaseRunner, SequentialRunner
from chariots.runners import DaskRunner, RayRunner
from chariots.testing.runner_contract.learning import iris_pipelines
from chariots.testing.runner_contract.ops import Centre, Increment
from chariots.testing.runner_contract.results import chain
from tests.runners.cluster_ops import (
    PATIENCE,
    CountsItsUnpickling,
    DiesAtFirst,
    FailsBeside,
    TellsItsProcess,
    data_pipeline,
)

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"


def one(op: BaseOp, **options: Any) -> Pipeline:
    """A pipeline of one op."""
    return Pipeline([Node(op, [INPUT], OUTPUT, **options)], "one")


def wait_for(file: Path) -> str:
    """Reads a file as soon as it is there."""
    until = time.monotonic() + PATIENCE
    while not file.exists():
        assert time.monotonic() < until, f"{file.name} was never written"
        time.sleep(0.01)
    return file.read_text()


def test_a_hundred_nodes_give_the_same_bits_as_on_one_thread(cluster: BaseRunner) -> None:
    pipeline = data_pipeline(100)
    assert len(pipeline.pipeline_nodes) == 100
    expected = SequentialRunner().run(pipeline, 500)
    assert cluster.run(pipeline, 500).tobytes() == expected.tobytes()


def test_iris_gives_the_same_bits_as_on_one_thread(cluster: BaseRunner) -> None:
    models = []
    for runner in (SequentialRunner(), cluster):
        train, _ = iris_pipelines()
        runner.run(train)
        pca, forest = (train.node_for_name[name].op for name in ("irispca", "irisforest"))
        features = train.node_for_name["flowers"].op.execute()[0]
        reduced = pca.predict(features)
        models.append((reduced.tobytes(), forest._model.predict_proba(reduced).tobytes()))
    assert models[0] == models[1]


def test_ops_run_in_other_processes(cluster: BaseRunner) -> None:
    class Process(BaseOp):
        def execute(self, ignored: Any) -> int:
            return os.getpid()

    assert cluster.run(one(Process()), 0) != os.getpid()


def test_a_worker_that_crashes_costs_a_retry(cluster: BaseRunner, tmp_path: Path) -> None:
    nodes = [
        Node(Increment(), [INPUT], "more"),
        Node(DiesAtFirst(tmp_path / "died"), ["more"], "same"),
        Node(Increment(), ["same"], OUTPUT),
    ]
    assert cluster.run(Pipeline(nodes, "dying"), 1) == 3
    assert (tmp_path / "died").exists()


def test_a_worker_killed_from_outside_costs_a_retry_and_what_it_held_is_computed_again(
    cluster: BaseRunner, tmp_path: Path
) -> None:
    pipeline = data_pipeline(20)
    nodes = [
        Node(pipeline, [INPUT], "table"),
        Node(TellsItsProcess(tmp_path), ["table"], "same"),
        Node(data_sum(), ["same", "table"], OUTPUT),
    ]
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(cluster.run(Pipeline(nodes, "killed"), 100)))
    thread.start()
    pid = int(wait_for(tmp_path / "pid"))
    assert pid != os.getpid()
    (tmp_path / "pid").unlink()
    os.kill(pid, signal.SIGKILL)
    assert int(wait_for(tmp_path / "pid")) != pid
    (tmp_path / "go").touch()
    thread.join(PATIENCE)
    table = SequentialRunner().run(pipeline, 100)
    assert found[0].tobytes() == (table + table).tobytes()


def data_sum() -> BaseOp:
    """Adds tables."""
    from tests.runners.cluster_ops import Sum

    return Sum()


def test_ctrl_c_ends_what_runs(cluster: BaseRunner, tmp_path: Path) -> None:
    def interrupt() -> None:
        wait_for(tmp_path / "pid")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        cluster.run(one(TellsItsProcess(tmp_path)), 1)
    thread.join(PATIENCE)
    process = Path(f"/proc/{(tmp_path / 'pid').read_text()}")
    until = time.monotonic() + PATIENCE / 2  # less than the op would take by itself
    while process.exists():
        assert time.monotonic() < until, "the process that ran the op is still there"
        time.sleep(0.05)
    assert cluster.run(one(Increment()), 1) == 2


def test_what_is_given_up_because_another_node_failed_is_no_failure(cluster: BaseRunner, tmp_path: Path) -> None:
    nodes = [
        Node(TellsItsProcess(tmp_path), [INPUT], "same", name="waits"),
        Node(FailsBeside(tmp_path / "pid"), [INPUT], "never", name="fails"),
        Node(data_sum(), ["same", "never"], OUTPUT),
    ]
    try:
        with pytest.raises(LookupError, match="beside another") as caught:
            cluster.run(Pipeline(nodes, "given_up"), 1)
    finally:
        (tmp_path / "go").touch()
    assert caught.value.__notes__ == ["raised in node 'fails' of pipeline 'given_up'"]
    assert cluster.run(one(Increment()), 1) == 2


def test_an_op_is_sent_once_for_each_state_and_process(cluster: BaseRunner, tmp_path: Path) -> None:
    op = CountsItsUnpickling(tmp_path / "lines")
    for number in range(10):
        assert cluster.run(one(op), number) == number
    processes = (tmp_path / "lines").read_text().split()
    assert len(processes) == len(set(processes))  # a third process may have taken the place of one that was killed
    assert len(processes) < 10


def test_an_op_that_was_loaded_anew_is_sent_anew(cluster: BaseRunner) -> None:
    trained, served = Centre(MLMode.FIT), Centre(MLMode.PREDICT)
    for mean in range(3):
        trained.execute([mean])
        served.load(trained.serialize())
        assert [cluster.run(one(served), [number]) for number in range(3)] == [[-mean], [1 - mean], [2 - mean]]


def test_what_no_worker_has_is_refused_by_dask(dask_runner: BaseRunner) -> None:
    for needs in ({"gpu": 1}, {"cpu": 64}, {"memory": 2**60}):
        name = next(iter(needs))
        with pytest.raises(ValueError, match=rf"node 'increment' asks for {name}=.* none of the 2 workers"):
            dask_runner.run(one(Increment(), resources=needs), 1)


def test_nodes_that_need_all_of_a_cluster_run_one_at_a_time(ray_runner: BaseRunner, tmp_path: Path) -> None:
    assert at_once(ray_runner, tmp_path, {"cpu": 2}) == 1


def test_nodes_that_need_a_whole_worker_run_one_at_a_time_on_it(tmp_path: Path) -> None:
    with DaskRunner(n_workers=1, threads_per_worker=3, resources={"gpu": 1}) as runner:
        assert at_once(runner, tmp_path, {"gpu": 1}) == 1
        assert runner.run(one(Increment(), resources={"gpu": 1, "cpu": 3}), 1) == 2


def at_once(runner: BaseRunner, folder: Path, needs: dict[str, float]) -> int:
    """How many of four nodes that need something ran at the same time at most."""

    class Overlaps(BaseOp):
        def execute(self, ignored: Any) -> int:
            mine = folder / f"running-{os.getpid()}-{threading.get_ident()}"
            mine.touch()
            seen = 0
            for _ in range(20):
                seen = max(seen, len(list(folder.glob("running-*"))))
                time.sleep(0.005)
            mine.unlink()
            return seen

    class Most(BaseOp):
        def execute(self, *seen: int) -> int:
            return max(seen)

    nodes = [Node(Overlaps(), [INPUT], f"seen_{at}", name=f"node_{at}", resources=needs) for at in range(4)]
    most: int = runner.run(Pipeline([*nodes, Node(Most(), [f"seen_{at}" for at in range(4)], OUTPUT)], "needing"), 1)
    return most


def test_an_op_that_always_kills_its_worker_fails_with_its_name(cluster: BaseRunner) -> None:
    class Dies(BaseOp):
        def execute(self, ignored: Any) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(WorkerLostError, match="one of the nodes 'increment', 'dies' did not return"):
        cluster.run(chain(Increment(), Dies()), 1)
    assert cluster.run(one(Increment()), 1) == 2


@pytest.mark.parametrize(("make", "library"), [(DaskRunner, "distributed"), (RayRunner, "ray")])
def test_a_library_that_is_not_installed_is_named_with_its_extra(
    make: type[BaseRunner], library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    extra = "dask" if library == "distributed" else "ray"
    with pytest.raises(MissingExtraError, match=rf"pip install 'chariots\[{extra}\]'"):
        make()
    with pytest.raises(MissingExtraError, match=rf"{make.__name__} needs {extra}"):
        PipelinesConfig(runner=f"{extra}-runner").get_runner()


def test_an_address_and_workers_to_start_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="leave one of the two out"):
        DaskRunner("tcp://127.0.0.1:1", n_workers=2)


def test_a_runner_uses_a_dask_cluster_that_is_there_and_leaves_it(dask_runner: DaskRunner) -> None:
    client = dask_runner.client
    with DaskRunner(client.scheduler.address, security=client.security) as other:
        assert other.run(one(Increment()), 1) == 2
    assert dask_runner.run(one(Increment()), 2) == 3


def test_a_runner_uses_the_ray_cluster_that_its_process_is_connected_to(ray_runner: BaseRunner) -> None:
    import ray

    with RayRunner() as other:
        assert other.run(one(Increment()), 1) == 2
    assert ray.is_initialized()
    assert ray_runner.run(one(Increment()), 2) == 3


def test_the_local_dask_cluster_lets_nobody_else_in(dask_runner: DaskRunner) -> None:
    from distributed import Client

    address = dask_runner.client.scheduler.address
    assert address.startswith("tls://127.0.0.1:")
    with pytest.raises((OSError, TypeError)):
        Client(address.replace("tls://", "tcp://"), timeout=2, set_as_default=False)
