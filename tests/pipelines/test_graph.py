"""Building pipelines: references, order, names, and every mistake a user can make."""

from __future__ import annotations

import pytest

from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import BaseNode, Node, NodeReference, ReservedNodes
from chariots.pipelines.runners import SequentialRunner
from tests.pipelines.sample_ops import Add, AddOne, Constant, Double, IsOdd, Pair

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"


def run(nodes, value=None):
    return SequentialRunner().run(Pipeline(nodes, "tested"), value)


def test_a_chain_by_output_names():
    assert run([Node(AddOne(), [INPUT], ["added"]), Node(IsOdd(), ["added"], [OUTPUT])], 4) is True


def test_outputs_and_inputs_may_be_given_without_a_list():
    assert run([Node(AddOne(), INPUT, "added"), Node(IsOdd(), "added", OUTPUT)], 4) is True


def test_reserved_nodes_may_be_given_as_members():
    nodes = [Node(AddOne(), [ReservedNodes.pipeline_input], ReservedNodes.pipeline_output)]
    assert run(nodes, 4) == 5


def test_a_node_object_stands_for_its_only_output():
    first = Node(AddOne(), [INPUT])
    assert run([first, Node(Double(), [first], OUTPUT)], 4) == 10


def test_a_node_name_stands_for_its_only_output():
    assert run([Node(AddOne(), [INPUT]), Node(Double(), ["addone"], OUTPUT)], 4) == 10


def test_a_node_reference_stands_for_one_output_of_several():
    pair = Node(Pair(), [INPUT], ["plus", "minus"])
    minus = pair.output_references[1]
    assert minus == NodeReference(pair, "minus")
    assert run([pair, Node(Add(), [minus, "plus"], OUTPUT)], 4) == 0


def test_an_output_may_be_sent_to_a_node_object():
    last = Node(Double(), output_nodes=OUTPUT)
    assert run([Node(AddOne(), [INPUT], [last]), last], 1) == 4


def test_branches_join():
    nodes = [
        Node(Pair(), [INPUT], ["plus", "minus"]),
        Node(Double(), ["plus"], "doubled"),
        Node(Add(), ["doubled", "minus"], OUTPUT),
    ]
    assert run(nodes, 3) == 3


def test_one_output_feeds_several_nodes():
    nodes = [
        Node(AddOne(), [INPUT], "x"),
        Node(Double(), ["x"], "a"),
        Node(AddOne(), ["x"], "b", name="again"),
        Node(Add(), ["a", "b"], "c"),
        Node(Add(), ["c", "x"], OUTPUT, name="total"),
    ]
    assert run(nodes, 1) == 4 + 3 + 2


def test_an_input_may_be_read_twice_by_one_node():
    assert run([Node(Add(), [INPUT, INPUT], OUTPUT)], 3) == 6


def test_nodes_may_be_given_in_any_order():
    nodes = [
        Node(IsOdd(), ["doubled"], OUTPUT),
        Node(Double(), ["added"], "doubled"),
        Node(AddOne(), [INPUT], "added"),
    ]
    pipeline = Pipeline(nodes, "reversed")
    assert [node.name for node in pipeline.pipeline_nodes] == ["addone", "double", "isodd"]
    assert SequentialRunner().run(pipeline, 1) is False


def test_the_given_order_is_kept_where_it_can_run():
    nodes = [
        Node(Constant(1), output_nodes="b", name="second"),
        Node(Constant(1), output_nodes="a", name="first"),
    ]
    pipeline = Pipeline([*nodes, Node(Add(), ["a", "b"], OUTPUT)], "kept")
    assert [node.name for node in pipeline.pipeline_nodes] == ["second", "first", "add"]


def test_the_second_node_of_one_op_class_gets_a_suffix():
    pipeline = Pipeline(
        [Node(AddOne(), [INPUT], "x"), Node(AddOne(), ["x"], "y"), Node(AddOne(), ["y"], OUTPUT)], "twice"
    )
    assert list(pipeline.node_for_name) == ["addone", "addone_2", "addone_3"]
    assert SequentialRunner().run(pipeline, 0) == 3


def test_nodes_can_be_named():
    node = Node(AddOne(), [INPUT], OUTPUT, name="increment")
    assert Pipeline([node], "named").node_for_name == {"increment": node}


def test_building_changes_nothing_of_the_callers():
    first, second = Node(AddOne(), [INPUT], "x"), Node(AddOne(), ["x"], OUTPUT)
    nodes = [second, first]
    before = [(node.name, list(node.input_nodes), list(node.output_nodes)) for node in nodes]
    for name in ("one", "two"):
        Pipeline(nodes, name)
    assert nodes == [second, first]
    assert [(node.name, list(node.input_nodes), list(node.output_nodes)) for node in nodes] == before


def test_an_unrenamed_node_is_the_callers_own():
    node = Node(AddOne(), [INPUT], OUTPUT)
    assert Pipeline([node], "same").pipeline_nodes == [node]


def test_links_are_pairs_of_nodes():
    first, second = Node(AddOne(), [INPUT], "x"), Node(Double(), ["x"], OUTPUT)
    assert Pipeline([first, second], "linked").get_all_op_links() == [(first, second)]


def test_symbolic_references_are_replaced_in_a_copy():
    producer, reader = Node(AddOne(), [INPUT], "x"), Node(Double(), ["x", INPUT], OUTPUT)
    resolved = reader.replace_symbolic_references({"x": producer.output_references[0]})
    assert resolved.input_nodes == [NodeReference(producer, "x"), ReservedNodes.pipeline_input.reference]
    assert reader.input_nodes == ["x", INPUT]


def test_symbolic_references_refuse_a_node_with_several_outputs():
    pair = Node(Pair(), [INPUT], ["a", "b"])
    with pytest.raises(ValueError, match=r"'addone' reads node 'pair', which has 2 outputs.*'a', 'b'"):
        Node(AddOne(), [pair]).replace_symbolic_references({})


class SubPair(Pair):
    pass


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            lambda: [Node(AddOne(), [INPUT], "x_pca"), Node(IsOdd(), ["x_pac"], OUTPUT)],
            r"node 'isodd' reads 'x_pac', which nothing produces\. Did you mean 'x_pca'\?",
        ),
        (
            lambda: [Node(AddOne(), ["b"], "a"), Node(Double(), ["a"], "b")],
            r"cycle: (addone -> double -> addone|double -> addone -> double)",
        ),
        (lambda: [Node(AddOne(), ["a"], "a")], r"cycle: addone -> addone"),
        (
            lambda: [Node(AddOne(), [INPUT], "a"), Node(Double(), [INPUT], "a")],
            r"'addone' and 'double' both produce 'a'",
        ),
        (
            lambda: [Node(AddOne(), [INPUT], OUTPUT), Node(Double(), [INPUT], OUTPUT)],
            r"both 'addone' and 'double' write '__pipeline_output__'",
        ),
        (
            lambda: [Node(Pair(), [INPUT], ["plus", "minus"]), Node(AddOne(), ["plus"], OUTPUT)],
            r"output 'minus' of node 'pair' is never read",
        ),
        (lambda: [Node(AddOne(), [INPUT], INPUT)], r"'addone' writes '__pipeline_input__'"),
        (lambda: [Node(AddOne(), [OUTPUT], "x")], r"'addone' reads '__pipeline_output__'"),
        (
            lambda: [Node(Pair(), [INPUT], ["a", "b"]), Node(Add(), ["pair", "a"], OUTPUT)],
            r"'add' reads node 'pair', which has several outputs",
        ),
        (
            lambda: [Node(AddOne(), [Node(Double(), [INPUT])], OUTPUT)],
            r"'addone' reads node 'double', which is not among the pipeline's nodes",
        ),
        (
            lambda: [Node(AddOne(), [INPUT], [Node(Double())])],
            r"'addone' sends its output .* to a node that is not among",
        ),
        (
            lambda: [Node(AddOne(), [INPUT], "x", name="n"), Node(Double(), ["x"], OUTPUT, name="n")],
            "two nodes are named 'n'",
        ),
    ],
)
def test_a_graph_mistake_names_node_and_reference(nodes, message):
    with pytest.raises(ValueError, match=message):
        Pipeline(nodes(), "wrong")


def test_the_same_node_object_twice_is_refused():
    node = Node(AddOne(), [INPUT], OUTPUT)
    with pytest.raises(ValueError, match="same node object 'addone' stands twice"):
        Pipeline([node, node], "wrong")


def test_an_op_without_a_node_is_refused():
    with pytest.raises(TypeError, match=r"element 0 is .*wrap an op as Node\(op"):
        Pipeline([AddOne()], "wrong")


def test_an_op_class_in_place_of_an_op_is_refused():
    with pytest.raises(TypeError, match=r"write Node\(AddOne\(\), \.\.\.\)"):
        Node(AddOne, [INPUT])


def test_an_input_that_is_no_reference_is_refused():
    with pytest.raises(TypeError, match="inputs and outputs of a node are names"):
        Node(AddOne(), [3])


@pytest.mark.parametrize("name", ["", "a/b", "..", "a?b", "a\0b", 3])
def test_a_name_that_does_not_fit_into_a_url_is_refused(name):
    with pytest.raises(ValueError, match="cannot be named"):
        Pipeline([], name)


def test_a_node_of_ones_own_needs_four_members():
    class Literal(BaseNode):
        name = "literal"
        node_version = Double().op_version

        def execute(self, *params):
            return sum(params, 40)

        def load_latest_version(self, store_to_look_in):
            return self

    own = Literal([INPUT], "x")
    assert run([own, Node(AddOne(), ["x"], OUTPUT)], 1) == 42
    assert (own.is_loadable, own.requires_runner, own.require_saver, own.persist(None)) == (
        False,
        False,
        False,
        None,
    )
    with pytest.raises(TypeError, match="abstract"):
        BaseNode()


def test_a_long_chain_builds_and_runs_without_recursion():
    op = AddOne()
    nodes = [Node(op, [INPUT], "v0", name="n0")]
    nodes.extend(Node(op, [f"v{i}"], f"v{i + 1}", name=f"n{i + 1}") for i in range(99_999))
    nodes.append(Node(op, ["v99999"], OUTPUT, name="last"))
    assert SequentialRunner().run(Pipeline(nodes, "long"), 0) == 100_001
