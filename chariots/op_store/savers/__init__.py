"""Where are the bytes kept? (a file system, a bucket, or a place of your own)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.op_store.savers.base import BaseSaver
    from chariots.op_store.savers.file import FileSaver
    from chariots.op_store.savers.google_storage import GoogleStorageSaver

_HOMES = {
    "BaseSaver": "chariots.op_store.savers.base",
    "FileSaver": "chariots.op_store.savers.file",
    "GoogleStorageSaver": "chariots.op_store.savers.google_storage",
}

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
__all__ = ["BaseSaver", "FileSaver", "GoogleStorageSaver"]
