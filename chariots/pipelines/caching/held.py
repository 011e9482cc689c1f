"""What is a value that nobody has needed yet?"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

from chariots.pipelines.caching.cache import NodeCache
from chariots.pipelines.caching.content import content_of, is_immutable
from chariots.pipelines.caching.entries import Entry
from chariots.pipelines.caching.forms import to_bytes
from chariots.pipelines.handles import Handle, value_of, values_of

__all__ = ["Held", "Source", "as_held", "bytes_of"]

_UNREAD: Any = object()
_lock = threading.Lock()  # held while a reference is set, and never longer


class Source:
    """Where values come from that were found: an entry, and what to do should it vanish before it is read.

    Args:
        cache: the cache.
        entry: what was found in it.
        whose: the node, for the messages.
        args: the arguments of the node, which may be held themselves.
        again: runs the node on plain arguments, and keeps and returns its outputs.
    """

    __slots__ = ("again", "args", "cache", "entry", "whose")

    def __init__(
        self,
        cache: NodeCache,
        entry: Entry,
        whose: str,
        args: Sequence[Any],
        again: Callable[[list[Any]], Sequence[Any]],
    ) -> None:
        self.cache, self.entry, self.whose, self.args, self.again = cache, entry, whose, args, again


class Held(Handle):
    """A value on its way between two nodes, of which the content may be known before anybody has read it.

    What it holds may itself be a handle, for a value in another process; it is asked for the value then.
    """

    __slots__ = ("_content", "_index", "_is_lent", "_source", "_value")

    def __init__(
        self, value: Any = _UNREAD, content: str | None = None, source: Source | None = None, index: int = 0
    ) -> None:
        self._value, self._content, self._source, self._index = value, content, source, index
        self._is_lent = False

    @property
    def known_content(self) -> str | None:
        """What the value holds, where nobody has to look; see `content`."""
        return None if self._is_lent else self._content

    def content(self, where: str) -> str:
        """Names what the value holds.

        Once a node was given the value itself, it is looked at again: the node may have changed it in place.

        Args:
            where: what it is, for the message.

        Raises:
            TypeError: if that cannot be told.
        """
        known = self._content
        if known is not None and not self._is_lent:
            return known
        value = value_of(self._value)
        if known is not None and " " in known:  # known by its bytes, for want of a content
            return bytes_of(value)
        found = content_of(value, where)
        if not self._is_lent:
            self._content = found
        return found

    @property
    def is_read(self) -> bool:
        """Whether the value is here."""
        return self._value is not _UNREAD

    def value(self) -> Any:
        """Returns the value, reading it if need be; whoever gets it may change it in place."""
        if self._value is _UNREAD:
            _read(self)
        if isinstance(self._value, Handle):
            return self._value.value()  # each of its readers gets a copy
        if not is_immutable(self._value):
            self._is_lent = True
        return self._value

    def lend(self) -> Any:
        """Returns what is held, a value or a handle, for whoever passes it on to a node; read if need be."""
        value = self.value() if not isinstance(self._value, Handle) else self._value
        self._is_lent = self._is_lent or not is_immutable(value)
        return value

    def _try(self) -> bool:
        """Reads the value, where it is still kept."""
        source = self._source
        if self._value is not _UNREAD or source is None:
            return True
        try:
            value = source.cache.load(source.entry, self._index, source.whose)
        except LookupError:
            return False
        with _lock:  # of two threads that read it, both get the same object
            if self._value is _UNREAD:
                self._value, self._source = value, None
        return True

    def _run_again(self) -> None:
        source = self._source
        if source is None:
            return
        outputs = source.again(values_of(source.args))
        found = as_held(outputs[self._index])
        with _lock:
            if self._value is _UNREAD:
                # The node may have returned something else than the last time.
                self._value, self._content, self._source = found._value, found._content, None

    def _waits_for(self) -> list[Held]:
        source = self._source
        return [] if source is None else [arg for arg in source.args if isinstance(arg, Held) and not arg.is_read]


def as_held(value: Any) -> Held:
    """A value that several readers may want to know the content of, which is hashed once.

    Args:
        value: anything.
    """
    return value if isinstance(value, Held) else Held(value)


def _read(wanted: Held) -> None:
    """Reads a value; where it has vanished, runs its node again, and before that those that it reads."""
    waiting = [wanted]
    expanded: set[int] = set()
    while waiting:
        held = waiting[-1]
        if held.is_read or held._try():
            waiting.pop()
        elif id(held) in expanded:
            held._run_again()
            waiting.pop()
        else:
            expanded.add(id(held))
            waiting.extend(held._waits_for())


def bytes_of(value: Any) -> str:
    """Names a value by the bytes in which it is kept, where its content cannot be told.

    Args:
        value: what a cached node returned.
    """
    form, pieces = to_bytes(value, None, True)
    return f"{form} {hashlib.sha256(b''.join(pieces)).hexdigest()}"
