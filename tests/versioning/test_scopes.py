"""Which names source takes from outside, beside what Python's own compiler says."""

from __future__ import annotations

import ast
import symtable
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import chariots
from chariots.versioning.scopes import ImportBinding, Use, uses

FILES = sorted(Path(chariots.__file__).parent.rglob("*.py")) + sorted(Path(ast.__file__).parent.glob("[a-d]*.py"))


def names(source: str, enclosing: frozenset[str] = frozenset()) -> list[str]:
    """The names used, with the attributes read from them."""
    found = uses(ast.parse(textwrap.dedent(source)).body, enclosing)
    return [".".join([use.name, *use.path]) for use in found]


def globals_of(table: symtable.SymbolTable) -> Iterator[str]:
    """The names that the compiler looks up in the module, for a function and everything in it."""
    for symbol in table.get_symbols():
        if symbol.is_global() and (symbol.is_referenced() or symbol.is_assigned()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from globals_of(child)


@pytest.mark.parametrize("start", range(0, len(FILES), 20))
def test_functions_use_the_globals_that_the_compiler_looks_up(start: int) -> None:
    compared = 0
    for file in FILES[start : start + 20]:
        source = file.read_text(encoding="utf-8")
        tables = {table.get_lineno(): table for table in symtable.symtable(source, str(file), "exec").get_children()}
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and not node.decorator_list and node.lineno in tables:
                inside = {use.name for use in uses([node]) if use.imported is None}
                # The compiler counts defaults as the module's, and annotations not at all.
                outside = {name for part in ast.walk(node) for name in outer_names(part)}
                looked_up = set(globals_of(tables[node.lineno]))
                assert looked_up <= inside <= looked_up | outside, (file, node.name)
                compared += 1
    assert compared or start


def outer_names(node: ast.AST) -> set[str]:
    """Names in annotations, and in the defaults of a function."""
    parts: list[ast.AST | None] = [getattr(node, "annotation", None), getattr(node, "returns", None)]
    if isinstance(node, ast.arguments):
        parts += [*node.defaults, *node.kw_defaults]
    walked = (inner for part in parts if part is not None for inner in ast.walk(part))
    return {inner.id for inner in walked if isinstance(inner, ast.Name)}


CASES = {
    "attributes": ("a.b.c + a.b['k'].d", ["a.b.c", "a.b"]),
    "a name and its attribute": ("a; a.b; a", ["a", "a.b"]),
    "a call in between": ("a.b().c", ["a.b"]),
    "a subscript": ("a[b].c", ["a", "b"]),
    "a parameter": ("def f(a, *b, c=d, **e):\n    return a, b, c, e, g", ["d", "g"]),
    "a local": ("def f():\n    a = b\n    return a", ["b"]),
    "a local bound later": ("def f():\n    x = a\n    a = 1", []),
    "a global": ("def f():\n    global a\n    a = 1", ["a"]),
    "a nonlocal": ("def f():\n    a = 1\n    def g():\n        nonlocal a\n        a = b\n    return g", ["b"]),
    "a function in a function": ("def f(a):\n    def g(b):\n        return a, b, c\n    return g", ["c"]),
    "a lambda": ("lambda a, b=c: (a, b, d)", ["c", "d"]),
    "a comprehension": ("[a for a in b if a if c]", ["b", "c"]),
    "a nested comprehension": ("{a: b for a in c for b in a}", ["c"]),
    "a walrus in a comprehension": ("def f():\n    [a := b for b in c]\n    return a", ["c"]),
    "an exception": ("def f():\n    try:\n        pass\n    except A as e:\n        return e", ["A"]),
    "a pattern": (
        "def f(a):\n    match a:\n        case B(x=c) as d:\n            return c, d\n"
        "        case {'k': e, **g} | [e, *g]:\n            return e, g",
        ["B"],
    ),
    "a loop": ("def f():\n    for a, b in c:\n        return a, b", ["c"]),
    "a with": ("def f():\n    with a as b:\n        return b", ["a"]),
    "a class body": (
        "class A(B, m=C):\n    a = b\n    c = a\n    def f(self):\n        return a",
        ["B", "C", "b", "a"],
    ),
    "a class body that hands on": ("class A:\n    a = a", ["a"]),
    "a comprehension in a class body": ("class A:\n    a = 1\n    b = [a for _ in a]", ["a"]),
    "a class body that adds": ("class A:\n    a += 1", ["a"]),
    "a class body that only annotates": ("class A:\n    a: b\n    c = a", ["b", "a"]),
    "a class and itself": ("class A:\n    def f(self):\n        return A", ["A"]),
    "a decorator": ("@a.b(c)\ndef f():\n    pass", ["a.b", "c"]),
    "an annotation": ("def f(a: b) -> c:\n    d: e = 1", ["b", "c", "e"]),
    "a deleted item": ("def f():\n    del a.b, c[d]", ["a.b", "c", "d"]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_names_are_those_from_outside(name: str) -> None:
    source, expected = CASES[name]
    assert names(source) == expected


def test_names_of_functions_around_are_told_apart() -> None:
    body = ast.parse("def f():\n    return a, b").body
    assert uses(body, frozenset({"a"})) == [Use("a", enclosing=True), Use("b")]


def test_an_import_inside_a_function_is_known_where_it_is_used() -> None:
    body = ast.parse("def f():\n    from ..a import b as c\n    import d.e\n    return c.x, d.e.y").body
    assert uses(body) == [
        Use("c", ("x",), imported=ImportBinding("a", 2, "b")),
        Use("d", ("e", "y"), imported=ImportBinding("d")),
    ]


def test_an_import_that_is_not_used_is_not_told() -> None:
    assert names("def f():\n    import a\n    return b") == ["b"]


def test_an_expression_of_any_length_has_names() -> None:
    deep: ast.expr = ast.Name("x", ast.Load())
    for _ in range(50_000):
        deep = ast.BinOp(deep, ast.Add(), ast.Constant(1))
    assert uses([ast.Expr(deep)]) == [Use("x")]
