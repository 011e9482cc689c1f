"""Where are the big weights? A manifest of pointers goes in, verified files come out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names
from chariots._version import __version__

if TYPE_CHECKING:
    from chariots.transfer.lazy_data_resolver import LazyDataResolver
    from chariots.transfer.manifest import (
        AzureResolution,
        GcsResolution,
        HttpResolution,
        Manifest,
        Pointer,
        S3Resolution,
    )
    from chariots.transfer.model_repo import ModelRepo
    from chariots.transfer.pointers import PyModelRepo, create_basetenpointer_from_models, lazy_data_resolve
    from chariots.transfer.progress import Progress
    from chariots.transfer.resolving import resolve
    from chariots.transfer.settings import TransferSettings
    from chariots.transfer.sources import create_manifest
    from chariots.transfer.weights import Weights

_HOMES = {
    "resolve": "chariots.transfer.resolving",
    "create_manifest": "chariots.transfer.sources",
    "Manifest": "chariots.transfer.manifest",
    "Pointer": "chariots.transfer.manifest",
    "HttpResolution": "chariots.transfer.manifest",
    "GcsResolution": "chariots.transfer.manifest",
    "S3Resolution": "chariots.transfer.manifest",
    "AzureResolution": "chariots.transfer.manifest",
    "ModelRepo": "chariots.transfer.model_repo",
    "LazyDataResolver": "chariots.transfer.lazy_data_resolver",
    "Weights": "chariots.transfer.weights",
    "Progress": "chariots.transfer.progress",
    "TransferSettings": "chariots.transfer.settings",
    "lazy_data_resolve": "chariots.transfer.pointers",
    "create_basetenpointer_from_models": "chariots.transfer.pointers",
    "PyModelRepo": "chariots.transfer.pointers",
}

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
__all__ = [
    "resolve",
    "create_manifest",
    "Manifest",
    "Pointer",
    "HttpResolution",
    "GcsResolution",
    "S3Resolution",
    "AzureResolution",
    "ModelRepo",
    "LazyDataResolver",
    "Weights",
    "Progress",
    "TransferSettings",
    "lazy_data_resolve",
    "create_basetenpointer_from_models",
    "PyModelRepo",
    "__version__",
]
