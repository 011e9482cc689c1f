"""Where are the bytes kept? (a file system, a bucket, or a place of your own)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.op_store.savers.azure import AzureSaver
    from chariots.op_store.savers.base import BaseSaver, Kept, is_leftover
    from chariots.op_store.savers.file import FileSaver
    from chariots.op_store.savers.google_storage import GoogleStorageSaver
    from chariots.op_store.savers.object_store import ObjectStoreSaver
    from chariots.op_store.savers.s3 import S3Saver
    from chariots.op_store.savers.urls import from_url, read_url

_HOMES = {
    "BaseSaver": "chariots.op_store.savers.base",
    "Kept": "chariots.op_store.savers.base",
    "is_leftover": "chariots.op_store.savers.base",
    "FileSaver": "chariots.op_store.savers.file",
    "ObjectStoreSaver": "chariots.op_store.savers.object_store",
    "S3Saver": "chariots.op_store.savers.s3",
    "GoogleStorageSaver": "chariots.op_store.savers.google_storage",
    "AzureSaver": "chariots.op_store.savers.azure",
    "from_url": "chariots.op_store.savers.urls",
    "read_url": "chariots.op_store.savers.urls",
}

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
__all__ = [
    "BaseSaver",
    "FileSaver",
    "S3Saver",
    "GoogleStorageSaver",
    "AzureSaver",
    "ObjectStoreSaver",
    "from_url",
    "read_url",
    "Kept",
    "is_leftover",
]
