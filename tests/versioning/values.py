"""Many values, no two of which have the same content."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import math
import operator
import pathlib
import re
import textwrap
import threading
import types
import typing
import uuid
import zoneinfo
from typing import Any, NamedTuple

import pydantic
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: int
    y: Any = None


@dataclasses.dataclass
class Spot:
    x: int
    y: Any = None


class Pair(NamedTuple):
    a: int
    b: int


class Model(pydantic.BaseModel):
    a: int = 1
    b: list[int] = []


class Told:
    def __init__(self, name: object) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Told({self.name!r})"


class Identified:
    def __init__(self, key: object) -> None:
        self.key = key
        self.lock = threading.Lock()

    def __chariots_hash__(self) -> object:
        return self.key


class Name(str):
    pass


class Numbers(list[int]):
    pass


def add(x: int, y: int = 2) -> int:
    return x + y


def adder(k: object) -> Any:
    return lambda x: (x, k)


def counter() -> Any:
    def count(n: int) -> int:
        return n and count(n - 1)

    return count


PARIS = zoneinfo.ZoneInfo("Europe/Paris")
MOMENT = datetime.datetime(2020, 1, 2, 3, 4, 5, 6)
VALUES: dict[str, Any] = {
    "one": 1,
    "one as text": "1",
    "one as bytes": b"1",
    "one as a float": 1.0,
    "true": True,
    "true as text": "True",
    "one as complex": 1 + 0j,
    "a long number": 10**5000,
    "a longer number": 10**5000 + 1,
    "minus one": -1,
    "zero": 0.0,
    "minus zero": -0.0,
    "not a number": math.nan,
    "infinity": math.inf,
    "nothing": None,
    "an ellipsis": ...,
    "no text": "",
    "no bytes": b"",
    "a bytearray": bytearray(b"1"),
    "a lone surrogate": "\ud800",
    "a list": [1],
    "a tuple": (1,),
    "a list of text": ["1"],
    "a list of true": [True],
    "a list of a float": [1.0],
    "a list of a list": [[1]],
    "two items": [1, 2],
    "two items turned": [2, 1],
    "two lists": [[1], [2]],
    "two in one": [[1, 2]],
    "an empty list": [],
    "an empty tuple": (),
    "an empty dictionary": {},
    "an empty set": set(),
    "an empty frozen set": frozenset(),
    "a set": {1, 2},
    "a frozen set": frozenset({1, 2}),
    "a set of text": {"1", "2"},
    "a dictionary": {"a": 1},
    "a dictionary of text": {"a": "1"},
    "a dictionary by number": {1: "a"},
    "a nested dictionary": {"a": {"a": 1}},
    "a range": range(3),
    "another range": range(0, 3, 2),
    "a slice": slice(3),
    "an enum member": Color.RED,
    "another enum member": Color.BLUE,
    "a flag": Access.READ,
    "two flags": Access.READ | Access.WRITE,
    "a moment": MOMENT,
    "a moment later on": MOMENT.replace(fold=1),
    "a moment in UTC": MOMENT.replace(tzinfo=datetime.UTC),
    "a moment in Paris": MOMENT.replace(tzinfo=PARIS),
    "a day": MOMENT.date(),
    "midnight of a day": datetime.datetime(2020, 1, 2),
    "a time": MOMENT.time(),
    "a duration": datetime.timedelta(1, 2, 3),
    "UTC": datetime.UTC,
    "an hour off": datetime.timezone(datetime.timedelta(hours=1)),
    "a zone": PARIS,
    "a decimal": decimal.Decimal("1.0"),
    "a longer decimal": decimal.Decimal("1.00"),
    "a fraction": fractions.Fraction(1, 3),
    "a uuid": uuid.UUID(int=3),
    "a path": pathlib.Path("a/b"),
    "a path as text": "a/b",
    "a pattern": re.compile("a"),
    "a pattern with a flag": re.compile("a", re.IGNORECASE),
    "a pattern of bytes": re.compile(b"a"),
    "a function": add,
    "a function with a value": adder(1),
    "a function with another value": adder(2),
    "a function with a function": adder(add),
    "a function that calls itself": counter(),
    "one of two lambdas": [lambda x: x + 1, lambda x: x + 2][0],
    "the other lambda": [lambda x: x + 1, lambda x: x + 2][1],
    "a constant lambda": (lambda: 1, lambda: 2)[0],
    "another constant lambda": (lambda: 1, lambda: 2)[1],
    "a builtin": len,
    "another builtin": abs,
    "a function of the standard library": textwrap.dedent,
    "a method of a value": [1].append,
    "a method of another value": [2].append,
    "a method of a type": str.upper,
    "a method of an object": Told(1).__repr__,
    "a method of another object": Told(2).__repr__,
    "a partial": functools.partial(add, 1),
    "another partial": functools.partial(add, 2),
    "a getter": operator.itemgetter("a"),
    "a class": Point,
    "another class": Spot,
    "a builtin class": int,
    "a generic class": list[int],
    "another generic class": list[str],
    "an optional": int | None,
    "a literal": typing.Literal["a"],
    "a module": math,
    "a dataclass": Point(1),
    "another dataclass": Point(1, 2),
    "a dataclass of another class": Spot(1),
    "a nested dataclass": Point(1, Point(1)),
    "a named tuple": Pair(1, 2),
    "a plain pair": (1, 2),
    "a model": Model(),
    "another model": Model(b=[1]),
    "an estimator": Ridge(),
    "another estimator": Ridge(alpha=2),
    "a pipeline": make_pipeline(StandardScaler(), Ridge()),
    "another pipeline": make_pipeline(StandardScaler(), Ridge(alpha=2)),
    "a transformer with a function": FunctionTransformer(add),
    "a transformer with another function": FunctionTransformer(adder),
    "an object with a text": Told(1),
    "another object with a text": Told("1"),
    "an object that says": Identified(1),
    "another object that says": Identified("1"),
    "a subclass of text": Name("1"),
    "a subclass of list": Numbers([1]),
    "an ordered dictionary": collections.OrderedDict(a=1, b=2),
    "an ordered dictionary turned": collections.OrderedDict(b=2, a=1),
    "a default dictionary": collections.defaultdict(list, a=1),
    "another default dictionary": collections.defaultdict(set, a=1),
    "a counter": collections.Counter("aab"),
    "a deque": collections.deque([1], 3),
    "a longer deque": collections.deque([1], 4),
    "a user's dictionary": collections.UserDict(a=1),
    "a view of a dictionary": types.MappingProxyType({"a": 1}),
}
