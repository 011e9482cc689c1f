"""Which version of something is this, and did anything change since another one?"""

from __future__ import annotations

import enum
import hashlib
import math
import re
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = ["Version", "VersionType"]

_HEX_DIGITS = frozenset("0123456789abcdef")
_HEX_LENGTH = 40
_BUILD = re.compile(r"[a-zA-Z][a-zA-Z0-9.-]*")  # unlike the time zone of a date, and the exponent of a number
_FORM = "<major>.<minor>.<patch>_<creation time>, three SHA-1 hex digests of 40 digits and a Unix time stamp"


class _Digest(Protocol):
    """What a ``hashlib`` object offers of use here."""

    def hexdigest(self) -> str: ...


class VersionType(enum.Enum):
    """The three subversions: what a change means to whoever reads the result."""

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"


def sha1_hex(data: bytes) -> str:
    """The SHA-1 of some bytes, as 40 hex digits; a name for content here, never a signature."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


EMPTY = sha1_hex(b"")


def combine(first: str, second: str) -> str:
    """The digest of one subversion followed by another."""
    return sha1_hex((first + second).encode())


class Version:
    """Three digests (major, minor, patch) and the time they were put together.

    Two versions are equal when their digests are. One is greater than another when they differ and it was
    created later; two different versions of the very same instant are therefore not ordered at all.
    """

    __slots__ = ("_build", "_creation_time", "_major", "_minor", "_patch")

    def __init__(
        self,
        major: _Digest | str | None = None,
        minor: _Digest | str | None = None,
        patch: _Digest | str | None = None,
        creation_time: float | datetime | None = None,
    ) -> None:
        """Starts from nothing, or from digests that were computed before.

        Args:
            major: a SHA-1 ``hashlib`` object or its 40 hex digits; nothing was hashed yet when left out.
            minor: the same for the minor subversion.
            patch: the same for the patch subversion.
            creation_time: seconds since 1970 (UTC) or a datetime; now when left out.

        Raises:
            ValueError: if a digest is not a SHA-1 hex digest or the time is not finite.
        """
        self._major = _as_digest(major, "major")
        self._minor = _as_digest(minor, "minor")
        self._patch = _as_digest(patch, "patch")
        self._creation_time = time.time() if creation_time is None else _as_timestamp(creation_time)
        self._build = ""

    @classmethod
    def _of(cls, major: str, minor: str, patch: str, creation_time: float, build: str = "") -> Version:
        """Builds a version from parts that are known to be well formed."""
        version = cls.__new__(cls)
        version._build = build
        version._major, version._minor, version._patch = major, minor, patch
        version._creation_time = creation_time
        return version

    @property
    def major(self) -> str:
        """The digest of what breaks readers when it changes."""
        return self._major

    @property
    def minor(self) -> str:
        """The digest of what readers may notice when it changes."""
        return self._minor

    @property
    def patch(self) -> str:
        """The digest of what readers should not notice when it changes."""
        return self._patch

    @property
    def creation_time(self) -> float:
        """When this version was put together, in seconds since 1970 (UTC)."""
        return self._creation_time

    @property
    def build(self) -> str:
        """In which form the very same thing is used, such as ``"numpy"`` for a model compiled to numpy; else empty.

        As in Semantic Versioning, where this part follows a plus sign, it counts in no comparison.
        """
        return self._build

    def in_form(self, build: str) -> Version:
        """This version of something that is used in another form.

        Args:
            build: the form: a letter, then letters, digits, dots and hyphens.

        Returns:
            an equal version that names the form.

        Raises:
            ValueError: if it has another form.
        """
        if not _BUILD.fullmatch(build):
            raise ValueError(
                f"{build!r} cannot follow the plus sign of a version; use letters, digits, dots and hyphens"
            )
        return Version._of(self._major, self._minor, self._patch, self._creation_time, build)

    def update(self, version_type: VersionType, input_bytes: bytes) -> Version:
        """Adds bytes to one subversion of this very object.

        Args:
            version_type: the subversion to change.
            input_bytes: what to add to it.

        Returns:
            this version, so that calls can be chained.

        Raises:
            TypeError: if the subversion is not a `VersionType` or the input is not bytes.
        """
        if version_type is VersionType.MAJOR:
            return self.update_major(input_bytes)
        if version_type is VersionType.MINOR:
            return self.update_minor(input_bytes)
        if version_type is VersionType.PATCH:
            return self.update_patch(input_bytes)
        raise TypeError(
            f"update() was given {version_type!r} as the subversion, which is not a VersionType; "
            "pass VersionType.MAJOR, VersionType.MINOR or VersionType.PATCH"
        )

    def update_major(self, input_bytes: bytes) -> Version:
        """Adds bytes to the major subversion; see `update`."""
        self._major = _updated(self._major, input_bytes)
        return self

    def update_minor(self, input_bytes: bytes) -> Version:
        """Adds bytes to the minor subversion; see `update`."""
        self._minor = _updated(self._minor, input_bytes)
        return self

    def update_patch(self, input_bytes: bytes) -> Version:
        """Adds bytes to the patch subversion; see `update`."""
        self._patch = _updated(self._patch, input_bytes)
        return self

    @classmethod
    def parse(cls, version_string: str) -> Version:
        """Reads back what ``str(version)`` wrote.

        Args:
            version_string: three digests and a time, and a form after a plus sign if there is one; the time may also be
                an ISO 8601 date and time.

        Returns:
            a version equal to the one that was written, with the same creation time.

        Raises:
            ValueError: if the text has another form.
        """
        digests, underscore, moment = str(version_string).rpartition("_")
        rest, _, build = moment.rpartition("+")
        if rest and _BUILD.fullmatch(build):
            moment = rest
        else:
            build = ""
        parts = digests.split(".")
        if not underscore or len(parts) != 3 or not all(map(_is_digest, parts)):
            raise _malformed(version_string)
        try:
            creation_time = _parse_moment(moment)
        except ValueError as error:
            raise _malformed(version_string) from error
        return cls._of(parts[0], parts[1], parts[2], creation_time, build)

    def __add__(self, other: Version) -> Version:
        """The version of one thing followed by another; created when the later of the two was."""
        if not isinstance(other, Version):
            return NotImplemented
        return Version._of(
            combine(self._major, other._major),
            combine(self._minor, other._minor),
            combine(self._patch, other._patch),
            max(self._creation_time, other._creation_time),
        )

    def _digests(self) -> tuple[str, str, str]:
        return self._major, self._minor, self._patch

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self._digests() == other._digests()

    def __hash__(self) -> int:
        return hash(self._digests())

    def __gt__(self, other: Version) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self._creation_time > other._creation_time and self._digests() != other._digests()

    def __lt__(self, other: Version) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return other > self

    def __ge__(self, other: Version) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self == other or self > other

    def __le__(self, other: Version) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self == other or other > self

    def __str__(self) -> str:
        form = f"+{self._build}" if self._build else ""
        return f"{self._major}.{self._minor}.{self._patch}_{self._creation_time!r}{form}"

    def __repr__(self) -> str:
        # The uneven spaces are part of the documented form.
        return f"<Version, major:{self._major[:5]}, minor: {self._minor[:5]}, patch: {self._patch[:5]}>"


def _is_digest(text: object) -> bool:
    return isinstance(text, str) and len(text) == _HEX_LENGTH and _HEX_DIGITS.issuperset(text)


def _as_digest(given: _Digest | str | None, name: str) -> str:
    """The hex digits of a subversion, whichever way it was given."""
    if given is None:
        return EMPTY
    text: Any = given if isinstance(given, str) else _hexdigest_of(given)()
    if not _is_digest(text):
        raise ValueError(
            f"a Version was asked for with {name}={given!r}, which is not a SHA-1 digest of 40 lower-case "
            "hex digits; leave it out to start from nothing, or use Version.parse on a stored version"
        )
    return str(text)


def _hexdigest_of(given: Any) -> Callable[[], Any]:
    return getattr(given, "hexdigest", lambda: None)


def _as_timestamp(given: float | datetime) -> float:
    """Seconds since 1970; a datetime without a zone is local time, as everywhere in Python."""
    moment = given if isinstance(given, (int, float)) else given.timestamp()
    if not math.isfinite(moment):
        raise ValueError(f"a Version was asked for with creation_time={given!r}; give a finite time or leave it out")
    return float(moment)


def _parse_moment(text: str) -> float:
    try:
        moment = float(text)
    except ValueError:
        from datetime import datetime

        moment = datetime.fromisoformat(text).timestamp()
    return _as_timestamp(moment)


def _updated(digest: str, data: bytes) -> str:
    """The digest after some bytes: made from the old digits, so that a stored version goes on alike."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(
            f"a version was updated with {type(data).__name__} {data!r}, which is not bytes; "
            "encode it first, for instance with str(value).encode()"
        )
    return sha1_hex(bytes(data)) if digest == EMPTY else sha1_hex(digest.encode() + bytes(data))


def _malformed(text: object) -> ValueError:
    return ValueError(
        f"{text!r} was to be read as a version, but it does not have the form {_FORM}; "
        "pass what str(version) gave (not repr, which shortens the digests)"
    )
