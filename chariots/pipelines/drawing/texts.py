"""How much of a text is shown, in what form, and how wide is it?"""

from __future__ import annotations

import unicodedata
from html import escape

__all__ = ["escaped", "shortened", "visible", "width_of"]

LONGEST = 80  # characters of a value that are shown

# How wide letters are in the sans-serif fonts of the usual systems, as a share of the size of the font; the widest of
# them counts, so that a box is wide enough whatever is installed.
_NARROW = frozenset("iIjl.,:;'|!()[]{}` ")
_WIDE = frozenset("mwMW@%")
_BOLD = 1.09


def visible(text: str) -> str:
    """A text without anything that would steer a terminal or has no place in a file."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """A text in one line that is not too long.

    Args:
        text: the text.
        longest: how many characters of it are shown.
    """
    line = visible(" ".join(text.split()))
    return line if len(line) <= longest else line[: longest - 3] + "..."


def escaped(text: str) -> str:
    """A text as XML may hold it: control characters have no place in it, not even escaped."""
    return escape("\n".join(map(visible, text.split("\n"))))


def width_of(text: str, size: float, *, is_bold: bool = False) -> float:
    """How wide a text is at most.

    Args:
        text: the text, in one line.
        size: the size of its font.
        is_bold: whether it is set in bold.
    """
    return sum(map(_letter, text)) * size * (_BOLD if is_bold else 1.0)


def _letter(letter: str) -> float:
    if letter in _NARROW:
        return 0.36
    if letter in _WIDE:
        return 0.96
    if letter.isascii():
        return 0.74 if letter.isupper() else 0.6
    if unicodedata.combining(letter):
        return 0.0
    return 1.25 if unicodedata.east_asian_width(letter) in "WF" else 0.8
