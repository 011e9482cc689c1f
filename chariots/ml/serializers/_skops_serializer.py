"""How does a scikit-learn model travel without the reader having to trust its author?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from chariots.ml.serializers._base_serializer import BaseSerializer, not_installed
from chariots.ml.serializers._steady_zip import steady_zip

__all__ = ["SkopsSerializer"]

# A skops file names objects by their addresses, which differ from one saving to the next.
ADDRESSES = re.compile(rb'"(?:__id__": |file": ")(\d+)')


class SkopsSerializer(BaseSerializer):
    """Keeps scikit-learn models in the skops format; the types in it are checked before anything is built.

    Types that skops knows to be harmless are accepted. Others, your own and some of scikit-learn's, are
    refused when saving as when loading, until a subclass names them:

    >>> class ForestSerializer(SkopsSerializer):
    ...     trusted = ["sklearn.tree._tree.Tree"]
    """

    format_name = "skops"

    #: The types to accept beyond those that skops accepts by itself, as the error message prints them.
    trusted: ClassVar[Sequence[str]] = ()

    def serialize_object(self, target: Any) -> bytes:
        """Turns a model into bytes.

        Raises:
            TypeError: if the model holds types that this serializer would refuse to load.
            ImportError: if skops is not installed.
        """
        io = _skops_io()
        data = _renumbered(io.dumps(target))
        self._check(io.get_untrusted_types(data=data), f"a {type(target).__name__} that was to be saved")
        return data

    def deserialize_object(self, serialized_object: bytes) -> Any:
        """Turns bytes back into a model.

        Raises:
            TypeError: if the bytes hold types that are not trusted; nothing was built from them then.
            ImportError: if skops is not installed.
        """
        io = _skops_io()
        self._check(io.get_untrusted_types(data=serialized_object), "what was to be loaded")
        return io.loads(serialized_object, trusted=list(self.trusted))

    def _check(self, found: Sequence[str], what: str) -> None:
        unknown = sorted(set(found) - set(self.trusted))
        if unknown:
            raise TypeError(
                f"{type(self).__name__} found types it does not trust in {what}: {', '.join(unknown)}. If "
                "you know them and trust the source of the bytes, derive a serializer with trusted = "
                f"{[*self.trusted, *unknown]!r}; otherwise leave the bytes alone."
            )


def _skops_io() -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise not_installed("SkopsSerializer", "skops", "skops", error) from error
    return skops.io


def _renumbered(data: bytes) -> bytes:
    """Replaces addresses by numbers in the order of their appearance: equal models give equal bytes."""
    numbers: dict[bytes, bytes] = {}

    def edit(name: str, content: bytes) -> tuple[str, bytes]:
        if name == "schema.json":
            return name, ADDRESSES.sub(number, content)
        stem, dot, rest = name.partition(".")
        return numbers.get(stem.encode(), stem.encode()).decode() + dot + rest, content

    def number(found: re.Match[bytes]) -> bytes:
        start = found.start(1) - found.start()
        address = found.group(1)
        return found.group()[:start] + numbers.setdefault(address, str(len(numbers)).encode())

    return steady_zip(data, edit, first="schema.json")
