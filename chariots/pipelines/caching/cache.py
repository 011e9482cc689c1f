"""Where is the output of a node kept, and how is it found again?"""

from __future__ import annotations

import base64
import hashlib
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from chariots.errors import ChariotsError
from chariots.pipelines.caching.entries import Entry, Output, Question, key_of, question_from_bytes, question_to_bytes
from chariots.pipelines.caching.forms import from_bytes, to_bytes
from chariots.pipelines.caching.limits import NEWEST, Limits
from chariots.pipelines.caching.places import Folder, Place, default_folder

__all__ = ["NodeCache", "default_cache"]

_logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

_INLINE = 4096  # bytes that an entry carries itself
_NOTED = 3600.0  # seconds between two notes that an entry was used, where a note is a request to a service
_PAUSE = 60.0  # seconds without the place once it has failed: asking it costs time
_OLD, _GONE, _DAMAGED = "the entry is older than {:g} s", "its entry is gone", "its entry is damaged"


class NodeCache:
    """Keeps what nodes returned, and finds it again where the same node is given the same inputs.

    A cache may be used by many threads, processes and machines at a time, and may be emptied while it is used. It holds
    nothing that could not be computed again.

    Args:
        place: a directory, or a saver (`FileSaver`, `S3Saver`, ...) for machines that share no disk. By default the
            directory that the variable ``CHARIOTS_CACHE_DIR`` names, else ``chariots/nodes`` in the cache directory of
            the user.
        max_bytes: how much is kept; what was not used for longest is given up first. None for any amount.
        max_age: for how many seconds after its run an output is used. None for ever.
        pickles: whether values that have no safer form are pickled. Reading a pickle runs code of whoever wrote it;
            with False none is read or written, and a node whose output has no other form is refused.

    Raises:
        ValueError: if a limit is none.
        TypeError: if the place is neither a path nor a saver.
    """

    def __init__(
        self,
        place: str | os.PathLike[str] | Place | None = None,
        *,
        max_bytes: int | None = None,
        max_age: float | None = None,
        pickles: bool = True,
    ) -> None:
        for name, limit in (("max_bytes", max_bytes), ("max_age", max_age)):
            if limit is not None and not 0 < limit < math.inf:
                raise ValueError(f"a NodeCache was given {name}={limit!r}; give a number above 0, or None for no limit")
        #: The directory or saver.
        self.place: Any = place
        if place is None or isinstance(place, str | os.PathLike):
            self.place = Folder(default_folder() if place is None else place)
        elif not (hasattr(place, "save_stream") and hasattr(place, "load")):
            raise TypeError(f"a NodeCache cannot keep anything in {place!r}; give a directory, or a saver")
        self.max_bytes, self.max_age, self.pickles = max_bytes, max_age, pickles
        self._limits = Limits(self.place, max_bytes, max_age)
        self._down_until = 0.0

    def find(self, key: str) -> tuple[Entry | None, str]:
        """Looks for what was kept under a key.

        Args:
            key: from `key_of`.

        Returns:
            the entry; or None, and what is in the way of using the one that is there, if there is one.
        """
        path = f"{key[:2]}/{key}.entry"
        try:
            entry = Entry.from_bytes(self._asked(lambda: self.place.load(path)))
        except FileNotFoundError:
            return None, ""
        except (ValueError, KeyError, TypeError):
            return None, _DAMAGED
        if entry.key != key:
            return None, _DAMAGED
        if self.max_age is not None and entry.created < time.time() - self.max_age:
            return None, _OLD.format(self.max_age)
        if not self.pickles and any(output.form == "pickle" for output in entry.outputs):
            return None, "its entry holds a pickle, which this cache does not read"
        self._note_use(entry, path)
        return entry, ""

    def load(self, entry: Entry, index: int, whose: str) -> Any:
        """Reads one output of an entry.

        Args:
            entry: the entry.
            index: which of its outputs.
            whose: the node, for the messages.

        Returns:
            the value, which belongs to the caller.

        Raises:
            LookupError: if it is gone or damaged, so that the node has to run again.
        """
        output = entry.outputs[index]
        try:
            data = output.inline()
            if data is None:
                data = self._asked(lambda: self.place.load(_value_path(entry.key, output)))
            if len(data) != output.size or hashlib.sha256(data).hexdigest() != output.sha256:
                raise ValueError("its bytes are not those that were written")
            return from_bytes(output.form, data if isinstance(data, bytearray) else bytearray(data), self.pickles)
        except Exception as error:
            if not isinstance(error, FileNotFoundError):
                # What unpickling may raise has no end: a class that has moved, above all.
                _logger.warning("an output of %s cannot be read from the cache, so it runs again: %s", whose, error)
            raise LookupError(f"output {index} of {whose} is not to be had: {error}") from error

    def keep(self, question: Question, values: Sequence[tuple[Any, str | None]], seconds: float) -> Entry:
        """Keeps what a node returned.

        Args:
            question: what it was asked.
            values: each output, and its content where that can be told.
            seconds: how long it took.

        Returns:
            the entry; also where the place had no room for it, which is logged.

        Raises:
            NotKeptError: if an output has no form in which it may be kept.
        """
        written = [self._written(value, content) for value, content in values]
        now = time.time()
        entry = Entry(key_of(question), tuple([output for output, _ in written]), seconds, now, now)
        if self.max_bytes is not None and entry.size > self.max_bytes:
            _logger.warning(
                "what node %r returned has %d bytes, and is not kept in a cache of %d", question.node, entry.size,
                self.max_bytes,
            )  # fmt: skip
            return entry
        try:
            # The entry comes last: while it is not there, nobody asks for the values.
            for output, pieces in written:
                if output.data is None:
                    self._save(pieces, _value_path(entry.key, output))
            data = entry.to_bytes()
            self._save((data,), f"{entry.key[:2]}/{entry.key}.entry")
            self._save((question_to_bytes(question),), _newest_path(question.pipeline, question.node))
            self._asked(lambda: self._limits.added(entry.size + len(data)))
        except FileNotFoundError as error:
            _logger.warning("what node %r returned is not kept: %s", question.node, error)
        return entry

    def newest(self, pipeline: str, node: str) -> Question | None:
        """What a node was asked when it last ran and was kept; None if nothing is known of that.

        Args:
            pipeline: the name of the pipeline.
            node: the name of the node.
        """
        try:
            return question_from_bytes(self._asked(lambda: self.place.load(_newest_path(pipeline, node))))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def tidy(self) -> int:
        """Gives up what is too old, what is too much, and what writers left that were killed.

        Returns:
            how many bytes are kept then.
        """
        return self._limits.enforce()

    def clear(self) -> None:
        """Gives up everything."""
        for kept in list(self.place.list()):
            try:
                self.place.delete(kept.path)
            except FileNotFoundError:
                continue  # another process was faster

    def __repr__(self) -> str:
        return f"NodeCache({self.place!r})"

    # -- how ------------------------------------------------------------------------------------------------------

    def _written(self, value: Any, content: str | None) -> tuple[Output, Sequence[Any]]:
        form, pieces = to_bytes(value, content, self.pickles)
        sha = hashlib.sha256()
        for piece in pieces:
            sha.update(piece)
        size, digest = sum(len(piece) for piece in pieces), sha.hexdigest()
        data = base64.b64encode(b"".join(pieces)).decode() if size <= _INLINE else None
        # What has no content that could be told is known by its bytes: others may stand for the same, and are a miss.
        return Output(content or f"{form} {digest}", form, size, digest, data), pieces

    def _save(self, pieces: Sequence[Any], path: str) -> None:
        if not isinstance(self.place, Folder):
            pieces = [piece if isinstance(piece, bytes) else bytes(piece) for piece in pieces]
        self._asked(lambda: self.place.save_stream(iter(pieces), path))

    def _note_use(self, entry: Entry, path: str) -> None:
        try:
            if isinstance(self.place, Folder):
                self.place.touch(path)
            elif self.max_bytes is not None and entry.used < time.time() - _NOTED:
                self._save((replace(entry, used=time.time()).to_bytes(),), path)
        except OSError:
            return  # it vanished, or is not ours to write; it was read all the same

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        """Asks the place for something; what it cannot do is not there, and the pipeline goes on without it."""
        if time.monotonic() < self._down_until:
            raise FileNotFoundError("the place of the cache has failed a moment ago, and is not asked again yet")
        try:
            return ask()
        except FileNotFoundError:
            raise
        except (OSError, ChariotsError) as error:
            self._down_until = time.monotonic() + _PAUSE
            _logger.warning(
                "the cache at %r does not work, and pipelines do without it for %.0f s: %s: %s", self.place, _PAUSE,
                type(error).__name__, error,
            )  # fmt: skip
            raise FileNotFoundError(f"the place of the cache failed: {error}") from error


def _value_path(key: str, output: Output) -> str:
    return f"{key[:2]}/{key}.{output.sha256[:16]}"


def _newest_path(pipeline: str, node: str) -> str:
    return f"{NEWEST}/{hashlib.sha256(f'{pipeline}/{node}'.encode()).hexdigest()[:32]}"


_made: dict[str, NodeCache] = {}


def default_cache(place: str | os.PathLike[str] | None = None) -> NodeCache:
    """The cache in a directory, by default in the one that is used where none is given; one for each in a process.

    Args:
        place: the directory.
    """
    folder = default_folder() if place is None else os.fspath(place)
    found = _made.get(folder)
    if found is None:
        found = _made.setdefault(folder, NodeCache(folder))
    return found
