"""What stands for a value that is not here: in another process, on another machine, in a file?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

__all__ = ["Handle", "value_of", "values_of"]


class Handle(ABC):
    """Stands for a value between two nodes, so that it is brought here only if somebody here needs it."""

    __slots__ = ("__weakref__",)

    @abstractmethod
    def value(self) -> Any:
        """Brings the value here; each call may bring another copy of it."""


def value_of(item: Any) -> Any:
    """The value itself, whether it is here or a handle stands for it."""
    return item.value() if isinstance(item, Handle) else item


def values_of(items: Iterable[Any]) -> list[Any]:
    """The values themselves; see `value_of`."""
    return [item.value() if isinstance(item, Handle) else item for item in items]
