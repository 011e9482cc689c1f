"""Where in the source is a live class or function, and what did it take from the functions around it?"""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

from chariots.versioning.modules import parsed
from chariots.versioning.project import attributes_of, is_standard, source_of_file, typed_in
from chariots.versioning.scopes import bound_names
from chariots.versioning.syntax import dump

__all__ = [
    "bound_arguments",
    "captured",
    "code_file",
    "enclosing_names",
    "find_node",
    "function_syntax",
    "functions_of",
    "home",
    "is_standard",
    "unwrapped",
]

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def function_syntax(function: types.FunctionType) -> bytes | None:
    """The normalised source of one function or lambda.

    Args:
        function: a function written in Python.

    Returns:
        its canonical form, or None where there is no source.
    """
    source = source_of_file(function.__code__.co_filename, function.__globals__)
    node = find_node(source, function) if source is not None else None
    return None if node is None else dump(node)


def find_node(source: str, target: Any) -> ast.AST | None:
    """Finds the definition of a live class or function in the source it came from.

    Args:
        source: the text of its module.
        target: the class or function.

    Returns:
        the node of its definition, or None where the source does not hold it.
    """
    tree = parsed(source)
    if tree is None:
        return None
    _, name = home(target)
    if name.rpartition(".")[2] == "<lambda>":
        return _lambda(tree, target.__code__)
    candidates: Sequence[ast.AST] = [tree]
    for part in name.replace(".<locals>", "").split("."):
        candidates = [inner for node in candidates for inner in _definitions(node) if inner.name == part]
    lines = set(_lines(target))
    for node in candidates:
        if any(_start(node) <= line <= _end(node) for line in lines):
            return node
    return candidates[-1] if candidates else None


def enclosing_names(source: str, node: Any) -> frozenset[str]:
    """The names bound by the functions that a definition stands in.

    Args:
        source: the text of its module.
        node: the definition, from `find_node` for the same text.

    Returns:
        the names; empty for a definition at the top level.
    """
    names: set[str] = set()
    pending: list[ast.AST | None] = [parsed(source)]
    while pending:
        outer = pending.pop()
        if outer is None:
            continue
        pending += [inner for inner in ast.iter_child_nodes(outer) if _may_hold(inner, node)]
        if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            body: list[Any] = [outer.body] if isinstance(outer, ast.Lambda) else outer.body
            first, last = body[0], body[-1]
            starts = (first.lineno, first.col_offset) <= (node.lineno, node.col_offset)
            if starts and (node.end_lineno, node.end_col_offset) <= (last.end_lineno, last.end_col_offset):
                names |= bound_names(body) | {part.arg for part in ast.walk(outer.args) if isinstance(part, ast.arg)}
    return frozenset(names)


def functions_of(cls: type) -> Iterator[types.FunctionType]:
    """The functions that a class defines itself, whatever they are wrapped in.

    Args:
        cls: the class.

    Yields:
        methods, and what properties, class methods and the like call.
    """
    for attribute in vars(cls).values():
        for function in unwrapped(attribute):
            if function.__code__.co_qualname.startswith(f"{cls.__qualname__}."):
                yield function


def home(target: Any) -> tuple[str, str]:
    """The module and the qualified name that a class or function was written under.

    Args:
        target: the class or function. What a function says of itself may be copied from one that it wraps, so its
            code is asked.

    Returns:
        both.
    """
    if isinstance(target, types.FunctionType):
        return str(target.__globals__.get("__name__", "")), target.__code__.co_qualname
    return str(target.__module__), str(target.__qualname__)


def unwrapped(value: Any) -> Iterator[types.FunctionType]:
    """The functions inside a method, property, partial or decorated function.

    Args:
        value: anything.

    Yields:
        the functions, wrappers before what they wrap; nothing for other values.
    """
    pending = [value]
    seen: set[int] = set()
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        # Only what these types promise: asking any object for attributes may run its code.
        if isinstance(item, types.FunctionType):
            yield item
            pending.append(vars(item).get("__wrapped__"))
        elif isinstance(item, property):
            pending += [part for part in (item.fdel, item.fset, item.fget) if part is not None]
        elif isinstance(item, (staticmethod, classmethod, types.MethodType)):
            pending.append(item.__func__)
        elif type(item).__module__ == "functools":
            pending += [getattr(item, name) for name in ("__wrapped__", "func") if hasattr(item, name)]


def captured(function: types.FunctionType) -> list[tuple[str, Any]]:
    """What a nested function took from around it when it was made: closure, then defaults.

    Args:
        function: the function.

    Returns:
        each value with a name; a variable that is not set yet is left out.
    """
    found: list[tuple[str, Any]] = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found.append((name, cell.cell_contents))
        except ValueError:
            continue
    found += [(f"default {place}", value) for place, value in enumerate(function.__defaults__ or ())]
    found += [(f"default {name}", value) for name, value in sorted((function.__kwdefaults__ or {}).items())]
    return found


def bound_arguments(value: Any) -> list[Any]:
    """What a method or partial holds besides its function.

    Args:
        value: anything.
    """
    if isinstance(value, types.MethodType):
        return [value.__self__]
    if type(value).__module__ == "functools" and hasattr(value, "args"):
        return [value.args, value.keywords]
    return []


def code_file(target: Any) -> tuple[str, dict[str, Any]] | None:
    """The file that a class or function was compiled from, and its globals.

    Args:
        target: a class or function.

    Returns:
        both, or None where nothing tells.
    """
    if isinstance(target, types.FunctionType):
        return target.__code__.co_filename, target.__globals__
    for function in functions_of(target):
        if home(function)[0] == target.__module__:
            return function.__code__.co_filename, function.__globals__
    if target.__module__ in sys.builtin_module_names:  # as that of `object`, which every class is asked about
        return None
    namespace = dict(attributes_of(sys.modules.get(target.__module__)))
    if namespace.get("__file__"):
        return str(namespace["__file__"]), namespace
    for file in typed_in():
        source = source_of_file(file, namespace)
        if source is not None and target.__name__ in source and find_node(source, target) is not None:
            return file, namespace
    return None


def _definitions(node: Any) -> Iterator[Any]:
    """The functions and classes directly inside a scope, also under conditions."""
    pending = list(node.body)
    while pending:
        inner = pending.pop(0)
        if isinstance(inner, _DEFINITIONS):
            yield inner
        elif isinstance(inner, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            pending[:0] = ast.iter_child_nodes(inner)


def _lines(target: Any) -> Iterator[int]:
    """Lines of the source that are certainly part of a class or function."""
    for function in [target] if isinstance(target, types.FunctionType) else functions_of(target):
        yield function.__code__.co_firstlineno


def _may_hold(outer: Any, node: Any) -> bool:
    """Whether a node can lie within another, by their lines; those that have none may hold anything."""
    if not hasattr(outer, "lineno"):
        return True
    first = _start(outer) if isinstance(outer, _DEFINITIONS) else outer.lineno
    return bool(first <= node.lineno and node.end_lineno <= outer.end_lineno)


def _start(node: Any) -> int:
    return int(min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]))


def _end(node: Any) -> int:
    return int(node.end_lineno)


def _lambda(tree: ast.Module, code: types.CodeType) -> ast.AST | None:
    """The lambda that a code object was compiled from, also among several on one line."""
    line = code.co_firstlineno
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda) and node.lineno == line]
    if len(found) < 2:
        return found[0] if found else None
    # A position of zero width belongs to the call, not to the text.
    places = [place for place in code.co_positions() if None not in place and place[2:] != (0, 0)]
    held = [node for node in found if places and _holds(node.body, places)]
    if held:
        return min(held, key=_extent)
    return next(
        (node for node in found if isinstance(node.body, ast.Constant) and node.body.value in code.co_consts), None
    )


def _holds(body: Any, places: Sequence[Any]) -> bool:
    """Whether every position of a code object lies in an expression."""
    first, last = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
    return all(
        first <= (line, column) and (end_line, end_column) <= last for line, end_line, column, end_column in places
    )


def _extent(node: Any) -> tuple[int, int]:
    return node.body.end_lineno - node.body.lineno, node.body.end_col_offset - node.body.col_offset
