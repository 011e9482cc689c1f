"""What is the version of a class, given the fields that it and its ancestors declare?"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from chariots.versioning.content import content_hash
from chariots.versioning.fields import Declared, VersionedField, VersionedFieldDict, checked_version_type
from chariots.versioning.version import EMPTY, Version, VersionType, combine, sha1_hex

__all__ = ["VersionableMeta"]

_RECORD = "_version_declarations"
# What a subversion that nothing affected yet becomes after one more field: the same for every class.
_CHAIN = itertools.accumulate(range(32), lambda digest, _: combine(digest, EMPTY), initial=EMPTY)
_UNTOUCHED = dict(itertools.pairwise(_CHAIN))
_MAJOR, _MINOR, _PATCH = VersionType.MAJOR, VersionType.MINOR, VersionType.PATCH


class VersionableMeta(type):
    """The metaclass of everything that has a version: adds ``__version__`` when a class is created.

    The version counts the fields of every ancestor. A field that a subclass assigns again keeps its
    subversion and takes the new value; a method, property or other descriptor of the same name un-declares
    it. Assigning to the attribute once the class exists changes the value and leaves the version alone.

    Attributes:
        __version__: the version of the class.
        __version_fields__: every field that counts, by name; dictionary entries are named ``attribute.key``.
        code_version: the subversion in which the code of the class counts too, or None when it does not.
    """

    __version__: Version
    __version_fields__: Mapping[str, VersionedField]

    def __init__(
        cls, clsname: str, superclasses: tuple[type, ...], attributedict: dict[str, Any], **kwargs: Any
    ) -> None:
        """Computes the version of the class that was just created.

        Raises:
            TypeError: if the value of a field has no stable content, or the code is to count and has no
                source.
        """
        super().__init__(clsname, superclasses, attributedict)
        declared = _declarations(cls)
        setattr(cls, _RECORD, declared)
        fields = dict(_flattened(declared))
        cls.__version_fields__ = MappingProxyType(fields)
        version = _fold(fields, cls.__qualname__)
        code_version = getattr(cls, "code_version", None)
        if code_version is not None:
            version += _code_version(cls, code_version)
        cls.__version__ = version


def _declarations(cls: type) -> dict[str, Declared]:
    """Every attribute of a class that counts for its version, with the value it has in this class."""
    declared: dict[str, Declared] = {}
    for base in cls.__mro__[-2::-1]:  # without object, which declares nothing
        attributes = vars(base)
        # Declared when that class was created and assigned since: a subclass counts the value it will see.
        before = {**attributes.get(_RECORD, {}), **declared}
        for name, field in before.items():
            if name in attributes:
                _redeclare(declared, name, attributes[name], field)
        declared.update([item for item in attributes.items() if isinstance(item[1], Declared)])
    return declared


def _redeclare(declared: dict[str, Declared], name: str, value: Any, before: Declared) -> None:
    """What a field becomes where a class assigns its name again."""
    if isinstance(value, Declared):
        declared[name] = value
    elif hasattr(type(value), "__get__"):
        declared.pop(name, None)
    elif isinstance(before, VersionedField):
        declared[name] = VersionedField(value, before.affected_version)
    elif isinstance(before, VersionedFieldDict):
        declared[name] = _renewed(value, before)


def _renewed(value: Any, before: VersionedFieldDict) -> Declared:
    """What a dictionary of fields becomes where a plain value takes its place."""
    if not isinstance(value, Mapping):
        return VersionedField(value, before.default_version)
    fields = before.fields
    renewed = VersionedFieldDict(before.default_version)
    for key, item in value.items():
        if key in fields and not isinstance(item, VersionedField):
            item = VersionedField(item, fields[key].affected_version)
        renewed[key] = item
    return renewed


def _flattened(declared: Mapping[str, Declared]) -> Iterator[tuple[str, VersionedField]]:
    """Every single field with its qualified name."""
    for name, value in declared.items():
        if isinstance(value, VersionedField):
            yield name, value
        elif isinstance(value, VersionedFieldDict):
            for key, field in value.fields.items():
                yield f"{name}.{key}", field


def _fold(fields: Mapping[str, VersionedField], owner: str) -> Version:
    """The version of a set of fields: the empty version, plus that of each field by order of name."""
    major = minor = patch = EMPTY
    for name in sorted(fields):
        field = fields[name]
        try:
            content = content_hash(field.value)
        except TypeError:
            # Once more, to say which field it is: naming each beforehand would cost as much as hashing it.
            content = content_hash(field.value, where=f"field {name!r} of class {owner!r}")
        digest = sha1_hex(content.encode())
        affected = field.affected_version
        major = combine(major, digest) if affected is _MAJOR else _passed_over(major)
        minor = combine(minor, digest) if affected is _MINOR else _passed_over(minor)
        patch = combine(patch, digest) if affected is _PATCH else _passed_over(patch)
    return Version._of(major, minor, patch, time.time())


def _passed_over(digest: str) -> str:
    """A subversion after a field that does not affect it; what it was in every class before it was affected."""
    return _UNTOUCHED.get(digest) or combine(digest, EMPTY)


def _code_version(cls: type, code_version: Any) -> Version:
    """The version of the code of a class whose ``code_version`` says that it counts."""
    from chariots.versioning.fingerprint import code_fingerprint

    affected = checked_version_type(code_version, f"{cls.__qualname__}.code_version")
    fingerprint = code_fingerprint(cls)
    if fingerprint is None:
        raise TypeError(
            f"class {cls.__qualname__!r} sets code_version={affected}, so that its code counts for its "
            "version, but Python has no source for it; define it in a file or a notebook cell, or set "
            "code_version = None"
        )
    return Version().update(affected, fingerprint.encode())
