"""Which values of a class count for its version, and for which part of it?"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from chariots.versioning.content import content_hash
from chariots.versioning.version import Version, VersionType

__all__ = ["VersionedField", "VersionedFieldDict"]


class Declared:
    """What both kinds of declarations are; asking for it is quick, as no abstract base class has a say."""

    __slots__ = ()


class VersionedField(Declared):
    """A class attribute whose value counts for the version of its class.

    Read from the class or from an instance it is its value. Assigned on an instance it is an ordinary
    attribute of that instance, and neither the class nor its version notices.
    """

    __slots__ = ("affected_version", "value")

    def __init__(self, value: Any, affected_version: VersionType) -> None:
        """Declares one value.

        Args:
            value: the value the attribute has.
            affected_version: the subversion that changes when the value does.

        Raises:
            TypeError: if ``affected_version`` is not a `VersionType`.
        """
        self.value = value
        self.affected_version = checked_version_type(affected_version, "VersionedField(value, affected_version)")

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self.value

    @property
    def content_hash(self) -> str:
        """The digest of the value as it is now (see `chariots.versioning.content_hash`)."""
        return content_hash(self.value)

    @property
    def version(self) -> Version:
        """The version of this field alone: its digest in the affected subversion, nothing in the others."""
        return Version().update(self.affected_version, self.content_hash.encode())

    def __chariots_hash__(self) -> object:
        return self.affected_version.value, self.value

    def __repr__(self) -> str:
        return f"VersionedField({self.value!r}, {self.affected_version})"


class VersionedFieldDict(Declared, MutableMapping[str, Any]):
    """A dictionary whose every value counts for the version of the class it is an attribute of.

    Reading gives plain values. A key assigned again keeps the subversion it was declared with. Each instance
    of the class gets a copy of its own when it first touches the attribute.
    """

    def __init__(self, default_version: VersionType = VersionType.MAJOR, *args: Any, **kwargs: Any) -> None:
        """Declares several values at once.

        Args:
            default_version: the subversion of every value that is not itself a `VersionedField`.
            *args: what ``dict`` takes: a mapping or pairs.
            **kwargs: further keys.

        Raises:
            TypeError: if ``default_version`` is not a `VersionType`, or a key is not a string.
        """
        self.default_version = checked_version_type(default_version, "VersionedFieldDict(default_version, {...})")
        self._fields: dict[str, VersionedField] = {}
        self.update(*args, **kwargs)

    @property
    def fields(self) -> dict[str, VersionedField]:
        """Every key with its field."""
        return dict(self._fields)

    @property
    def version_dict(self) -> dict[str, Version]:
        """Every key with the version of its field."""
        return {key: field.version for key, field in self._fields.items()}

    def copy(self) -> VersionedFieldDict:
        """A dictionary of the same values and subversions that can be changed on its own."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._fields = dict(self._fields)
        return twin

    def __get__(self, instance: object, owner: type | None = None) -> VersionedFieldDict:
        if instance is None:
            return self
        attributes = getattr(instance, "__dict__", None)
        if attributes is None:
            return self.copy()
        for base in type(instance).__mro__:
            for name, attribute in vars(base).items():
                if attribute is self:
                    # setdefault is atomic: two threads that come first together still share one copy.
                    own: VersionedFieldDict = attributes.setdefault(name, self.copy())
                    return own
        return self.copy()

    def __getitem__(self, key: str) -> Any:
        return self._fields[key].value

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(
                f"{key!r} ({type(key).__name__}) was used as a key of a VersionedFieldDict, whose keys name "
                "fields and must be strings; use str keys, or put the whole mapping in one VersionedField"
            )
        if not isinstance(value, VersionedField):
            known = self._fields.get(key)
            value = VersionedField(value, known.affected_version if known else self.default_version)
        self._fields[key] = value

    def __delitem__(self, key: str) -> None:
        del self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __chariots_hash__(self) -> object:
        return self._fields

    def __repr__(self) -> str:
        return f"VersionedFieldDict({self.default_version}, {dict(self)!r})"


def checked_version_type(given: Any, asked: str) -> VersionType:
    """Passes a `VersionType` through and refuses anything else.

    Args:
        given: what should be a `VersionType`.
        asked: the call it was given in, for the message.

    Raises:
        TypeError: if it is not a `VersionType`.
    """
    if isinstance(given, VersionType):
        return given
    raise TypeError(
        f"{asked} was given {given!r} as the subversion, which is not a VersionType; "
        "pass VersionType.MAJOR, VersionType.MINOR or VersionType.PATCH"
    )
