"""Is what a pipeline is made of kept as it was told, and told apart from another?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from chariots.op_store.decisions.shapes import Shape
from tests.op_store.support import query, version

SHAPE = Shape([query("scale", "code"), query("pca")], [("scale", "pca")])


def changed(position: int, **values: object) -> Shape:
    """The shape with another node at a position."""
    nodes = list(SHAPE.nodes)
    nodes[position] = replace(nodes[position], **values)
    return Shape(nodes, SHAPE.edges)


def test_a_shape_comes_back_from_json() -> None:
    assert Shape.from_json(SHAPE.as_json()) == SHAPE


def test_what_only_another_release_knows_of_a_node_is_left_out() -> None:
    described = SHAPE.as_json()
    for node in described["nodes"]:
        node["colour"] = "blue"
    assert Shape.from_json(described) == SHAPE


def test_a_node_of_an_older_release_gets_the_defaults() -> None:
    described = SHAPE.as_json()
    for node in described["nodes"]:
        del node["mismatch_on"]
    assert Shape.from_json(described) == SHAPE


@pytest.mark.parametrize(
    "same",
    [
        changed(0, version=str(version(created=7.0)), code_version=str(version(created=7.0))),
        changed(1, version=str(version("trained"))),
    ],
    ids=["made at another moment", "trained since"],
)
def test_shapes_that_ask_for_the_same_are_alike(same: Shape) -> None:
    assert same.is_like(SHAPE)


@pytest.mark.parametrize(
    "other",
    [
        changed(0, version=str(version("new code"))),
        changed(1, code_version=str(version("new code"))),
        changed(1, role="retrain"),
        changed(1, mismatch_on="minor"),
        Shape(SHAPE.nodes, []),
        Shape(SHAPE.nodes[:1], []),
    ],
    ids=["code", "class", "role", "strictness", "edges", "nodes"],
)
def test_shapes_that_ask_for_something_else_are_not(other: Shape) -> None:
    assert not other.is_like(SHAPE)


def test_only_what_is_loaded_can_be_promoted() -> None:
    roles = ("load", "optional", "retrain", "code")
    shape = Shape([query(role, role) for role in roles], [])
    assert shape.pinnable == ["load", "optional"]
