"""Which whole set of versions does somebody mean who names some of them, or none?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from chariots.errors import ConflictError, InputError, VersionError
from chariots.op_store.decisions.shapes import Shape
from chariots.pipelines.refusal_text import refused_load
from chariots.pipelines.store import NodeQuery, Resolution

__all__ = ["Resolve", "fitting", "not_described", "pins_for"]

Resolve: TypeAlias = Callable[
    [str, Sequence[NodeQuery], Sequence[tuple[str, str]], Mapping[str, int] | None], Resolution
]


def not_described(pipeline: str, asked: str) -> ConflictError:
    """The failure of choosing versions for a pipeline of which nothing is known but its name.

    Args:
        pipeline: the name of the pipeline.
        asked: what was to be done.
    """
    return ConflictError(
        f"{asked}, but nothing in the op store says what pipeline {pipeline!r} is made of; start a server that serves "
        "it with this store, or name the version of every node"
    )


def pins_for(shape: Shape, pipeline: str, versions: Mapping[str, int], *, exact: bool) -> dict[str, int]:
    """Checks the nodes that somebody named.

    Args:
        shape: what the pipeline is made of.
        pipeline: its name, for the message.
        versions: the number of the version of each node.
        exact: whether a node that is not in the pipeline is a mistake; if not, it is left out: another set was taken,
            and the code has changed since.

    Returns:
        the versions to choose the others around.

    Raises:
        UnknownNameError: if there is no such node.
        InputError: if a node runs with no saved version.
    """
    pinnable = set(shape.pinnable)
    if not exact:
        return {node: version for node, version in versions.items() if node in pinnable}
    for name in versions:
        role = shape.node(name, pipeline, "promoted").role
        if name not in pinnable:
            why = "it holds code alone" if role == "code" else "it will learn again"
            raise InputError(
                f"node {name!r} of pipeline {pipeline!r} was to be promoted, but no saved version of it is loaded, for "
                f"{why}; leave it out",
                errors=[{"loc": ["versions", name], "expected": "a node that loads", "got": role}],
            )
    return dict(versions)


def fitting(
    resolve: Resolve, pipeline: str, shape: Shape | None, pins: Mapping[str, int]
) -> tuple[dict[str, int], VersionError | None]:
    """Completes a set of versions with the newest that fit.

    Args:
        resolve: chooses versions.
        pipeline: the name of the pipeline.
        shape: what it is made of, if that is known.
        pins: the number of the version of some of its nodes.

    Returns:
        the number of the version of every node that has one to load, and why newer ones were left out, if there are.

    Raises:
        VersionError: if no versions fit.
        ConflictError: if there is nothing to choose from.
    """
    if shape is None:
        if pins:
            return dict(pins), None  # nothing is known to check them against; whoever loads them does
        raise not_described(pipeline, f"the newest versions of pipeline {pipeline!r} were to be promoted")
    found = resolve(pipeline, shape.nodes, shape.edges, pins)
    if found.problems:
        raise refused_load(pipeline, found)
    after = {node: found.versions[node].id for node in shape.pinnable if node in found.versions}
    if not after:
        raise ConflictError(
            f"pipeline {pipeline!r} was to be promoted, but none of its nodes has a saved version to run with: it "
            "holds code alone, or ops that learn anew; promote the pipeline that predicts"
        )
    return after, refused_load(pipeline, found, is_newer=True) if found.passed_over else None
