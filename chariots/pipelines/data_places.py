"""Where is the data that a node loads or saves, and is it still the same?

Savers live above this floor. A node is given one, or names a place; what makes a saver of the name is known here by its
own name only, and imported when the first place is used.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pkgutil
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, cast

__all__ = ["Place", "Saver"]

_SAVER_OF_URL = "chariots.op_store.savers:from_url"
_MOST_SAVERS = 64  # that are kept for the next run; each has the connections to its bucket


class Saver(Protocol):
    """A place that keeps bytes, as those of `chariots.op_store.savers` are.

    One that has a method ``stamp(path)`` is asked for what changes with the bytes, before they are read once more only
    to find out whether they have; one that has ``load_stream(path)`` is read in pieces for that.
    """

    def save(self, serialized_object: bytes, path: str) -> bool:
        """Keeps bytes under a path; a reader sees the old bytes or the new, whole."""

    def load(self, path: str) -> bytes:
        """Returns the bytes under a path; FileNotFoundError where there are none."""


class Place:
    """A file, or whatever stands for one where a saver keeps bytes.

    Args:
        who: for whom, for the message.
        path: where below the root of the saver; without a saver the path of a file, or a URL.
        saver: who keeps it.

    Raises:
        ValueError: if it names nothing that bytes could be kept in.
        TypeError: if the saver is none.
    """

    def __init__(self, who: str, path: str | os.PathLike[str], saver: Saver | None) -> None:
        self.path = os.fspath(path)
        self.saver = saver
        if saver is not None and not (hasattr(saver, "save") and hasattr(saver, "load")):
            raise TypeError(
                f"{who} was given saver={saver!r:.80}; give an object with the methods load(path) and save(bytes, path)"
                ", such as chariots.op_store.savers.from_url(...)"
            )
        self._parts = urllib.parse.urlsplit(self.path) if saver is None and "://" in self.path else None
        if not self.path or self.path.endswith("/"):
            raise ValueError(f"{who} was given the path {self.path!r}, which names no file; give one")
        if self._parts is not None:
            self._check_url(who, self._parts)

    @property
    def name(self) -> str:
        """The name of the file, without the folders."""
        name = self.path.replace(os.sep, "/").rpartition("/")[2]
        return name if self._parts is None else urllib.parse.unquote(name)

    def __str__(self) -> str:
        return repr(self.path)

    def read(self) -> bytes:
        """Returns the bytes; FileNotFoundError where there are none."""
        saver, path = self._found()
        return saver.load(path)

    def write(self, data: bytes) -> None:
        """Replaces the bytes, at once and whole.

        Raises:
            OSError: if they are not kept.
        """
        saver, path = self._found()
        if saver.save(data, path) is False:
            raise OSError(f"{type(saver).__name__} did not keep what was to be written to {self}; see what it says")

    def stamp(self) -> str | None:
        """What is certain to change with the bytes; None where nobody knows such a thing.

        Raises:
            FileNotFoundError: if there are no bytes.
        """
        saver, path = self._found()
        ask: Any = getattr(saver, "stamp", None)
        return None if ask is None else ask(path)

    def digest(self) -> str:
        """The SHA-1 of the bytes, in hex digits; FileNotFoundError where there are none."""
        saver, path = self._found()
        stream: Any = getattr(saver, "load_stream", None)
        pieces: Iterable[bytes] = (saver.load(path),) if stream is None else stream(path)
        digest = hashlib.sha1(usedforsecurity=False)
        for piece in pieces:
            digest.update(piece)
        return digest.hexdigest()

    def _check_url(self, who: str, parts: urllib.parse.SplitResult) -> None:
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(
                f"{who} was given a {parts.scheme}:// URL with a password, a '?' or a '#' in it, which it has no place "
                "for; put settings into the environment, or give a saver; write a '#' of a name as %23"
            )
        is_local = parts.scheme == "file"
        if is_local != (parts.netloc in ("", "localhost")) or len(parts.path) < 2:
            form = "file:///folder/name.csv" if is_local else f"{parts.scheme}://bucket/name.csv"
            raise ValueError(f"{who} was given the URL {self.path!r}, which names no file; give one, as in {form!r}")

    def _found(self) -> tuple[Saver, str]:
        """The saver, and where below its root; looked for at each use, for a relative path and a link may change."""
        if self.saver is not None:
            return self.saver, self.path
        if self._parts is not None and self._parts.scheme != "file":
            return _saver_of(self.path.rpartition("/")[0]), self.name
        path = self.path if self._parts is None else urllib.request.url2pathname(self._parts.path)
        place = Path(path).expanduser().resolve()  # to where a link leads, for a saver does not follow it
        return _saver_of(place.parent.as_uri()), place.name


@functools.lru_cache(maxsize=_MOST_SAVERS)
def _saver_of(url: str) -> Saver:
    return cast("Saver", pkgutil.resolve_name(_SAVER_OF_URL)(url))
