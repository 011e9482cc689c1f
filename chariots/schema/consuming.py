"""How is a large JSON text read whose bytes nobody needs afterwards, in little more room than what it becomes?

The values of a large array are read window by window, and the bytes that were read are given up on the way. Where a
window may end is not looked for but tried: the text up to a comma, with a bracket behind it, is JSON only if the comma
stands between two values of the array.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import orjson

from chariots.schema.decode import holds_long_integers, loads

__all__ = ["loads_consuming"]

WINDOW = 2**20  # bytes
_MOST_TRIES = 50  # to find the end of a window
_MOST_FAILURES = 2  # windows without an end: then there is one value much larger than a window
# What stands before a comma between two values, the likely ones first: the end of a row, of a record, of a text.
_ENDS = (b"],", b"},", b'",', b",")
_WHITE = b" \t\r\n"


def loads_consuming(text: bytearray) -> Any:
    """Reads JSON as `chariots.schema.loads` does, and uses the text up.

    Args:
        text: UTF-8; its content is undefined afterwards.

    Returns:
        dict, list, str, int, float, bool or None.

    Raises:
        MalformedRequestError: for anything else than JSON.
    """
    if len(text) <= WINDOW or text[:1] != b"[" or holds_long_integers(text):
        return loads(text)
    window = bytearray()
    values: list[Any] = []
    failures = 0
    for piece in _given_up(text):
        if window and failures < _MOST_FAILURES:
            failures += not _read_window(window, values)
        window += piece if window or values else piece[1:]  # without the first bracket
    if values and window.lstrip(_WHITE)[:1] == b"]":
        window[:0] = b","  # a comma that no value follows, for which the rest is refused
    values += loads(b"[" + window)
    return values


def _given_up(text: bytearray) -> Iterator[bytes]:
    """The pieces of a text, whose room goes back to the system behind them; a heap would keep it."""
    size = len(text)
    with mmap.mmap(-1, size) as room:
        room.write(text)
        text.clear()
        for start in range(0, size, WINDOW):
            yield room[start : start + WINDOW]
            if WINDOW % mmap.PAGESIZE == 0 and hasattr(mmap, "MADV_DONTNEED"):
                room.madvise(mmap.MADV_DONTNEED, start, min(WINDOW, size - start))


def _read_window(window: bytearray, values: list[Any]) -> bool:
    """Moves what is whole in a window to the list; False where no end of a value was found."""
    for end in _candidates(window):
        try:
            found = orjson.loads(b"[" + window[:end] + b"]")
        except orjson.JSONDecodeError:
            continue
        if not found:
            return False  # nothing before a comma, which the rest is refused for
        values += found
        del window[: end + 1]
        return True
    return False


def _candidates(window: bytearray) -> Iterator[int]:
    """The places of the last commas of a window."""
    for end in _ENDS:
        place = len(window)
        for _ in range(_MOST_TRIES // len(_ENDS)):
            place = window.rfind(end, 0, place)
            if place < 0:
                break
            yield place + len(end) - 1
