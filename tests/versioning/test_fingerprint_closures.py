"""What a fingerprint knows of values that exist only while the program runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.versioning.sources import Sources

HEAD = "import functools\nfrom app.settings import N, Config, apart, double, triple\n\n"
SETTINGS = """
N = 1 + 1

def double(x):
    return x * 2

def triple(x):
    return double(x) + x

def apart(x):
    return x - 7

class Config:
    def __init__(self, level):
        self.level = level

    def cut(self, x):
        return x > 5
"""

MADE = {
    "a number in a method": (
        "def make(k):\n    class Op:\n        def execute(self, x):\n            return x * k\n    return Op\n",
        "make(N)",
    ),
    "a computed local": (
        (
            "def make(k):\n    b = k + 1\n    class Op:\n        def execute(self, x):\n"
            "            return x * b\n    return Op\n"
        ),
        "make(N)",
    ),
    "a class attribute": ("def make(k):\n    class Op:\n        top = k\n    return Op\n", "make(N)"),
    "a private class attribute": ("def make(k):\n    class Op:\n        __top = k\n    return Op\n", "make(N)"),
    "a default argument": (
        "def make(k):\n    class Op:\n        def execute(self, x=k):\n            return x\n    return Op\n",
        "make(N)",
    ),
    "a keyword default": (
        "def make(k):\n    class Op:\n        def execute(self, *, x=k):\n            return x\n    return Op\n",
        "make(N)",
    ),
    "an array": (
        (
            "import numpy as np\ndef make(k):\n    class Op:\n        def execute(self, x):\n"
            "            return k\n    return Op\n"
        ),
        "make(np.full(3, N))",
    ),
    "a dictionary": (
        "def make(k):\n    class Op:\n        def execute(self, x):\n            return k\n    return Op\n",
        "make({'a': [N]})",
    ),
    "a partial": (
        "def make(k):\n    class Op:\n        def execute(self, x):\n            return k(x)\n    return Op\n",
        "make(functools.partial(pow, N))",
    ),
    "an object's attribute": (
        "def make(k):\n    class Op:\n        def execute(self, x):\n            return k.level\n    return Op\n",
        "make(Config(N))",
    ),
    "a bound method's object": (
        "def make(k):\n    class Op:\n        def execute(self, x):\n            return k(x)\n    return Op\n",
        "make(Config(N).cut)",
    ),
    "two levels out": (
        (
            "def make(k):\n    def inner():\n        class Op:\n"
            "            def execute(self, x):\n                return x * k\n        return Op\n"
            "    return inner()\n"
        ),
        "make(N)",
    ),
    "a property": (
        "def make(k):\n    class Op:\n        @property\n        def top(self):\n            return k\n    return Op\n",
        "make(N)",
    ),
    "a class method": (
        (
            "def make(k):\n    class Op:\n        @classmethod\n        def top(cls):\n"
            "            return k\n    return Op\n"
        ),
        "make(N)",
    ),
    "a decorator's argument": (
        (
            "def by(k):\n    def deco(f):\n        def wrapper(*a):\n"
            "            return f(*a) * k\n        return wrapper\n    return deco\ndef make(k):\n"
            "    class Op:\n        @by(k)\n        def execute(self, x):\n            return x\n"
            "    return Op\n"
        ),
        "make(N)",
    ),
    "a base class": (
        (
            "def base(k):\n    class Up:\n        top = k\n    return Up\ndef make(b):\n"
            "    class Op(b):\n        pass\n    return Op\n"
        ),
        "make(base(N))",
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_a_value_from_around_the_class_counts(tmp_path: Path, name: str) -> None:
    factory, made = MADE[name]
    sources = Sources(tmp_path, {"app/ops.py": f"{HEAD}{factory}Op = {made}\n", "app/settings.py": SETTINGS})
    before = sources.fingerprint("app.ops:Op")
    assert before is not None
    assert sources.edited("app/settings.py", "1 + 1", "1 + 2").fingerprint("app.ops:Op") != before
    assert sources.edited("app/settings.py", "x - 7", "x - 8").fingerprint("app.ops:Op") == before


FUNCTION = "def make(f):\n    class Op:\n        def execute(self, x):\n            return f(x)\n    return Op\n"
WRAPPERS = """
def scaled(k):
    def deco(f):
        def wrapper(x):
            return f(x) * k
        return wrapper
    return deco

def politely(k):
    def deco(f):
        @functools.wraps(f)
        def wrapper(x):
            return f(x) * k
        return wrapper
    return deco
"""
HANDED = {
    "a function": "make(double)",
    "a function of a function": "make(triple)",
    "a lambda": "make(lambda x: double(x))",
    "a partial of it": "make(functools.partial(double))",
    "a list of functions": "make([double])",
    "a dictionary of functions": "make({'a': (double,)})",
    "a decorated function": "make(functools.lru_cache(double))",
    "a nested function": "(lambda: make(double))()",
    "an instance": "make(Holder(double))",
    "a function behind a wrapper": "make(scaled(2)(double))",
    "a function behind a polite wrapper": "make(politely(2)(double))",
}


@pytest.mark.parametrize("name", HANDED)
def test_code_that_a_closure_holds_counts_with_its_helpers(tmp_path: Path, name: str) -> None:
    holder = "class Holder:\n    def __init__(self, f):\n        self.f = f\n"
    ops = f"{HEAD}{WRAPPERS}{holder}{FUNCTION}Op = {HANDED[name]}\n"
    sources = Sources(tmp_path, {"app/ops.py": ops, "app/settings.py": SETTINGS})
    before = sources.fingerprint("app.ops:Op")
    assert sources.edited("app/settings.py", "x * 2", "x * 3").fingerprint("app.ops:Op") != before
    assert sources.edited("app/settings.py", "x - 7", "x - 8").fingerprint("app.ops:Op") == before


def test_a_method_of_an_object_in_a_closure_counts(tmp_path: Path) -> None:
    ops = (
        f"{HEAD}def make(c):\n    class Op:\n        def execute(self, x):\n"
        "            return c.cut(x)\n    return Op\nOp = make(Config(3))\n"
    )
    sources = Sources(tmp_path, {"app/ops.py": ops, "app/settings.py": SETTINGS})
    assert sources.fingerprint("app.ops:Op") != sources.edited("app/settings.py", "x > 5", "x > 6").fingerprint(
        "app.ops:Op"
    )


@pytest.mark.parametrize(
    "ops",
    [
        "def a(x):\n    return b(x)\ndef b(x):\n    return a(x)\nclass Op:\n    go = a\n",
        "class Op:\n    def clone(self):\n        return Op()\n",
        (
            "def make():\n    def f(x):\n        return g(x)\n    def g(x):\n        return f(x)\n"
            "    class Op:\n        def execute(self, x):\n            return f(x), Op\n"
            "    return Op\nOp = make()\n"
        ),
        (
            "import threading\ndef make(k):\n    k.append(k)\n    class Op:\n"
            "        def execute(self, x):\n            return k, lock\n"
            "    lock = threading.Lock()\n    return Op\nOp = make([])\n"
        ),
        (
            "def make():\n    class Op:\n        def execute(self, x):\n            return later\n"
            "    return Op\n    later = 3\nOp = make()\n"
        ),
        "import enum\nclass Op(enum.Enum):\n    A = 1\n",
        "import typing\nclass Op(typing.NamedTuple):\n    a: int = 1\n",
        "import dataclasses\n@dataclasses.dataclass\nclass Op:\n    a: int = 1\n",
        "import typing\nT = typing.TypeVar('T')\nclass Op(typing.Generic[T]):\n    a: T\n",
        "import abc\nclass Op(abc.ABC):\n    @abc.abstractmethod\n    def execute(self): ...\n",
        (
            "class Op:\n    def __getattr__(self, name):\n        raise RuntimeError(name)\n"
            "class Meta(type):\n    def __getattr__(cls, name):\n"
            "        raise RuntimeError(name)\ndef make(o):\n    class Op(metaclass=Meta):\n"
            "        def execute(self):\n            return o\n    return Op\nOp = make(Op())\n"
        ),
        "x = " + "+".join(["1"] * 800) + "\nclass Op:\n    def execute(self):\n        return x\n",
    ],
    ids=[
        "mutual recursion",
        "itself",
        "nested recursion",
        "a lock and a cycle",
        "not set yet",
        "enum",
        "named tuple",
        "dataclass",
        "generic",
        "abstract",
        "hostile attributes",
        "a very long expression",
    ],
)
def test_ordinary_and_odd_classes_have_a_fingerprint_that_stays(tmp_path: Path, ops: str) -> None:
    sources = Sources(tmp_path, {"app/ops.py": ops})
    first = sources.fingerprint("app.ops:Op")
    assert first is not None
    assert sources.fingerprint("app.ops:Op") == first


@pytest.mark.parametrize("wrapper", ["scaled", "politely"])
def test_the_argument_of_a_wrapper_in_a_closure_counts(tmp_path: Path, wrapper: str) -> None:
    ops = f"{HEAD}{WRAPPERS}{FUNCTION}Op = make({wrapper}(2)(double))\n"
    sources = Sources(tmp_path, {"app/ops.py": ops, "app/settings.py": SETTINGS})
    edited = sources.edited("app/ops.py", f"{wrapper}(2)", f"{wrapper}(3)")
    assert sources.fingerprint("app.ops:Op") != edited.fingerprint("app.ops:Op")
