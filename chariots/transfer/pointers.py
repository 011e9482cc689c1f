"""The names that programs written for truss-transfer use, with what they give and take there."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from chariots.transfer.manifest import PLACES
from chariots.transfer.model_repo import ModelRepo
from chariots.transfer.names import USUAL_ROOT
from chariots.transfer.resolving import resolve
from chariots.transfer.settings import TransferSettings

__all__ = ["PyModelRepo", "create_basetenpointer_from_models", "lazy_data_resolve"]

PyModelRepo = ModelRepo
_logger = logging.getLogger("chariots.transfer")


def lazy_data_resolve(
    download_dir: str | Path | None = None,
    models: Iterable[ModelRepo] | None = None,
    model_path: str | Path | None = None,
) -> str:
    """Brings the files of the manifests that are where they usually are into a directory.

    Where there is no manifest, there is nothing to do.

    Args:
        download_dir: the directory; None for ``TRUSS_TRANSFER_DOWNLOAD_DIR``, or ``/tmp/truss_transfer``.
        models: repositories to fetch instead.
        model_path: what the folders of ``models`` lie in; None for the directory itself.

    Returns:
        the directory, as text.

    Raises:
        ChariotsError: if a file cannot be had; the message names it.
    """
    if download_dir is None:
        download_dir = TransferSettings.from_environment().download_dir
    if models is not None:
        resolve(download_dir if model_path is None else model_path, models=models)
    elif any(place.exists() for place in PLACES):
        resolve(download_dir)
    else:
        _logger.info("there is no manifest (%s), and so nothing to fetch", ", ".join(map(str, PLACES)))
    return str(download_dir)


def create_basetenpointer_from_models(models: Iterable[ModelRepo], model_path: str | Path = str(USUAL_ROOT)) -> str:
    """Looks up the files of repositories, and writes a manifest of them.

    Args:
        models: the repositories.
        model_path: what their folders lie in.

    Returns:
        the manifest as JSON: ``{"pointers": [...], "models": null}``.

    Raises:
        ChariotsError: if a repository cannot be read; the message names it.
    """
    from chariots.transfer.sources import create_manifest

    return create_manifest(models, str(model_path)).to_json()
