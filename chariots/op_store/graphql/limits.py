"""May this GraphQL question be answered at all? (decided before anything of it is executed)

What a question costs is how many values its answer may hold: each field counts one, times the ``limit`` of every list
it stands in. Lists are told by the names of their fields, which are unique in the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    Visitor,
    parse,
    visit,
)

from chariots.op_store.checks import LARGEST_PAGE

__all__ = ["DEFAULT_LIMIT", "checked"]

MOST_TOKENS = 1000
MOST_ALIASES = 30
DEEPEST = 12
MOST_VALUES = 30_000  # told in a fifth of a second

DEFAULT_LIMIT = 20  # of a list whose ``limit`` is not given

_PAGES = frozenset(("ops", "pipelines", "versions", "parents", "children"))
# Lists of the schema itself, with about as many entries as they have there. A question about the schema may nest
# them without end; the one that tools ask by themselves stays well within the limits.
_ABOUT = {"types": 24, "fields": 8, "args": 2, "inputFields": 2, "enumValues": 4, "directives": 5}
_ABOUT.update({"possibleTypes": 2, "interfaces": 2})
_ABOUT["metrics"] = 10  # of a version, whose declared fields are counted like the fields of a type
_ABOUT.update({"aliases": 4, "serves": 8})  # of a pipeline
_SCHEMA = frozenset(("__schema", "__type"))
_CHEAPER = 4  # so many values of the schema for one of the store

_Measure = tuple[int, int]  # how deep, how many values


def checked(query: str, variables: Mapping[str, Any], operation_name: str | None = None) -> DocumentNode:
    """Parses a question and measures it.

    Args:
        query: the text of the question.
        variables: the values of its variables.
        operation_name: which of its operations is to be run; needed where it has several.

    Returns:
        the parsed question.

    Raises:
        GraphQLError: if it is no GraphQL, changes something, asks for too much at once, or does not say which of its
            operations is to be run.
    """
    document = parse(query, max_tokens=MOST_TOKENS)
    aliases = _Aliases()
    visit(document, aliases)
    if aliases.count > MOST_ALIASES:
        raise _refused("aliases", aliases.count, MOST_ALIASES, "ask for fewer things under names of your own")
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    for operation in operations:
        if operation.operation is not OperationType.QUERY:
            raise GraphQLError(
                f"the op store was asked for a {operation.operation.value}, but its GraphQL API is read-only; ask "
                "a query, and save through a pipeline or the Python client"
            )
        depth, values = _Ruler(operation, fragments, variables).measure(operation.selection_set)
        if depth > DEEPEST:
            raise _refused("levels", depth, DEEPEST, "ask in several steps, each from the numbers of the last")
        if values > MOST_VALUES:
            raise _refused("values", values, MOST_VALUES, "give smaller limits, or ask for fewer fields")
    if len(operations) > 1 and not operation_name:
        names = ", ".join(repr(node.name.value[:80]) for node in operations[:10] if node.name is not None)
        raise GraphQLError(
            f"the query holds {len(operations)} operations ({names}), and nothing says which of them to run; name one "
            "of them as operationName"
        )
    return document


def _refused(what: str, found: int, most: int, cure: str) -> GraphQLError:
    shown = f"{found:,}" if found < 10**12 else "more than a trillion"
    return GraphQLError(f"the question has up to {shown} {what}, and {most:,} are answered at once; {cure}")


class _Aliases(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.count += node.alias is not None


class _Ruler:
    """Measures one operation; each fragment once, however often it is spread."""

    def __init__(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        self._fragments = fragments
        self._measured: dict[str, _Measure] = {}
        self._variables: dict[str, Any] = {}
        for definition in operation.variable_definitions or ():
            name = definition.variable.name.value
            self._variables[name] = variables.get(name, definition.default_value)

    def measure(self, selections: SelectionSetNode) -> _Measure:
        depth, values = 0, 0
        for node in selections.selections:
            if isinstance(node, FieldNode):
                found = self._field(node)
            elif isinstance(node, FragmentSpreadNode):
                found = self._fragment(node.name.value)
            else:
                found = self.measure(node.selection_set)  # type: ignore[attr-defined]  # an inline fragment
            depth, values = max(depth, found[0]), values + found[1]
        return depth, values

    def _field(self, node: FieldNode) -> _Measure:
        if node.selection_set is None:
            return 1, 1
        depth, values = self.measure(node.selection_set)
        name = node.name.value
        if name in _SCHEMA:
            return 0, 1 + values // _CHEAPER  # how deep it goes is no matter
        return depth + 1, 1 + self._entries(node) * values

    def _entries(self, node: FieldNode) -> int:
        name = node.name.value
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        if name in _PAGES:
            return self._number(given["limit"]) if "limit" in given else DEFAULT_LIMIT
        if "numbers" in given:
            return self._length(given["numbers"])
        return _ABOUT.get(name, 1)

    def _number(self, node: ValueNode) -> int:
        value: Any = self._variables.get(node.name.value) if isinstance(node, VariableNode) else node
        if isinstance(value, IntValueNode):
            value = int(value.value) if len(value.value) < 10 else LARGEST_PAGE
        if isinstance(value, int):
            return min(max(value, 1), LARGEST_PAGE)
        return LARGEST_PAGE

    def _length(self, node: ValueNode) -> int:
        value: Any = self._variables.get(node.name.value) if isinstance(node, VariableNode) else node
        if isinstance(value, ListValueNode):
            return max(len(value.values), 1)
        if isinstance(value, list):
            return min(max(len(value), 1), LARGEST_PAGE)
        return 1

    def _fragment(self, name: str) -> _Measure:
        if name not in self._measured:
            self._measured[name] = (0, 0)  # for a fragment that spreads itself; validation refuses it
            fragment = self._fragments.get(name)
            if fragment is not None:
                self._measured[name] = self.measure(fragment.selection_set)
        return self._measured[name]
