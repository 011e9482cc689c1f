"""What does the top level of a module bind, and which of its statements change what is bound?"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from chariots.versioning.scopes import ImportBinding, Use, bound_names, chain, imports_of, own_nodes, uses
from chariots.versioning.syntax import dump

__all__ = ["Item", "Mutation", "Table", "parsed", "table_of"]

# Methods that change a container wherever they are called; a method called for its own sake counts whatever
# its name.
_CHANGING = frozenset(
    {
        *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "appendleft", "extendleft"),
        *("update", "popitem", "setdefault", "__setitem__"),
        *("add", "discard", "intersection_update", "difference_update", "symmetric_difference_update"),
    }
)
_SETTERS = frozenset({"setattr", "delattr"})
_ONLY_LOOKING = frozenset({"print", "len", "repr", "str", "type", "id", "help", "isinstance", "hasattr"})


@dataclass(frozen=True, eq=False)
class Item:
    """A statement at the top level, or the header of a compound one, and what it depends on to run.

    Attributes:
        position: where it stands among the items of its module.
        pieces: the statement or the expressions of the header.
        guards: marks and conditions of the blocks around it.
        imported: what an import binds the name to; None for every other statement.
    """

    position: int
    pieces: tuple[ast.AST, ...]
    guards: tuple[ast.AST | str, ...] = ()
    imported: ImportBinding | None = None

    @functools.cached_property
    def syntax(self) -> bytes:
        """The canonical form. What an import says is left out: where it leads counts instead."""
        return dump("{", *self.guards, ":", *(["import"] if self.imported else self.pieces), "}")

    @functools.cached_property
    def reads(self) -> tuple[Use, ...]:
        """The names that are read."""
        guards = [guard for guard in self.guards if isinstance(guard, ast.AST)]
        return tuple(uses(guards if self.imported else [*guards, *self.pieces]))


@dataclass(frozen=True, eq=False)
class Mutation:
    """A statement that changes what a name stands for without binding it, like ``TABLE["x"] = 1``.

    Attributes:
        path: the attributes between the name and what is changed.
        item: the statement.
        how: ``target`` for assignments and setters, ``method`` for calls of a method, ``argument`` for calls
            that are given the value, ``decorator`` for registrations.
    """

    path: tuple[str, ...]
    item: Item
    how: str


@dataclass
class Table:
    """The top level of one module.

    Attributes:
        bindings: for every name, the statements that bind it.
        mutations: for every name, the statements that change it.
        calls: for every function called at the top level (as a statement or a decorator), those statements.
        stars: what is imported with a star, in order.
        exported: the content of a literal ``__all__``; None where it is missing or only a run would tell.
    """

    bindings: dict[str, list[Item]] = field(default_factory=dict)
    mutations: dict[str, list[Mutation]] = field(default_factory=dict)
    calls: dict[str, list[Item]] = field(default_factory=dict)
    stars: list[ImportBinding] = field(default_factory=list)
    exported: frozenset[str] | None = None


# Kept by the text itself, so that an edited file is never taken for its past.
@functools.lru_cache(maxsize=128)
def _parse(source: str) -> ast.Module:
    return ast.parse(source)


def parsed(source: str) -> ast.Module | None:
    """The tree of a source text.

    Args:
        source: the text of a module or a notebook cell.

    Returns:
        the tree, the same one for the same text; None where the text is not valid Python.
    """
    try:
        return _parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@functools.lru_cache(maxsize=128)
def table_of(source: str) -> Table:
    """Reads the top level of a module.

    Args:
        source: its text.

    Returns:
        what it binds and changes; empty where the text is not valid Python.
    """
    tree = parsed(source)
    table = Table()
    if tree is not None:
        for position, (pieces, guards) in enumerate(_flattened(tree.body)):
            _enter(table, position, pieces, guards)
    if "__all__" in table.mutations:
        table.exported = None
    return table


_Guards = tuple[ast.AST | str, ...]


def _flattened(body: Sequence[ast.stmt]) -> Iterator[tuple[tuple[ast.AST, ...], _Guards]]:
    """Every simple statement and every header of a module, with the conditions it runs under."""
    pending: list[tuple[tuple[ast.AST, ...], _Guards, bool]]
    pending = [((node,), (), True) for node in reversed(body)]
    while pending:
        pieces, guards, is_statement = pending.pop()
        blocks = list(_blocks(pieces[0])) if is_statement else []
        if not blocks:
            yield pieces, guards
        for header, mark, statements in reversed(blocks):
            inner = (*guards, mark, *header)
            pending += [((statement,), inner, True) for statement in reversed(statements)]
            if header:
                pending.append((header, guards, False))


def _blocks(node: ast.AST) -> Iterator[tuple[tuple[ast.AST, ...], str, Sequence[ast.stmt]]]:
    """The blocks of a compound statement: the header that decides about each, a mark, and the statements."""
    if isinstance(node, (ast.If, ast.While)):
        yield (node.test,), "then", node.body
        yield (node.test,), "else", node.orelse
    elif isinstance(node, (ast.For, ast.AsyncFor)):
        yield (node.iter, node.target), "each", node.body
        yield (node.iter,), "else", node.orelse
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        yield tuple(node.items), "with", node.body
    elif isinstance(node, (ast.Try, ast.TryStar)):
        yield (), "try", node.body
        for handler in node.handlers:
            yield (handler.type,) if handler.type else (), "except", handler.body
        yield (), "else", node.orelse
        yield (), "finally", node.finalbody
    elif isinstance(node, ast.Match):
        for case in node.cases:
            header: list[ast.AST | None] = [node.subject, case.pattern, case.guard]
            yield tuple(part for part in header if part is not None), "case", case.body


def _enter(table: Table, position: int, pieces: tuple[ast.AST, ...], guards: _Guards) -> None:
    """Adds one statement or header to the table."""
    node = pieces[0]
    item = Item(position, pieces, guards)
    imported = list(imports_of(node))
    for name, binding in imported:
        if name == "*":
            table.stars.append(binding)
        else:
            table.bindings.setdefault(name, []).append(Item(position, pieces, guards, binding))
    if imported:
        return
    names = bound_names(pieces)
    for inner in ast.walk(node):
        if isinstance(inner, ast.Global):
            names |= set(inner.names)
    for name in names:
        table.bindings.setdefault(name, []).append(item)
    if "__all__" in names:
        listed = _literal_names(node)
        if isinstance(node, ast.AugAssign):
            listed = None if listed is None or table.exported is None else listed | table.exported
        table.exported = listed
    if not _is_main_guard(guards):
        for name, path, how in _changes(pieces):
            table.mutations.setdefault(name, []).append(Mutation(path, item, how))
        for name in _called(node):
            table.calls.setdefault(name, []).append(item)


def _changes(pieces: Iterable[ast.AST]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """What a statement changes without binding it: the name, the attributes after it, and how."""
    for node in own_nodes(pieces):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            owner = chain(node.value)
            if owner is not None:
                last = (node.attr,) if isinstance(node, ast.Attribute) else ()
                yield owner[0].id, owner[1] + last, "target"
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield from _call_changes(node.value)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
                yield from _receiver(node.func, "method")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for decorator in node.decorator_list:
                function = decorator.func if isinstance(decorator, ast.Call) else decorator
                yield from _receiver(function, "decorator")


def _call_changes(call: ast.Call) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """What a call made for its own sake may change: its receiver and what it is given."""
    yield from _receiver(call.func, "method")
    function = call.func.id if isinstance(call.func, ast.Name) else ""
    if function not in _ONLY_LOOKING:
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
            given = chain(argument)
            if given is not None:
                yield given[0].id, given[1], "target" if function in _SETTERS else "argument"


def _receiver(function: ast.AST, how: str) -> Iterator[tuple[str, tuple[str, ...], str]]:
    owner = chain(function.value) if isinstance(function, ast.Attribute) else None
    if owner is not None:
        yield owner[0].id, owner[1], how


def _called(node: ast.AST) -> Iterator[str]:
    """The plain functions that a statement calls for their effect: ``fill()`` or ``@register("x")``."""
    calls: list[ast.AST] = []
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        calls.append(node.value)
    calls += getattr(node, "decorator_list", [])
    for call in calls:
        function = call.func if isinstance(call, ast.Call) else call
        if isinstance(function, ast.Name):
            yield function.id


def _is_main_guard(guards: _Guards) -> bool:
    """Whether a block runs only when the file is started as a program."""
    return any(
        isinstance(guard, ast.Compare) and isinstance(guard.left, ast.Name) and guard.left.id == "__name__"
        for guard in guards
    )


def _literal_names(node: ast.AST) -> frozenset[str] | None:
    """The strings of a literal list or tuple that is assigned."""
    value = getattr(node, "value", None)
    if not isinstance(value, (ast.List, ast.Tuple)):
        return None
    names = [item.value for item in value.elts if isinstance(item, ast.Constant)]
    if len(names) < len(value.elts):
        return None
    return frozenset(name for name in names if isinstance(name, str))
