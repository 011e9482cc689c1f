"""Does a node that maps run its pipeline for each element, in order, and keep its ops as any other node does?"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse

from chariots.ml import MLMode
from chariots.op_store import OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import MapNode, Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.parallel import ThreadRunner
from chariots.pipelines.runners import SequentialRunner
from tests.ml.sample_ops import LogisticOp, ScalerOp
from tests.pipelines.sample_ops import AddOne, Constant, Counter, Double, Pair
from tests.pipelines.test_routing_nodes import NodeByNode

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"


class Invert(BaseOp):
    def execute(self, number):
        return 1 / number


class Rows(BaseOp):
    """Tells how many rows it got."""

    def execute(self, chunk):
        return [len(chunk)]


class Positive(BaseOp):
    def execute(self, chunk):
        return chunk[chunk > 0]


@pytest.fixture(params=[SequentialRunner, NodeByNode, lambda: ThreadRunner(max_workers=4)])
def run(request):
    return request.param().run


def mapping(op, **arguments):
    return Pipeline([MapNode(op, [INPUT], OUTPUT, **arguments)], "p")


# -- elements ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [[3, 1, 2], (3, 1, 2), range(3), [], [7], np.array([3, 1]), pd.Series([3, 1]), {1}],
    ids=lambda values: type(values).__name__,
)
def test_one_result_for_each_element_in_order(run, values):
    found = run(mapping(AddOne()), values)
    assert type(found) is list
    assert found == [value + 1 for value in values]


def test_a_generator_is_taken_apart(run):
    assert run(mapping(AddOne()), (number for number in range(1000))) == list(range(1, 1001))


def test_a_whole_pipeline_for_each_element(run):
    inner = Pipeline([Node(AddOne(), [INPUT], "x"), Node(Double(), ["x"], OUTPUT)], "inner")
    pipeline = Pipeline(
        [Node(Pair(), [INPUT], "pair"), MapNode(inner, ["pair"], "both"), MapNode(AddOne(), ["both"], OUTPUT)], "p"
    )
    assert run(pipeline, 3) == [9, -3]


def test_maps_within_maps_and_within_nested_pipelines(run):
    inner = Pipeline([MapNode(AddOne(), [INPUT], OUTPUT)], "inner")
    assert run(mapping(inner), [[1, 2], [], [3]]) == [[2, 3], [], [4]]
    assert run(Pipeline([Node(inner, [INPUT], OUTPUT)], "p"), [1, 2]) == [2, 3]


def test_the_list_can_be_split_over_outputs(run):
    pipeline = Pipeline([MapNode(Double(), [INPUT], ["x", "y"]), Node(AddOne(), ["x"], OUTPUT), Node(AddOne(), ["y"])],
                        "p")  # fmt: skip
    assert run(pipeline, [1, 2]) == 3


def test_a_pipeline_without_an_output_is_run_for_what_it_does(run):
    seen = []

    class Keep(BaseOp):
        def execute(self, value):
            seen.append(value)

    assert run(mapping(Pipeline([Node(Keep(), [INPUT])], "inner")), [1, 2]) == [None, None]
    assert sorted(seen) == [1, 2]


def test_an_error_names_the_element(run):
    with pytest.raises(ZeroDivisionError) as told:
        run(mapping(Invert()), [2, 1, 0, 4])
    notes = " | ".join(told.value.__notes__)
    assert "raised for element 2" in notes
    assert "raised in node 'invert' of pipeline 'p'" in notes


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        ("text", "put it into a list"),
        (b"bytes", "put it into a list"),
        ({"a": 1}, "list\\(mapping.items\\(\\)\\)"),
        (pd.DataFrame({"a": [1]}), "give the node a chunk_size"),
        (pa.table({"a": [1]}), "give the node a chunk_size"),
        (3, "something that can be iterated over"),
        (np.array(3), "something that can be iterated over"),
        (None, "something that can be iterated over"),
    ],
)
def test_what_has_no_elements_or_others_than_meant_is_refused(run, value, cure):
    with pytest.raises(TypeError, match=f"node 'addone' maps over the elements of its input, .*{cure}"):
        run(mapping(AddOne()), value)


# -- chunks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 10, 100])
def test_chunks_of_an_array_are_put_together(run, size):
    values = np.arange(20.0).reshape(10, 2)
    assert np.array_equal(run(mapping(AddOne(), chunk_size=size), values), values + 1)
    assert run(mapping(Rows(), chunk_size=size), values) == [min(size, 10 - i) for i in range(0, 10, size)]


@pytest.mark.parametrize("size", [1, 3, 10])
def test_chunks_of_frames_and_series_keep_their_index(run, size):
    frame = pd.DataFrame({"a": range(5), "b": 0.5}, index=list("vwxyz"))
    pd.testing.assert_frame_equal(run(mapping(AddOne(), chunk_size=size), frame), frame + 1)
    pd.testing.assert_series_equal(run(mapping(AddOne(), chunk_size=size), frame["a"]), frame["a"] + 1)
    counted = frame.reset_index(drop=True)[["a"]]
    pd.testing.assert_frame_equal(run(mapping(AddOne(), chunk_size=size), counted), counted + 1)


def test_rows_that_are_counted_anew_in_each_chunk_are_counted_through(run):
    class Afresh(BaseOp):
        def execute(self, chunk):
            return pd.DataFrame({"sum": chunk.to_numpy().sum(axis=1)})

    frame = pd.DataFrame({"a": range(5), "b": 1})
    pd.testing.assert_frame_equal(run(mapping(Afresh(), chunk_size=2), frame), pd.DataFrame({"sum": [1, 2, 3, 4, 5]}))


def test_a_chunk_may_give_more_or_fewer_rows(run):
    assert run(mapping(Positive(), chunk_size=2), np.array([-1, -2, 3, 4, -5, 6])).tolist() == [3, 4, 6]


def test_chunks_of_lists_generators_tables_and_sparse_matrices(run):
    twice = mapping(Double(), chunk_size=2)
    assert run(twice, [1, 2, 3]) == [1, 2, 1, 2, 3, 3]
    assert run(twice, (1, 2, 3)) == (1, 2, 1, 2, 3, 3)
    assert run(twice, (number for number in [1, 2, 3])) == [1, 2, 1, 2, 3, 3]

    class Same(BaseOp):
        def execute(self, chunk):
            return chunk

    same = mapping(Same(), chunk_size=2)
    table = pa.table({"a": [1, 2, 3]})
    assert run(same, table) == table
    matrix = scipy.sparse.random(5, 3, 0.5, format="csr", random_state=0)
    assert (run(same, matrix) != matrix).nnz == 0
    masked = np.ma.masked_array([1, 2, 3], mask=[False, True, False])
    assert run(same, masked).mask.tolist() == [False, True, False]


def test_without_rows_an_array_or_frame_is_one_chunk_and_a_list_is_none(run):
    added = run(mapping(AddOne(), chunk_size=3), np.empty((0, 2)))
    assert added.shape == (0, 2)
    frame = pd.DataFrame({"a": pd.Series([], dtype=float)})
    pd.testing.assert_frame_equal(run(mapping(AddOne(), chunk_size=3), frame), frame)
    assert run(mapping(AddOne(), chunk_size=3), []) == []
    assert run(mapping(AddOne(), chunk_size=3), iter([])) == []


def test_an_error_in_a_chunk_names_it(run):
    class Check(BaseOp):
        def execute(self, chunk):
            return [1 // number for number in chunk]

    with pytest.raises(ZeroDivisionError) as told:
        run(mapping(Check(), chunk_size=2), [1, 2, 3, 0, 5])
    notes = " | ".join(told.value.__notes__)
    assert "raised for element 1" in notes
    assert "an element of node 'check' is a chunk of 2 rows" in notes


@pytest.mark.parametrize("value", [3, "text", {"a": 1}, np.array(3)])
def test_what_has_no_rows_is_refused(run, value):
    with pytest.raises(TypeError, match="node 'rows' goes over the rows of its input"):
        run(mapping(Rows(), chunk_size=2), value)


def test_what_cannot_be_put_together_is_refused(run):
    class Sum(BaseOp):
        def execute(self, chunk):
            return sum(chunk)

    class Mixed(BaseOp):
        def execute(self, chunk):
            return chunk if chunk[0] else np.array(chunk)

    with pytest.raises(TypeError, match=r"node 'sum' was to put together what came of 2 chunks, .* type int"):
        run(mapping(Sum(), chunk_size=2), [1, 2, 3])
    with pytest.raises(TypeError, match="of the type list, ndarray"):
        run(mapping(Mixed(), chunk_size=1), [1, 0])


# -- what is built ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "arguments", "kind", "expected"),
    [
        (LogisticOp(MLMode.FIT), {}, ValueError, "it trains 'logisticop'"),
        (
            Pipeline([Node(ScalerOp(MLMode.FIT_PREDICT), [INPUT], OUTPUT)], "inner"), {}, ValueError,
            "node 'inner' would run pipeline 'inner' .* it trains 'scalerop'",
        ),
        (Pipeline([Node(Constant(), output_nodes=OUTPUT)], "inner"), {}, ValueError, "no node in it reads"),
        (Pipeline([Node(AddOne(), [INPUT])], "inner"), {"chunk_size": 2}, ValueError, "it has no output"),
        (AddOne(), {"chunk_size": 0}, ValueError, "chunk_size=0; give 1 row or more"),
        (AddOne(), {"chunk_size": 2.0}, TypeError, "chunk_size=2.0; give a number"),
        (AddOne(), {"chunk_size": True}, TypeError, "chunk_size=True"),
        (AddOne, {}, TypeError, "write Node\\(AddOne\\(\\), ...\\)"),
        (AddOne(), {"retries": -1}, ValueError, "retries=-1"),
    ],
)  # fmt: skip
def test_what_cannot_be_mapped_is_refused_when_it_is_made(op, arguments, kind, expected):
    with pytest.raises(kind, match=expected):
        MapNode(op, [INPUT], OUTPUT, **arguments)


def test_it_needs_a_runner():
    node = MapNode(AddOne(), [INPUT], OUTPUT)
    assert node.requires_runner
    with pytest.raises(ValueError, match="node 'addone' maps a pipeline and needs a runner"):
        node.execute([[1]])
    assert node.execute([[1]], SequentialRunner()) == [2]


def test_options_hold_for_the_node_as_a_whole(run):
    calls = []

    class Unsteady(BaseOp):
        def execute(self, number):
            calls.append(number)
            if len(calls) == 2:
                raise OSError("not now")
            return number

    assert run(mapping(Unsteady(), retries=1), [5]) == [5]
    assert run(mapping(Unsteady(), retries=1), [6]) == [6]
    assert calls == [5, 6, 6]


# -- ops inside -------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    return OpStoreServer(FileSaver(tmp_path / "ops"), f"sqlite:///{tmp_path}/db.sqlite").client()


def test_a_single_op_is_known_by_the_name_of_the_node(store):
    saved = Pipeline([MapNode(Counter(10), [INPUT], "x"), MapNode(Counter(5), ["x"], OUTPUT)], "p")
    assert [node.name for node in saved.pipeline_nodes] == ["counter", "counter_2"]
    saved.save(store)
    loaded = Pipeline([MapNode(Counter(), [INPUT], "x"), MapNode(Counter(), ["x"], OUTPUT)], "p").load(store)
    assert SequentialRunner().run(loaded, [1, 2]) == [16, 17]
    # In another pipeline it stands in a slot alone.
    alone = Pipeline([Node(Counter(), [INPUT], OUTPUT, name="counter_2")], "alone").load(store)
    assert SequentialRunner().run(alone, 1) == 6


def test_trained_apart_and_mapped_with(store):
    features, targets = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    train = Pipeline(
        [
            Node(Constant((features, targets)), output_nodes=["x", "y"]),
            Node(ScalerOp(MLMode.FIT_PREDICT), ["x"], "scaled"),
            Node(LogisticOp(MLMode.FIT), ["scaled", "y"]),
        ],
        "train",
    )
    SequentialRunner().run(train)
    train.save(store)
    inner = Pipeline(
        [Node(ScalerOp(MLMode.PREDICT), [INPUT], "s"), Node(LogisticOp(MLMode.PREDICT), ["s"], OUTPUT)], "inner"
    )
    pred = Pipeline([MapNode(inner, [INPUT], OUTPUT, chunk_size=3)], "pred")
    assert not pred.is_ready
    pred.load(store)
    assert SequentialRunner().run(pred, features).tolist() == [0, 0, 1, 1]
    assert {op.name for op in pred.ops} == {"scalerop", "logisticop"}
    assert not pred.trains


def test_a_copy_has_ops_of_its_own():
    pipeline = mapping(Counter(1))
    copy = pipeline.clone()
    copy.ops[0].learned = 100
    assert SequentialRunner().run(pipeline, [1]) == [2]
    assert SequentialRunner().run(copy, [1]) == [101]


def test_its_version_is_that_of_what_it_runs():
    node, other = MapNode(Double(), [INPUT], OUTPUT), MapNode(AddOne(), [INPUT], OUTPUT)
    assert node.node_version == MapNode(Double(), [INPUT], OUTPUT, chunk_size=3).node_version
    assert node.node_version != other.node_version


def test_making_one_imports_no_library_of_arrays():
    import subprocess

    code = (
        "import sys; from chariots.pipelines import Pipeline; from chariots.pipelines.nodes import MapNode;"
        "from chariots.pipelines.runners import SequentialRunner; from tests.pipelines.sample_ops import Double;"
        "p = Pipeline([MapNode(Double(), ['__pipeline_input__'], '__pipeline_output__', chunk_size=2)], 'p');"
        "assert SequentialRunner().run(p, [1, 2, 3]) == [1, 2, 1, 2, 3, 3];"
        "print([name for name in ('numpy', 'pandas', 'pyarrow', 'scipy') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
