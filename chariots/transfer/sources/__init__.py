"""Where do files come from? (the Hugging Face hub, S3, Google Cloud Storage, Azure Blob Storage)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.transfer.sources.buckets import BucketOrigin
    from chariots.transfer.sources.creating import create_manifest, pointers_of
    from chariots.transfer.sources.stores import Stores

_HOMES = {
    "create_manifest": "chariots.transfer.sources.creating",
    "pointers_of": "chariots.transfer.sources.creating",
    "BucketOrigin": "chariots.transfer.sources.buckets",
    "Stores": "chariots.transfer.sources.stores",
}

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
__all__ = ["create_manifest", "pointers_of", "BucketOrigin", "Stores"]
