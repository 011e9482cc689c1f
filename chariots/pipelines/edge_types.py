"""Does every node get what its op takes, as far as the type hints of the ops say?

Asked once, when a pipeline is built, and for each pair of op classes only once. Refused is what is certain to be wrong:
a number of arguments that the signature does not take, and a value whose hint leaves nothing that the parameter would
take (`may_pass`). Whatever says nothing is free, and nothing here is asked while a pipeline runs.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product, repeat
from operator import attrgetter
from types import FunctionType, GenericAlias
from typing import TYPE_CHECKING, Any

from chariots.pipelines.base_node import BaseNode, laid_out
from chariots.pipelines.hint_overlap import may_pass
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.schema.signatures import Parameter, parameter_hints, return_hint

if TYPE_CHECKING:
    from chariots.pipelines.graph import Graph
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["check_edges"]

_op_of_node = attrgetter("_op")  # half the time of the property
_MOST_SIGNATURES = 4096  # that are kept for the next pipeline


@dataclass(frozen=True, slots=True)
class _Signature:
    """What the ``execute`` of an op class takes and gives.

    Attributes:
        parameters: those that a node can fill.
        takes_more: whether it takes any number of arguments behind them.
        unmet: those that no node can fill, and that have no default.
        gives: the hint of what it returns; ``Any`` where there is none.
    """

    parameters: tuple[Parameter, ...]
    takes_more: bool
    unmet: tuple[str, ...]
    gives: Any

    @property
    def required(self) -> int:
        """How many arguments it has to get."""
        return sum(not parameter.has_default for parameter in self.parameters)

    def takes(self, count: int) -> bool:
        """Whether it can be called with so many arguments."""
        return not self.unmet and self.required <= count and (self.takes_more or count <= len(self.parameters))


@dataclass(frozen=True, slots=True)
class _End:
    """One end of an edge: what is handed over there, or taken.

    Attributes:
        where: the node and op, for the message.
        hint: its type hint.
        op: the op.
    """

    where: str
    hint: Any
    op: BaseOp | None


def check_edges(graph: Graph, pipeline_name: str) -> None:
    """Refuses a graph in which an op is certain to get what it does not take.

    Args:
        graph: the graph.
        pipeline_name: for the messages.

    Raises:
        ValueError: if one does; the message names the nodes, the op classes and the parameter.
    """
    where = f"in pipeline {pipeline_name!r}"
    nodes, inputs = graph.nodes, graph.inputs
    node_kinds = set(map(type, nodes))
    ops = map(_op_of_node, nodes) if node_kinds == {Node} else map(getattr, nodes, repeat("_op"), repeat(None))
    kinds: list[type] = list(map(type, ops))
    op_kinds, counts = set(kinds), set(map(len, inputs))
    if not all(_surely_takes(*one) for one in product(node_kinds, op_kinds, counts)):
        _check_counts(graph, kinds, where)
    is_plain = all(_is_plain(*pair) for pair in product(node_kinds, op_kinds))
    if is_plain and all(_gives_nothing_certain(*pair) for pair in product(node_kinds, op_kinds)):
        return  # nobody says what is handed over
    _check_types(graph, kinds, is_plain, where)


def _surely_takes(node_kind: type[BaseNode], kind: type, count: int) -> bool:
    """Whether it is certain of the classes alone that nothing is wrong with so many inputs of a node."""
    if node_kind.arity is not None:
        return count == node_kind.arity
    if not issubclass(node_kind, Node):
        return False  # it may hold ops of any class
    signature = _signature(node_kind, kind)
    return signature is None or signature.takes(count)


def _check_counts(graph: Graph, kinds: list[type], where: str) -> None:
    sure: dict[Any, bool] = {}
    for node, kind, reads in zip(graph.nodes, kinds, graph.inputs, strict=True):
        count = len(reads)
        known = type(node), kind, count
        if known not in sure:
            sure[known] = _surely_takes(*known)
        if sure[known]:
            continue
        if node.arity not in (None, count):
            raise ValueError(
                f"{where}, node {node.name!r} reads {_counted(count)}, and a {type(node).__name__} reads {node.arity}; "
                "join them in a node before it, or name the one"
            )
        for one in laid_out([node]):
            if isinstance(one, Node) and not _has_own_execute(one.op):
                signature = _signature(type(one), type(one.op))
                if signature is not None and not signature.takes(count):
                    raise ValueError(f"{where}, {_count_message(one, count, signature)}")


def _count_message(node: Node, count: int, signature: _Signature) -> str:
    called = f"{type(node.op).__name__}.execute"
    if signature.unmet:
        return (
            f"node {node.name!r} cannot call {called}, whose parameter {signature.unmet[0]!r} has to be given by name, "
            "which no node does; give it a default, or take it by position"
        )
    names = [parameter.name for parameter in signature.parameters] + ["*args"] * signature.takes_more
    least, most = signature.required, len(signature.parameters)
    bounds = f"{least} or more" if signature.takes_more else str(most) if least == most else f"{least} to {most}"
    return (
        f"node {node.name!r} reads {_counted(count)}, but {called}({', '.join(names)}) takes {bounds}; correct the "
        "input_nodes of the node, or the parameters of the op"
    )


def _check_types(graph: Graph, kinds: list[type], is_plain: bool, where: str) -> None:
    """Checks each edge that is like no other before; goes through whole lists at once where that can be."""
    inputs = graph.inputs
    # What an edge is known again by: the classes of the ops; a node that holds several ops is known by itself.
    ends: Sequence[Any] = kinds
    if not is_plain:
        pairs = zip(graph.nodes, kinds, strict=True)
        ends = [kind if _is_plain(type(node), kind) else id(node) for node, kind in pairs]
    given: list[Any] = [None, *[ends[producer] for producer in graph.producers[1:]]]  # the input is of no type
    if max(map(len, graph.outputs), default=0) > 1:
        _tell_parts_apart(graph, ends, given, where)
    sources = list(map(given.__getitem__, [reads[0] if reads else 0 for reads in inputs]))
    unlike = {pair for pair in set(zip(sources, ends, strict=True)) if pair[0] is not None}
    for position, pair in enumerate(zip(sources, ends, strict=True)) if unlike else ():
        if pair in unlike:
            _check_edge(graph, position, 0, where)
            unlike.discard(pair)
            if not unlike:
                break
    done: set[Any] = set()
    for position, reads in enumerate(inputs) if max(map(len, inputs), default=0) > 1 else ():
        for argument in range(1, len(reads)):
            edge = given[reads[argument]], ends[position], argument
            if edge not in done and edge[0] is not None:
                done.add(edge)
                _check_edge(graph, position, argument, where)


def _tell_parts_apart(graph: Graph, ends: Sequence[Any], given: list[Any], where: str) -> None:
    """Checks that what is split over several outputs can be, and notes for each of them which part it is."""
    done: set[Any] = set()
    for position, writes in enumerate(graph.outputs):
        if len(writes) > 1:
            for index, value in enumerate(writes):
                given[value] = ends[position], index, len(writes)
            if (ends[position], len(writes)) not in done:
                done.add((ends[position], len(writes)))
                _check_split(graph.nodes[position], len(writes), where)


def _check_edge(graph: Graph, position: int, argument: int, where: str) -> None:
    wanted = [end for end in _taken(graph.nodes[position], argument) if end.hint is not Any]
    value = graph.inputs[position][argument]
    writes = graph.outputs[graph.producers[value]]
    for given in _returned(graph.nodes[graph.producers[value]]) if wanted else ():
        hint = _part_of(given.hint, writes.index(value), len(writes))
        for end in wanted:
            if may_pass(hint, end.hint) or _has_own_execute(given.op) or _has_own_execute(end.op):
                continue
            raise ValueError(
                f"{where}, {end.where} takes {_shown(end.hint)}, but reads {graph.labels[value]!r}, which "
                f"{given.where} returns as {_shown(hint)}; correct one of the hints, or convert it in a node between"
            )


def _check_split(node: BaseNode, count: int, where: str) -> None:
    for given in _returned(node):
        found = _length(given.hint)
        if may_pass(given.hint, tuple[Any, ...] | list[Any]) and found in (None, count):
            continue
        if not _has_own_execute(given.op):
            raise ValueError(
                f"{where}, node {node.name!r} has {count} outputs, but {given.where} returns {_shown(given.hint)}; "
                f"return a tuple of {count}, correct the hint, or name {'one output' if found is None else found}"
            )


# -- what the ends of an edge say -------------------------------------------------------------------------------------


def _taken(node: BaseNode, argument: int) -> Iterator[_End]:
    """What is asked of one argument of a node: once for each op that gets it."""
    for one in laid_out([node]):
        nested = one.nested if isinstance(one, Node) else None
        if isinstance(one, Node) and nested is not None:
            for reader, at in nested.nodes_reading_input:
                for end in _taken(reader, at):
                    yield end if one.hands_on else _End(end.where, GenericAlias(Iterable, (end.hint,)), end.op)
        elif isinstance(one, Node):
            signature = _signature(type(one), type(one.op))
            if signature is not None and argument < len(signature.parameters):
                parameter = signature.parameters[argument]
                where = f"node {one.name!r} ({type(one.op).__name__}.execute, parameter {parameter.name!r})"
                yield _End(where, parameter.hint, one.op)


def _returned(node: BaseNode) -> Iterator[_End]:
    """What a node returns, as a whole: once for each op that may have made it."""
    for one in laid_out([node]):
        nested = one.nested if isinstance(one, Node) else None
        if isinstance(one, Node) and nested is not None:
            for end in _output_of(nested):
                yield end if one.hands_on else _End(end.where, GenericAlias(list, (end.hint,)), end.op)
        elif isinstance(one, Node):
            signature = _signature(type(one), type(one.op))
            if signature is not None and signature.gives is not Any:
                yield _End(f"node {one.name!r} ({type(one.op).__name__}.execute)", signature.gives, one.op)


def _output_of(pipeline: Pipeline) -> Iterator[_End]:
    graph = pipeline.graph
    if graph.output_value is not None:
        producer = graph.producers[graph.output_value]
        writes = graph.outputs[producer]
        for end in _returned(graph.nodes[producer]):
            yield _End(end.where, _part_of(end.hint, writes.index(graph.output_value), len(writes)), end.op)


def _part_of(hint: Any, index: int, count: int) -> Any:
    """The hint of one of the outputs among which a value is split."""
    if count == 1:
        return hint
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and len(arguments) == count and arguments[-1] is not ...:
        return arguments[index]
    if arguments and (origin is list or (origin is tuple and arguments[-1] is ...)):
        return arguments[0]
    return Any


def _length(hint: Any) -> int | None:
    """How many values a tuple has by its hint; None where it does not say."""
    arguments = typing.get_args(hint)
    return len(arguments) if typing.get_origin(hint) is tuple and arguments and arguments[-1] is not ... else None


def _is_plain(node_kind: type, kind: type) -> bool:
    """Whether nothing but its classes says what a node takes and gives: it calls one op, and that is no pipeline."""
    return issubclass(node_kind, Node) and node_kind.execute is Node.execute and not getattr(kind, "holds_nodes", False)


def _gives_nothing_certain(node_kind: type, kind: type) -> bool:
    signature = _signature(node_kind, kind)
    return signature is None or signature.gives is Any


def _signature(node_kind: type, kind: type) -> _Signature | None:
    """What a node takes and gives; None where nobody knows, or where more is called than ``execute``."""
    if not _is_plain(node_kind, kind):
        return None
    if not issubclass(kind, BaseOp) or kind.execute_with_all_callbacks is not BaseOp.execute_with_all_callbacks:
        return None
    execute = inspect.getattr_static(kind, "execute")
    # A decorator gives a function the hints of another one, and may take and return something else.
    return _read(execute) if isinstance(execute, FunctionType) and not hasattr(execute, "__wrapped__") else None


@functools.lru_cache(maxsize=_MOST_SIGNATURES)
def _read(execute: FunctionType) -> _Signature:
    declared = list(inspect.signature(execute).parameters.values())
    if declared and declared[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        del declared[0]  # the op itself, whatever it is called
    by_position = [one for one in declared if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    hints = parameter_hints(execute)
    runs_later = inspect.iscoroutinefunction(execute) or inspect.isasyncgenfunction(execute)
    return _Signature(
        parameters=tuple(hints[len(hints) - len(by_position) :]),
        takes_more=any(one.kind is one.VAR_POSITIONAL for one in declared),
        unmet=tuple(one.name for one in declared if one.kind is one.KEYWORD_ONLY and one.default is one.empty),
        gives=Any if runs_later else return_hint(execute),
    )


def _has_own_execute(op: Any) -> bool:
    """Whether an op object has an ``execute`` of its own in place of that of its class."""
    return "execute" in getattr(op, "__dict__", ())


def _counted(count: int) -> str:
    return f"{count} value{'' if count == 1 else 's'}"


def _shown(hint: Any) -> str:
    return inspect.formatannotation(hint)
