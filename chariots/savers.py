"""Where are the savers, for code that uses their old place? In `chariots.op_store.savers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.op_store.savers import BaseSaver, FileSaver, GoogleStorageSaver

_HOME = "chariots.op_store.savers"

__getattr__, __dir__, _ = lazy_names(__name__, {"BaseSaver": _HOME, "FileSaver": _HOME, "GoogleStorageSaver": _HOME})
__all__ = ["BaseSaver", "FileSaver", "GoogleStorageSaver"]
