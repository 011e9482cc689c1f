"""Which code does an op run, when the files that it came from may have been edited since?"""

from __future__ import annotations

import os
import stat
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chariots.pipelines.caching.identity import Identity

__all__ = ["Code", "MovedError"]

_Stat = tuple[str, int, int]


class MovedError(Exception):
    """Raised where nobody can say what runs: the source was edited after it was imported."""


class Code:
    """The fingerprints of classes and functions, for one run.

    To fingerprint a class takes milliseconds, so that it is kept with it for as long as none of the files changes. What
    was typed into a session is fingerprinted anew at every run.

    Attributes:
        named: for each class, its name and fingerprint in one text.
        plain: for classes of ops that hold nothing, what each of them computes.
    """

    def __init__(self) -> None:
        self._found: dict[int, tuple[Any, str | None]] = {}
        self._stats: dict[str, _Stat | None] = {}
        self.named: dict[type, str] = {}
        self.plain: dict[type, Identity] = {}

    def of(self, target: Any, made: float) -> str | None:
        """The fingerprint of a class or function; None where Python has no source for it.

        Args:
            target: the class or function.
            made: when it was made, in seconds since 1970, or a little later.

        Raises:
            MovedError: if a file was written after that, so that the text is not what runs.
        """
        known = self._found.get(id(target))
        if known is None:
            known = self._found[id(target)] = (target, self._look(target, made))
        return known[1]

    def _look(self, target: Any, made: float) -> str | None:
        kept = _KEPT.get(target)
        if kept is not None and all(self._stat(known[0]) == known for known in kept[1]):
            return kept[0]
        from chariots.versioning.fingerprint import fingerprint_and_files

        fingerprint, files = fingerprint_and_files(target)
        stats = [self._stat(file) for file in files]
        whole = [found for found in stats if found is not None]
        # Of a text that was known before and says the same, it does not matter when it was written.
        if kept is None or kept[0] != fingerprint:
            for file, written, _ in whole:
                if written > made * 1e9:
                    raise MovedError(
                        f"{file} was edited after {getattr(target, '__qualname__', target)!r} had been imported from "
                        "it, so that nobody can tell what runs; start again, or reload it"
                    )
        if fingerprint is not None and len(whole) == len(stats):
            _KEPT[target] = (fingerprint, whole)
        return fingerprint

    def _stat(self, file: str) -> _Stat | None:
        if file not in self._stats:
            try:
                found = os.stat(file)  # noqa: PTH116  # a Path costs more than the question
            except OSError:
                self._stats[file] = None  # typed in, or inside an archive
            else:
                is_text = not stat.S_ISDIR(found.st_mode)  # a package without __init__ is known by its folder
                self._stats[file] = (file, found.st_mtime_ns, found.st_size) if is_text else (file, 0, 0)
        return self._stats[file]


_KEPT: weakref.WeakKeyDictionary[Any, tuple[str, list[_Stat]]] = weakref.WeakKeyDictionary()
