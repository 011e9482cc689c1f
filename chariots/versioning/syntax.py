"""What does a piece of source say, however it is written?

The tree is walked by hand. ``ast.dump``, ``ast.unparse`` and bytecode all give other results from one Python
release to the next, and a fingerprint that moves with the interpreter says nothing about the code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["dump", "statements"]

# What a tree says about how it was written, or repeats from where a node stands.
_SILENT_FIELDS = frozenset({"ctx", "kind", "simple", "type_comment", "type_ignores"})
_BLOCKS = frozenset({"body", "orelse", "finalbody"})


def dump(*pieces: ast.AST | Sequence[ast.AST] | str) -> bytes:
    """Writes trees down in one canonical form.

    Comments, formatting, docstrings and other statements without effect leave no trace. The form is the same
    on every supported Python.

    Args:
        *pieces: trees, lists of trees, or marks of one's own.

    Returns:
        the text, in ASCII.
    """
    written: list[str] = []
    # An explicit stack: expressions may be nested deeper than Python's own recursion goes.
    pending: list[Any] = [_Mark(piece) if isinstance(piece, str) else piece for piece in reversed(pieces)]
    while pending:
        item = pending.pop()
        if isinstance(item, _Mark):
            written.append(item.text)
        elif isinstance(item, ast.AST):
            written.append(f"({type(item).__name__}")
            pending.append(_CLOSE_NODE)
            for name, value in reversed(list(_fields(item))):
                pending += (value, _Mark(f" {name}="))
        elif isinstance(item, list):
            written.append("[")
            pending.append(_CLOSE_LIST)
            for value in reversed(item):
                pending += (value, _COMMA)
        else:
            written.append(_constant(item))
    return "".join(written).encode()


def statements(block: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The statements of a block that do something: no docstrings, other lone constants or ``pass``.

    Args:
        block: a body.

    Returns:
        what is left of it, in order.
    """
    return [
        statement
        for statement in block
        if not isinstance(statement, ast.Pass)
        and not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    ]


class _Mark:
    """Text that goes into the canonical form as it is."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


_CLOSE_NODE = _Mark(")")
_CLOSE_LIST = _Mark("]")
_COMMA = _Mark(",")


def _fields(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """The fields of a node that say something, by name."""
    for name in sorted(node._fields):
        value = getattr(node, name, None)
        if name in _SILENT_FIELDS:
            continue
        if isinstance(value, list):
            if name in _BLOCKS and value and isinstance(value[0], ast.stmt):
                value = statements(value)
            elif isinstance(node, ast.JoinedStr):
                value = _joined(value)
        elif name == "format_spec" and isinstance(value, ast.JoinedStr) and not _joined(value.values):
            continue
        # Newer releases add optional fields; one that is not used must not show.
        if value is not None and value != []:
            yield name, value


def _joined(values: Sequence[ast.expr]) -> list[ast.expr]:
    """The pieces of an f-string, neighbouring texts put together: how they are cut is up to the release."""
    pieces: list[ast.expr] = []
    for value in values:
        before = pieces[-1] if pieces else None
        if isinstance(value, ast.Constant) and isinstance(before, ast.Constant):
            pieces[-1] = ast.Constant(str(before.value) + str(value.value))
        else:
            pieces.append(value)
    return [piece for piece in pieces if not (isinstance(piece, ast.Constant) and piece.value == "")]


def _constant(value: Any) -> str:
    """A literal or a name. Not ``repr``: what it shows as it is depends on the Unicode tables."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"int:{value:x}"
    return f"{type(value).__name__}:{value!a}"
