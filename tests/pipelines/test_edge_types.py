"""Is an op that is certain to get what it does not take found when the pipeline is built, and nothing else refused?"""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chariots.ml import MLMode
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import ABTestNode, ConditionalNode, DataLoadingNode, DataSavingNode, MapNode, Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import SequentialRunner
from tests.ml.sample_ops import LogisticOp

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"


class Name(BaseOp):
    def execute(self, number) -> str:
        return str(number)


class Length(BaseOp):
    def execute(self, text: str) -> int:
        return len(text)


class Half(BaseOp):
    def execute(self, number: float) -> float:
        return number / 2


class Free(BaseOp):
    def execute(self, value):
        return value


class Both(BaseOp):
    def execute(self, value) -> tuple[int, str]:
        return 1, "one"


class Join(BaseOp):
    def execute(self, number: int, text: str, separator: str = "-") -> str:
        return f"{number}{separator}{text}"


class Anything(BaseOp):
    def execute(self, first: str, *others: Any) -> str:
        return first


class Nothing(BaseOp):
    def execute(self, value) -> None:
        pass


class Frame(BaseOp):
    def execute(self, value) -> pd.DataFrame:
        return pd.DataFrame({"a": [value]})


class Array(BaseOp):
    def execute(self, array: np.ndarray) -> np.ndarray:
        return array


class Texts(BaseOp):
    def execute(self, value) -> list[str]:
        return [str(value)]


class Unresolved(BaseOp):
    def execute(self, value: "Missing") -> "Missing":  # noqa: F821, UP037  # it is known to nobody
        return value


def two(first, second, **names):
    """A pipeline of two ops, one after the other."""
    return Pipeline([Node(first, [INPUT], "x", name="a"), Node(second, ["x"], OUTPUT, name="b")], "p")


def message(*nodes):
    """What is said when the pipeline is built."""
    with pytest.raises(ValueError) as told:  # the callers look at the message
        Pipeline(list(nodes), "p")
    return str(told.value)


def test_the_message_names_both_nodes_their_ops_and_the_parameter():
    told = message(Node(Name(), [INPUT], "x", name="a"), Node(Half(), ["x"], OUTPUT, name="b"))
    assert told == (
        "in pipeline 'p', node 'b' (Half.execute, parameter 'number') takes float, but reads 'x', which node 'a' "
        "(Name.execute) returns as str; correct one of the hints, or convert it in a node between"
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Name(), Length()),
        (Name(), Free()),
        (Free(), Length()),
        (Length(), Half()),
        (Unresolved(), Half()),
        (Name(), Unresolved()),
        (Name(), Anything()),
        (Frame(), Free()),
    ],
    ids=lambda op: op.name,
)
def test_what_fits_or_says_nothing_is_free(first, second):
    two(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [(Length(), Length()), (Nothing(), Length()), (Frame(), Array()), (Texts(), Length()), (Half(), Anything())],
    ids=lambda op: op.name,
)
def test_what_does_not_fit_is_refused(first, second):
    with pytest.raises(ValueError, match=r"in pipeline 'p', node 'b' .* takes .*, but reads 'x', which node 'a' .*"):
        two(first, second)


def test_only_the_edge_that_is_wrong_counts_among_many_of_the_same_classes():
    nodes = [Node(Name(), [INPUT], "text", name="name"), Node(Length(), ["text"], "n0", name="l0")]
    nodes += [Node(Half(), [f"n{i}"], f"n{i + 1}", name=f"h{i}") for i in range(50)]
    wrong = Node(Length(), ["n50"], OUTPUT, name="last")
    assert "node 'last' (Length.execute, parameter 'text') takes str, but reads 'n50'" in message(*nodes, wrong)
    assert "node 'h49'" in message(wrong, *reversed(nodes))
    Pipeline([*nodes, Node(Free(), ["n50"], OUTPUT, name="last")], "p")


def test_the_parts_of_a_tuple_have_types_of_their_own():
    both = Node(Both(), [INPUT], ["number", "text"], name="both")
    Pipeline([both, Node(Join(), ["number", "text"], OUTPUT, name="join")], "p")
    told = message(both, Node(Join(), ["text", "number"], OUTPUT, name="join"))
    assert "node 'join' (Join.execute, parameter 'number') takes int, but reads 'text'" in told
    assert "node 'both' (Both.execute) returns as str" in told


@pytest.mark.parametrize(
    ("op", "outputs", "cure"),
    [(Both(), ["a", "b", "c"], "has 3 outputs, but"), (Length(), ["a", "b"], "name one output")],
)
def test_what_cannot_be_split_is_refused(op, outputs, cure):
    node = Node(op, [INPUT], outputs, name="both")
    told = message(node, *[Node(Free(), [name], name=f"free_{name}") for name in outputs])
    assert "node 'both' has" in told
    assert cure in told


def test_a_list_can_be_split():
    Pipeline([Node(Texts(), [INPUT], ["a", "b"]), Node(Anything(), ["a", "b"], OUTPUT)], "p")
    told = message(Node(Texts(), [INPUT], ["a", "b"]), Node(Join(), ["a", "b"], OUTPUT))
    assert "parameter 'number') takes int, but reads 'a'" in told


# -- how many arguments -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["a"], "node 'join' reads 1 value, but Join.execute(number, text, separator) takes 2 to 3; correct the "),
        (["a", "b", "c", "d"], "node 'join' reads 4 values, but Join.execute(number, text, separator) takes 2 to 3"),
        ([], "node 'join' reads 0 values, but"),
    ],
)
def test_a_number_of_arguments_that_the_op_does_not_take_is_refused(inputs, expected):
    nodes = [Node(Free(), [INPUT], name, name=f"make_{name}") for name in inputs]
    assert expected in message(*nodes, Node(Join(), inputs, OUTPUT, name="join"))


def test_defaults_and_any_number_of_arguments_are_taken_into_account():
    three = [Node(Free(), [INPUT], name, name=f"make_{name}") for name in "abc"]
    Pipeline([*three, Node(Join(), ["a", "b", "c"], OUTPUT)], "p")
    Pipeline([*three, Node(Anything(), ["a", "b", "c"], OUTPUT)], "p")
    assert "takes 1 or more" in message(Node(Anything(), [], OUTPUT))


def test_a_parameter_that_no_node_can_fill():
    class Named(BaseOp):
        def execute(self, value, *, by):
            return value

    told = message(Node(Named(), [INPUT], OUTPUT))
    assert "node 'named' cannot call Named.execute, whose parameter 'by' has to be given by name" in told


def test_nodes_that_read_one_value_and_not_two(tmp_path):
    two_values = [Node(Free(), [INPUT], "a", name="first"), Node(Free(), [INPUT], "b", name="second")]
    saving = DataSavingNode(tmp_path / "x.json", ["a", "b"], OUTPUT)
    assert "node 'x' reads 2 values, and a DataSavingNode reads 1" in message(*two_values, saving)
    assert "node 'free' reads 0 values, and a MapNode reads 1" in message(MapNode(Free(), [], OUTPUT))
    assert "which takes one" in message(*two_values, MapNode(Free(), ["a", "b"], OUTPUT))


# -- ops that hold or choose ops --------------------------------------------------------------------------------------


def nested(*ops):
    names = [INPUT, *[f"v{i}" for i in range(len(ops) - 1)], OUTPUT]
    steps = [Node(op, [names[i]], names[i + 1], name=f"inner{i}") for i, op in enumerate(ops)]
    return Pipeline(steps, "nested")


def test_a_nested_pipeline_takes_and_gives_what_its_ends_do():
    two(nested(Free(), Name()), nested(Length(), Half()))
    told = message(Node(nested(Name(), Length()), [INPUT], "x", name="a"), Node(Length(), ["x"], OUTPUT, name="b"))
    assert "which node 'inner1' (Length.execute) returns as int" in told
    told = message(Node(Half(), [INPUT], "x", name="a"), Node(nested(Length()), ["x"], OUTPUT, name="b"))
    assert "node 'inner0' (Length.execute, parameter 'text') takes str, but reads 'x', which node 'a' (Half" in told


def test_each_op_among_which_a_node_chooses_counts():
    def choosing(inputs, outputs):
        by = {"name": "choice", "key": lambda value: "length"}
        return ConditionalNode({"length": Length(), "half": Half()}, inputs, outputs, **by)

    told = message(Node(Name(), [INPUT], "x", name="a"), choosing(["x"], OUTPUT))
    assert "node 'half' (Half.execute, parameter 'number') takes float" in told
    told = message(choosing([INPUT], "x"), Node(Length(), ["x"], OUTPUT, name="b"))
    assert "node 'b' (Length.execute, parameter 'text') takes str" in told
    told = message(ABTestNode({"a": Free(), "b": Join()}, [INPUT], OUTPUT, name="choice"))
    assert "node 'join' reads 1 value, but" in told


def test_a_node_that_maps_takes_and_gives_elements():
    Pipeline([Node(Texts(), [INPUT], "x"), MapNode(Length(), ["x"], "y"), MapNode(Half(), ["y"], OUTPUT)], "p")
    told = message(Node(Texts(), [INPUT], "x", name="a"), MapNode(Half(), ["x"], OUTPUT, name="b"))
    assert "node 'b' (Half.execute, parameter 'number') takes collections.abc.Iterable[float]" in told
    assert "returns as list[str]" in told
    told = message(MapNode(Length(), [INPUT], "x", name="a"), Node(Length(), ["x"], OUTPUT, name="b"))
    assert "returns as list[int]" in told
    told = message(Node(Length(), [INPUT], "x", name="a"), MapNode(Length(), ["x"], OUTPUT, name="b"))
    assert "Iterable[str]" in told


def test_a_node_that_maps_over_chunks_takes_and_gives_the_same_kind():
    Pipeline([Node(Array(), [INPUT], "x", name="a"), MapNode(Array(), ["x"], OUTPUT, name="b", chunk_size=2)], "p")
    told = message(Node(Frame(), [INPUT], "x", name="a"), MapNode(Array(), ["x"], OUTPUT, name="b", chunk_size=2))
    assert "parameter 'array') takes numpy.ndarray" in told


# -- what nobody can be certain of ------------------------------------------------------------------------------------


def test_decorated_functions_and_own_ways_to_be_called_are_free():
    def counted(function):
        @functools.wraps(function)
        def wrapper(self, *args):
            return [function(self, *args, 1)]

        return wrapper

    class Decorated(BaseOp):
        @counted
        def execute(self, text: str, count: int) -> str:
            return text

    class Adapting(BaseOp):
        def execute(self, text: str, count: int) -> str:
            return text

        def execute_with_all_callbacks(self, args):
            return self.execute(str(args[0]), 2)

    class Doubling(Node):
        def execute(self, params, runner=None):
            return self.op.execute(str(params[0]), 2)

    class Static(BaseOp):
        @staticmethod
        def execute(text):
            return text

    class Later(BaseOp):
        async def execute(self, text) -> int:
            return 1

    Pipeline([Node(Length(), [INPUT], "x"), Node(Decorated(), ["x"], "y"), Node(Half(), ["y"], OUTPUT)], "p")
    assert SequentialRunner().run(two(Length(), Adapting()), "abc") == "3"
    node = Doubling(Adapting(), ["x"], OUTPUT)
    assert SequentialRunner().run(Pipeline([Node(Length(), [INPUT], "x"), node], "p"), "abc") == "3"
    two(Length(), Static())
    two(Later(), Length())


def test_an_op_object_with_an_execute_of_its_own_is_free():
    op = Length()
    op.execute = lambda number: "it"
    assert SequentialRunner().run(two(Length(), op), "abc") == "it"


def test_ops_of_scikit_learn_take_what_their_mode_asks_for():
    Pipeline([Node(Both(), [INPUT], ["x", "y"]), Node(LogisticOp(MLMode.FIT), ["x", "y"])], "p")
    Pipeline([Node(LogisticOp(MLMode.PREDICT), [INPUT], OUTPUT)], "p")


def test_the_input_of_the_pipeline_is_of_no_type():
    Pipeline([Node(Length(), [INPUT], OUTPUT)], "p")


def test_data_nodes_are_of_no_type(tmp_path):
    loading = DataLoadingNode(tmp_path / "x.json", output_nodes="x")
    saving = DataSavingNode(tmp_path / "y.json", ["n"], "m", name="y")
    Pipeline([loading, Node(Length(), ["x"], "n"), saving, Node(Half(), ["m"], OUTPUT)], "p")


def test_a_long_chain_of_typed_ops_is_checked_without_recursion():
    count = 20_000
    nodes = [Node(Half(), [f"v{i}" if i else INPUT], f"v{i + 1}", name=f"n{i}") for i in range(count)]
    Pipeline([*nodes, Node(Free(), [f"v{count}"], OUTPUT)], "p")
    assert re.search("node 'end' .*takes str", message(*nodes, Node(Length(), [f"v{count}"], OUTPUT, name="end")))
