"""Is a value refused before it runs just where no value of its type would do?"""

from __future__ import annotations

import collections
import datetime
import enum
import numbers
import pathlib
import typing
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, Protocol, TypedDict, TypeVar, Union

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from chariots.pipelines.hint_overlap import may_pass

T = TypeVar("T")
UserId = NewType("UserId", int)


class Base: ...


class Child(Base): ...


class Other: ...


class Speaks(Protocol):
    def speak(self) -> str: ...


class Row(TypedDict):
    name: str


class Point(NamedTuple):
    x: int


class Colour(enum.IntEnum):
    RED = 1


@dataclass
class Box(typing.Generic[T]):
    content: T


class Awkward(type):
    def __subclasscheck__(cls, other):
        raise RuntimeError("asked")


class Asked(metaclass=Awkward): ...


FREE = [
    (int, int),
    (int, Any),
    (Any, int),
    (int, object),
    (object, int),
    (int, T),
    (T, int),
    (Other, Speaks),
    (Speaks, int),
    (int, float),
    (bool, int),
    (int, complex),
    (float, int),  # an int is what a float may be
    (Colour, int),
    (np.float32, float),
    (float, np.float64),
    (np.int64, np.float64),
    (np.float32, numbers.Real),
    (bytes, bytearray),
    (Child, Base),
    (Base, Child),
    (datetime.datetime, datetime.date),
    (pd.Timestamp, datetime.datetime),
    (Optional[int], int),  # noqa: UP045
    (int, Optional[int]),  # noqa: UP045
    (int | str, str | bytes),
    (Union[int, str], str),  # noqa: UP007
    (None, int | None),
    (list[int], list[int]),
    (list[int], list),
    (list, list[int]),
    (list[int], list[float]),
    (list[int], Sequence[int]),
    (list[int], Iterable[Any]),
    (tuple[int, str], tuple[int, str]),
    (tuple[int, ...], tuple[int, int]),
    (tuple[int, int], Sequence[int]),
    (tuple[int, str], tuple),
    (dict[str, int], Mapping[str, float]),
    (dict[str, int], Iterable[str]),
    (collections.Counter[str], dict[str, int]),
    (Generator[int, None, None], Iterator[int]),
    (str, Sequence[str]),
    (npt.NDArray[np.float64], np.ndarray),
    (npt.NDArray[np.float64], npt.NDArray[np.int64]),
    (np.ndarray, Sequence[float]),  # it has a length, and can be indexed
    (Sequence[float], np.ndarray),
    (pd.DataFrame, Iterable[str]),
    (pd.DataFrame, pd.DataFrame),
    (Mapping[int, str], Sequence[int]),  # a class could be both
    (Annotated[int, "of some kind"], int),
    (UserId, int),
    (Literal["a"], str),
    (str, Literal["a", "b"]),
    (Literal["a", "c"], Literal["a", "b"]),
    (Row, dict),
    (dict[str, str], Row),
    (Point, tuple),
    (Box[int], Box[int]),
    (Box[int], Box),
    (Callable[[int], str], Callable[..., int]),
    (type(print), Callable[..., Any]),
    (typing.NoReturn, int),
    (Asked, Other),
    (typing.List[int], list[int]),  # noqa: UP006
    (type[Child], type[Base]),
]

WRONG = [
    (str, int),
    (int, str),
    (None, int),
    (int, None),
    (bytes, str),
    (pathlib.Path, str),
    (Base, Other),
    (str, Colour),
    (int | None, str),
    (int | float, str | bytes),
    (list[int], list[str]),
    (list[int], Sequence[str]),
    (list[int], tuple[int, ...]),
    (list[int], dict[str, int]),
    (tuple[int, str], tuple[str, int]),
    (tuple[int, str], tuple[int, str, int]),
    (tuple[int, ...], tuple[str, ...]),
    (tuple[int, str], Sequence[int]),
    (dict[str, int], dict[str, str]),
    (dict[str, int], Mapping[int, int]),
    (dict[str, int], Iterable[int]),
    (dict[str, int], Sequence[str]),
    (Iterator[int], list[int]),
    (int, Iterable[int]),
    (int, Callable[..., Any]),
    (pd.DataFrame, pd.Series),
    (pd.DataFrame, np.ndarray),
    (np.ndarray, list),
    (np.float64, str),
    (npt.NDArray[np.str_], npt.NDArray[np.float64]),
    (Literal["a"], int),
    (Literal["a"], Literal["b"]),
    (Literal[1], Literal[True]),
    (int, Literal["a"]),
    (Row, list),
    (Annotated[int, "of some kind"], str),
    (UserId, str),
    (Box[int], Box[str]),
    (list[list[int]], list[list[str]]),
    (typing.List[int], str),  # noqa: UP006
]


@pytest.mark.parametrize(("given", "wanted"), FREE, ids=str)
def test_what_may_do(given, wanted):
    assert may_pass(given, wanted)


@pytest.mark.parametrize(("given", "wanted"), WRONG, ids=str)
def test_what_is_certain_to_be_wrong(given, wanted):
    assert not may_pass(given, wanted)
