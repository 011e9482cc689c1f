"""What the canonical form of source keeps, and what it forgets."""

from __future__ import annotations

import ast
import hashlib
import textwrap
from pathlib import Path

import pytest

import chariots
from chariots.versioning.syntax import dump

FILES = sorted(Path(chariots.__file__).parent.rglob("*.py")) + sorted(Path(ast.__file__).parent.glob("[a-d]*.py"))


def form(source: str) -> bytes:
    return dump(ast.parse(textwrap.dedent(source)))


@pytest.mark.parametrize("start", range(0, len(FILES), 20))
def test_source_that_python_writes_anew_keeps_its_form(start: int) -> None:
    for file in FILES[start : start + 20]:
        source = file.read_text(encoding="utf-8")
        assert form(source) == form(ast.unparse(ast.parse(source))), file


SAME = {
    "quotes": ("x = 'a'", 'x = "a"'),
    "brackets": ("x = 1, 2", "x = (\n    1,\n    2,\n)"),
    "numbers": ("x = 255, 1000000, 1e3", "x = 0xFF, 1_000_000, 1000.0"),
    "text in pieces": ("x = 'ab'", "x = 'a' 'b'"),
    "a prefix without effect": ("x = 'a'", "x = u'a'"),
    "a raw text": ("x = '\\\\d'", "x = r'\\d'"),
    "a comment": ("x = 1", "x = 1  # one"),
    "a type comment": ("x = []", "x = []  # type: list"),
    "a docstring": ("def f():\n    return 1", "def f():\n    'One.'\n    return 1"),
    "a docstring alone": ("class A:\n    'A.'", "class A:\n    pass"),
    "a text in the middle": ("def f():\n    x = 1\n    return x", "def f():\n    x = 1\n    'One.'\n    return x"),
    "dots for a body": ("def f(): ...", "def f():\n    pass"),
    "pieces of a format": ("x = f'a{b}' 'c' f'{d}'", "x = f'a{b}c{d}'"),
    "an empty format": ("x = f'{b:}'", "x = f'{b}'"),
    "quotes in a format": ("x = f'{b[\"k\"]}'", "x = f\"{b['k']}\""),
    "an empty else": ("for x in y:\n    f()\nelse:\n    pass", "for x in y:\n    f()"),
}


@pytest.mark.parametrize("name", SAME)
def test_what_is_written_otherwise_has_the_same_form(name: str) -> None:
    first, second = SAME[name]
    assert form(first) == form(second)


OTHER = {
    "a number and its text": ("x = 1", "x = '1'"),
    "a number and a float": ("x = 1", "x = 1.0"),
    "a number and a truth": ("x = 1", "x = True"),
    "text and bytes": ("x = 'a'", "x = b'a'"),
    "nothing and nothing said": ("return_ = None", "return_: None"),
    "a name and a text": ("x = a", "x = 'a'"),
    "a list and a tuple": ("x = [1]", "x = (1,)"),
    "operators": ("x = a + b", "x = a - b"),
    "precedence": ("x = a + b * c", "x = (a + b) * c"),
    "nesting of calls": ("f(g(x), y)", "f(g(x, y))"),
    "positional and keyword": ("f(x)", "f(x=x)"),
    "kinds of parameters": ("def f(a, /, b): g()", "def f(a, b): g()"),
    "star and two stars": ("f(*x)", "f(**x)"),
    "a spread in a dictionary": ("x = {**a, 'b': 1}", "x = {'b': 1, **a}"),
    "is and equals": ("x is None", "x == None"),
    "async": ("async def f(): g()", "def f(): g()"),
    "a conversion in a format": ("x = f'{a!r}'", "x = f'{a}'"),
    "a width in a format": ("x = f'{a:>3}'", "x = f'{a:>4}'"),
    "inside and outside a block": ("if a:\n    b()\n    c()", "if a:\n    b()\nc()"),
    "then and else": ("if a:\n    b()\nelse:\n    c()", "if a:\n    c()\nelse:\n    b()"),
    "levels of an import": ("from . import a", "from .. import a"),
    "a default and a keyword default": ("def f(a=1, *, b): g()", "def f(a, *, b=1): g()"),
    "which keyword has a default": ("def f(*, a=1, b): g()", "def f(*, a, b=1): g()"),
    "a slice": ("x = y[1:]", "x = y[:1]"),
    "a lone surrogate": ("x = '\\ud800'", "x = '\\ud801'"),
}


@pytest.mark.parametrize("name", OTHER)
def test_what_means_something_else_has_another_form(name: str) -> None:
    first, second = OTHER[name]
    assert form(first) != form(second)


# Source in which releases of Python differ when they are asked for a dump, a text or bytecode.
TRICKY = """
@decorator(1, *a, k=2, **b)
class A(B[int], metaclass=M):
    x: int = 1
    y: "str"

    async def f(self, a, /, b: int = 1, *c, d=None, **e) -> None:
        '''Nothing.'''
        async with g() as h, i:
            async for j in k:
                yield f"{a!r:>{b}} {c=} {{}} {d:%Y-%m-%d}" "tail" f"{e}" + 'é\\U0001fae8'
        return lambda *a, b=1: [x async for x in a if b]

match p:
    case {"k": [1, *rest], **others} | C(x=1) as whole if whole:
        global q; q = 0x1_0; q **= 1e400j
    case _:
        del r[1:, ..., ::2]
try:
    raise E from None
except* (F, G) as e:
    with (open("a") as a, open("b") as b): pass
"""


def test_the_form_is_the_same_on_every_python() -> None:
    assert (
        hashlib.sha256(form(TRICKY)).hexdigest() == "29ab26e973b65f171adaf218b493d0692e786cec1f8527e70e59b0a9ba0fb166"
    )


def test_an_expression_of_any_length_has_a_form() -> None:
    deep: ast.expr = ast.Name("x", ast.Load())
    for _ in range(50_000):
        deep = ast.BinOp(deep, ast.Add(), ast.Constant(1))
    assert dump(deep).count(b"BinOp") == 50_000
