"""Which difference between two versions counts as a mismatch, and what does the running code declare?"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from chariots.versioning import VersionType

if TYPE_CHECKING:
    from chariots.pipelines.ops import BaseOp
    from chariots.pipelines.store import Level

__all__ = ["LEVELS", "level", "running_fingerprint", "strictest"]

LEVELS: tuple[Level, ...] = ("major", "minor", "patch")  # from the most tolerant to the strictest


def level(given: VersionType | str | None, asked: str = "mismatch_on") -> Level:
    """Reads what was given as ``mismatch_on``.

    Args:
        given: a subversion or its name; None means major.
        asked: where it was given, for the message.

    Returns:
        the name of the subversion.

    Raises:
        ValueError: if it is no subversion.
    """
    name = "major" if given is None else given.value if isinstance(given, VersionType) else given
    if name not in LEVELS:
        raise ValueError(
            f"{asked} was given mismatch_on={given!r}, which is no subversion; give 'major', 'minor' or 'patch', or "
            "VersionType.MAJOR, VersionType.MINOR or VersionType.PATCH"
        )
    return name


def strictest(*given: VersionType | str | None) -> Level:
    """The strictest of several settings of ``mismatch_on``; None asks for nothing."""
    return max((level(each) for each in given), key=LEVELS.index, default="major")


def running_fingerprint(op: BaseOp) -> str | None:
    """The code fingerprint of an op, found once for each class: a pipeline that is loaded again does not pay again.

    Args:
        op: the op.

    Returns:
        the fingerprint as it was when it was first asked for; None where the source is not to be had.
    """
    kind = type(op)
    if kind not in _fingerprints:
        _fingerprints[kind] = op.code_fingerprint
    return _fingerprints[kind]


_fingerprints: WeakKeyDictionary[type, str | None] = WeakKeyDictionary()
