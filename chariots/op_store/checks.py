"""Is what a caller gave the store a name, a version, a number, a page? (asked for in words that name the field)"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from chariots.errors import InputError
from chariots.pipelines.mismatch import LEVELS
from chariots.pipelines.store import NodeQuery
from chariots.versioning import Version

__all__ = [
    "LARGEST_NUMBER",
    "LARGEST_PAGE",
    "LONGEST_NAME",
    "check_json",
    "check_name",
    "check_names",
    "check_nodes",
    "check_numbers",
    "check_page",
    "check_pairs",
    "check_unique",
    "check_version",
    "invalid",
]

LARGEST_NUMBER = 2**63 - 1
LARGEST_PAGE = 1000  # entries in one answer
LARGEST_JSON = 4 * 2**20  # characters of what is told beside a version; a page of answers holds many of them
LONGEST_NAME = 255  # characters; names are indexed, and databases limit what an index may hold


def invalid(where: str, expected: str, got: object) -> InputError:
    """Words the refusal of one field.

    Args:
        where: the name of the field.
        expected: what it should have held.
        got: what it held.

    Returns:
        the error, to be raised.
    """
    shown = repr(got)
    shown = shown if len(shown) <= 80 else f"{shown[:76]} ..."
    return InputError(
        f"the field {where!r} was given {shown}, which cannot be used there; give {expected}",
        errors=[{"loc": [where], "expected": expected, "got": shown}],
    )


def check_name(name: str, where: str) -> str:
    """Returns a name if an op or a pipeline may have it.

    Names never become part of a path, so almost anything goes; what remains out are names that a database
    cannot keep or a person cannot see.

    Args:
        name: what was given.
        where: the name of the field.

    Raises:
        InputError: if it is empty, too long or holds characters that cannot be printed.
    """
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise invalid(where, f"a name of 1 to {LONGEST_NAME} characters", name)
    if not name.isprintable():
        raise invalid(where, "a name of printable characters", name)
    return name


def check_names(names: Iterable[str], where: str) -> list[str]:
    """Returns names if all of them may be names, as `check_name` does."""
    return [check_name(name, where) for name in names]


def check_numbers(numbers: Iterable[int], where: str) -> None:
    """Refuses numbers that cannot be the number of a version.

    Args:
        numbers: what was given.
        where: the name of the field.

    Raises:
        InputError: if one is not positive or larger than any database counts.
    """
    for number in numbers:
        if not 0 < number <= LARGEST_NUMBER:
            raise invalid(where, "the number of a version", number)


def check_page(limit: int, before: int | None = None) -> int:
    """Refuses a page that cannot be given.

    Args:
        limit: how many entries were asked for.
        before: the number that those on the page must be smaller than; None to begin with the newest.

    Returns:
        that number, whether or not one was given.

    Raises:
        InputError: if the limit is out of range, or the number is none.
    """
    if not 0 < limit <= LARGEST_PAGE:
        raise invalid("limit", f"a number from 1 to {LARGEST_PAGE}", limit)
    if before is None:
        return LARGEST_NUMBER
    check_numbers([before], "before")
    return before


def check_unique(names: Iterable[str], where: str) -> None:
    """Refuses a name that comes twice.

    Args:
        names: what was given.
        where: the name of the field.

    Raises:
        InputError: if one does.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise invalid(where, "a name that no other has", name)
        seen.add(name)


def check_pairs(pairs: Iterable[Sequence[str]], names: Iterable[str], where: str) -> None:
    """Refuses pairs of which one end is not known.

    Args:
        pairs: what was given.
        names: the names that both ends must be among.
        where: the name of the field.

    Raises:
        InputError: if one is not.
    """
    known = set(names)
    for pair in pairs:
        if not known.issuperset(pair):
            raise invalid(where, "a pair of names that are all in the request", tuple(pair))


def check_nodes(nodes: Sequence[NodeQuery], edges: Iterable[Sequence[str]]) -> None:
    """Refuses what cannot be the nodes of a pipeline and what they read.

    Args:
        nodes: the nodes.
        edges: pairs of names of nodes.

    Raises:
        InputError: if a name, a version, a subversion or an edge is none.
    """
    names = check_names((node.name for node in nodes), "nodes.name")
    for node in nodes:
        check_version(node.version, "nodes.version")
        check_version(node.code_version, "nodes.code_version")
        if node.mismatch_on not in LEVELS:
            raise invalid("nodes.mismatch_on", "'major', 'minor' or 'patch'", node.mismatch_on)
    check_unique(names, "nodes.name")
    check_pairs(edges, names, "edges")


def check_json(value: Any, where: str) -> None:
    """Refuses what no database would keep as JSON, or could not give back with many others at once.

    Args:
        value: what was given.
        where: the name of the field.

    Raises:
        InputError: if it has no form in JSON, holds a number that is not finite, or is too large.
    """
    try:
        size = len(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise invalid(where, f"what JSON has a form for ({error})", value) from error
    if size > LARGEST_JSON:
        raise invalid(where, f"up to {LARGEST_JSON:,} characters of JSON", f"{size:,} characters")


def check_version(text: str, where: str) -> Version:
    """Returns the version that a text stands for.

    Args:
        text: the text of a version.
        where: the name of the field.

    Raises:
        InputError: if it is not one.
    """
    try:
        return Version.parse(text)
    except (ValueError, OverflowError, OSError) as error:
        expected = "a version such as str(op.op_version): three SHA-1 digests joined by dots, '_' and a time"
        raise invalid(where, expected, text) from error
