"""What changed? Versions of classes, the fields that make them, and fingerprints of values and of code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names
from chariots.versioning.content import content_hash
from chariots.versioning.fields import VersionedField, VersionedFieldDict
from chariots.versioning.meta import VersionableMeta
from chariots.versioning.version import Version, VersionType

if TYPE_CHECKING:
    from chariots.versioning.fingerprint import code_fingerprint

__getattr__, __dir__, _ = lazy_names(__name__, {"code_fingerprint": "chariots.versioning.fingerprint"})

__all__ = [
    "Version",
    "VersionType",
    "VersionedField",
    "VersionedFieldDict",
    "VersionableMeta",
    "content_hash",
    "code_fingerprint",
]
