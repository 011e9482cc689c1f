"""Does a large input go to a cluster once, as long as it is the same? On real clusters of two workers."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest

from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import PipelineCallback
from chariots.pipelines.nodes import BaseNode, DataLoadingNode, Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import BaseRunner
from chariots.runners import DaskRunner, RayRunner
from chariots.runners.cluster_runner import ClusterRunner
from chariots.runners.kept_values import KeptValue, KeptValues, OnCluster
from chariots.runners.parcels import Parcel
from chariots.testing.runner_contract.results import INPUT, OUTPUT

LARGE = 2**20
NUMBERS = LARGE // 8  # of them are large


@pytest.fixture
def sent(cluster: BaseRunner, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each large object has that the library of the cluster is given."""
    return counted(monkeypatch)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has the libraries of the clusters count what they are given, in mebibytes."""
    import ray
    from distributed import Client

    found: list[int] = []
    submit: Callable[..., Any] = Client.submit
    put: Callable[..., Any] = ray.put

    def submitting(self: Client, function: Any, *args: Any, **options: Any) -> Any:
        found.extend(len(arg) // LARGE for arg in args if isinstance(arg, bytes) and len(arg) >= LARGE)
        return submit(self, function, *args, **options)

    def putting(value: Any) -> Any:
        size = value.size if isinstance(value, Parcel) else len(value)
        found.extend([size // LARGE] * (size >= LARGE))
        return put(value)

    monkeypatch.setattr(Client, "submit", submitting)
    monkeypatch.setattr(ray, "put", putting)
    return found


class Total(BaseOp):
    """The sum of numbers, which are gone when they were summed."""

    def execute(self, numbers: Any) -> float:
        total = float(numbers.sum().sum())
        numbers[:] = 0
        return total


def total() -> Pipeline:
    """A pipeline that sums its input."""
    return Pipeline([Node(Total(), [INPUT], OUTPUT)], "total")


def numbers(count: int = NUMBERS, seed: int = 0) -> Any:
    """Whole numbers, whose sum is the same in every order."""
    return numpy.random.default_rng(seed).integers(0, 100, count).astype(float)


def test_a_large_input_is_sent_once(cluster: BaseRunner, sent: list[int]) -> None:
    array = numbers()
    expected = array.sum()
    assert [cluster.run(total(), array) for _ in range(3)] == [expected] * 3
    assert cluster.run(total(), array.copy()) == expected  # the same content
    assert sent == [1]


def test_an_op_that_changes_its_input_changes_it_for_nobody_else(cluster: BaseRunner) -> None:
    array = numbers(seed=1)
    nodes = [Node(Total(), [INPUT], f"total_{at}", name=f"node_{at}") for at in range(4)]
    pipeline = Pipeline([*nodes, Node(Same(), [f"total_{at}" for at in range(4)], OUTPUT)], "totals")
    assert [cluster.run(pipeline, array) for _ in range(2)] == [(array.sum(),) * 4] * 2


class Same(BaseOp):
    """What it is given."""

    def execute(self, *values: Any) -> Any:
        return values


def test_a_frame_is_sent_once(cluster: BaseRunner, sent: list[int]) -> None:
    frame = pandas.DataFrame({"number": numbers(seed=2), "other": numbers(seed=3), "name": ["a", "b"] * (NUMBERS // 2)})
    assert [cluster.run(Pipeline([Node(Rows(), [INPUT], OUTPUT)], "rows"), frame) for _ in range(3)] == [NUMBERS] * 3
    assert cluster.run(Pipeline([Node(Rows(), [INPUT], OUTPUT)], "rows"), frame.copy()) == NUMBERS
    assert len(sent) == 1


class Rows(BaseOp):
    """How many rows a frame has."""

    def execute(self, frame: Any) -> int:
        return len(frame)


def test_an_input_that_was_changed_in_place_is_sent_anew(cluster: BaseRunner, sent: list[int]) -> None:
    array = numbers(seed=4)
    for _ in range(3):
        array[NUMBERS // 2] += 1
        assert cluster.run(total(), array) == array.sum()
    assert sent == [1, 1, 1]


def test_what_looks_alike_is_not_taken_for_the_same(cluster: BaseRunner, sent: list[int]) -> None:
    zeros = numpy.zeros(NUMBERS)
    found = [cluster.run(described(), value) for value in (zeros, zeros.astype("i8"), zeros.reshape(2, -1), -zeros)]
    kinds = ["float64 (131072,)", "int64 (131072,)", "float64 (2, 65536)", "float64 (131072,)"]
    assert found == [f"{kind} {sign}" for kind, sign in zip(kinds, [False, False, False, True], strict=True)]
    assert len(sent) == 4


def described() -> Pipeline:
    """A pipeline that describes an array."""

    class Describe(BaseOp):
        def execute(self, array: Any) -> str:
            return f"{array.dtype} {array.shape} {bool(numpy.signbit(array).any())}"

    return Pipeline([Node(Describe(), [INPUT], OUTPUT)], "described")


def test_what_a_node_from_here_has_loaded_is_sent_once(cluster: BaseRunner, sent: list[int], tmp_path: Path) -> None:
    file = tmp_path / "numbers.npy"
    pipeline = Pipeline(
        [DataLoadingNode(str(file), output_nodes="numbers", name="load"), Node(Total(), ["numbers"], OUTPUT)], "loading"
    )
    for seed in (5, 5, 6):
        numpy.save(file, numbers(seed=seed))
        assert cluster.run(pipeline) == numbers(seed=seed).sum()
    assert sent == [1, 1]


def test_elements_of_map_that_are_the_same_are_sent_once(cluster: BaseRunner, sent: list[int]) -> None:
    array = numbers(seed=7)
    assert cluster.map(total(), [array] * 4) == [array.sum()] * 4
    assert sent == [1]


def test_small_inputs_are_not_kept(cluster: ClusterRunner[Any]) -> None:
    array = numbers(1000)
    assert cluster.run(total(), array) == array.sum()
    assert not isinstance(cluster.convert(array), KeptValue)


def test_a_killed_worker_costs_no_run(cluster: BaseRunner, sent: list[int]) -> None:
    array = numbers(seed=8)
    for _ in range(3):
        assert cluster.run(total(), array) == array.sum()
        for process in {cluster.run(Pipeline([Node(Process(), [INPUT], OUTPUT)], "process"), array) for _ in range(4)}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    assert cluster.run(total(), array) == array.sum()
    assert sent == [1]  # Dask and Ray have it elsewhere


class Process(BaseOp):
    """In which process it runs."""

    def execute(self, ignored: Any) -> int:
        return os.getpid()


def test_what_the_cluster_has_lost_is_sent_again(cluster: ClusterRunner[Any], sent: list[int]) -> None:
    array = numbers(seed=9)
    for times in (1, 2, 3):
        assert cluster.run(total(), array) == array.sum()
        assert sent == [1] * times
        assert cluster.run(total(), array) == array.sum()
        assert sent == [1] * times
        lose(cluster, array)


def test_what_the_cluster_loses_during_a_run_is_sent_again(cluster: ClusterRunner[Any], sent: list[int]) -> None:
    array = numbers(seed=10)

    class Losing(PipelineCallback):
        def after_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any], output: Any) -> None:
            if node.name == "first":
                lose(cluster, array)

    nodes = [
        Node(Total(), [INPUT], "first", name="first"),
        Node(TotalAfter(), ["first", INPUT], "second", name="second"),
        Node(TotalAfter(), ["second", INPUT], OUTPUT, name="third"),
    ]
    pipeline = Pipeline(nodes, "losing", pipeline_callbacks=[Losing()])
    assert cluster.run(pipeline, array) == 3 * array.sum()
    assert sent == [1, 1]


class TotalAfter(BaseOp):
    """The sum of numbers, and of what comes before."""

    def execute(self, before: float, numbers: Any) -> float:
        return before + float(numbers.sum())


def lose(cluster: ClusterRunner[Any], array: Any) -> None:
    """Has the cluster lose what it was sent."""
    value: Any = cluster.convert(array)
    assert isinstance(value, KeptValue)
    if isinstance(cluster, DaskRunner):
        cluster.client.cancel(value.handle.sent)  # type: ignore[attr-defined]
    else:
        value.handle.reference = lost_reference()  # type: ignore[attr-defined]


def lost_reference() -> Any:
    """A reference to what is not there any more."""
    import ray

    class Owner:
        def put(self) -> list[Any]:
            return [ray.put(bytes(LARGE))]

    owner = ray.remote(Owner).options(num_cpus=0).remote()
    (reference,) = ray.get(owner.put.remote())
    ray.kill(owner)
    with contextlib.suppress(ray.exceptions.ObjectLostError):
        while True:
            ray.get(reference)
    return reference


def test_a_dask_cluster_that_was_restarted_is_sent_everything_again(
    dask_runner: DaskRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = counted(monkeypatch)
    array, pipeline = numbers(seed=11), total()
    assert dask_runner.run(pipeline, array) == array.sum()
    dask_runner.client.restart()
    assert [dask_runner.run(pipeline, array) for _ in range(2)] == [array.sum()] * 2
    assert found == [1, 1]


def test_a_ray_cluster_that_was_ended_is_started_and_sent_everything_again(
    ray_runner: RayRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    found = counted(monkeypatch)
    array, pipeline = numbers(seed=12), total()
    assert ray_runner.run(pipeline, array) == array.sum()
    ray.shutdown()
    assert [ray_runner.run(pipeline, array) for _ in range(2)] == [array.sum()] * 2
    assert found == [1, 1]


@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_nothing_is_kept_by_a_runner_that_was_closed_or_told_not_to(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    other: Any = request.getfixturevalue(f"{kind}_runner")
    found = counted(monkeypatch)
    array = numbers(seed=13)

    def make(kept_bytes: float) -> BaseRunner:
        if kind == "ray":
            return RayRunner(kept_bytes=kept_bytes)  # on the cluster that is there
        client = other.client
        return DaskRunner(client.scheduler.address, security=client.security, kept_bytes=kept_bytes)

    if kind == "ray":
        other._ray()
    with make(0) as runner:
        assert [runner.run(total(), array) for _ in range(2)] == [array.sum()] * 2
    assert found == [1, 1]
    runner = make(1e9)
    for _ in range(2):
        with runner:
            assert [runner.run(total(), array) for _ in range(2)] == [array.sum()] * 2
    assert found == [1, 1, 1, 1]


@pytest.mark.parametrize("kept", [-1, float("nan"), "1 GB"])
def test_a_number_of_bytes_that_cannot_be_is_refused(kept: Any) -> None:
    for make in (DaskRunner, RayRunner):
        with pytest.raises(ValueError, match=f"{make.__name__} was given kept_bytes="):
            make(kept_bytes=kept)


class Here(OnCluster):
    """Stands for a value."""

    def value(self) -> Any:
        raise NotImplementedError


def test_those_used_last_stay() -> None:
    put: list[Parcel] = []

    def putting(parcel: Parcel) -> OnCluster:
        put.append(parcel)
        return Here()

    kept = KeptValues(3.5 * LARGE, putting, lambda value: True)
    arrays = [numpy.full(NUMBERS, number) for number in range(6)]

    def sends(number: int) -> bool:
        before = len(put)
        kept.of(Parcel.of(arrays[number]))
        return len(put) > before

    assert [sends(number) for number in (0, 1, 2)] == [True] * 3
    assert [sends(number) for number in (0, 1, 2, 0)] == [False] * 4
    assert sends(3)  # in place of 1
    assert [sends(number) for number in (0, 2, 3)] == [False] * 3
    assert sends(1)
    assert not isinstance(kept.of(Parcel.of(numpy.ones(4 * NUMBERS))), KeptValue)  # more than may be kept
    assert not sends(3)
    kept.clear()
    assert [sends(number) for number in (1, 2, 3)] == [True] * 3
