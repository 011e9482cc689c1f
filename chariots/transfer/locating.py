"""Who brings the bytes of a pointer, and which token may they show where?"""

from __future__ import annotations

import os
import urllib.parse
from typing import Final

from chariots.transfer.connections import Connections, Target
from chariots.transfer.http_origin import HttpOrigin
from chariots.transfer.manifest import HttpResolution, Pointer
from chariots.transfer.origins import Origin
from chariots.transfer.settings import TransferSettings

__all__ = ["HUB", "hub_endpoint", "origin_of"]

HUB: Final = "https://huggingface.co"


def hub_endpoint() -> str:
    """The address of the Hugging Face hub: that of ``HF_ENDPOINT``, or the usual one."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def origin_of(pointer: Pointer, connections: Connections, settings: TransferSettings) -> Origin:
    """Makes what brings the bytes of a pointer.

    Args:
        pointer: the pointer.
        connections: what speaks with servers.
        settings: how to speak with them.

    Returns:
        the place where the bytes are.

    Raises:
        ChariotsError: if the place cannot be used; the message says why.
    """
    resolution = pointer.resolution
    if not isinstance(resolution, HttpResolution):
        from chariots.transfer.sources.buckets import BucketOrigin

        return BucketOrigin(pointer)
    token = None
    if _is_of_hub(resolution.url):
        from chariots.transfer.secrets import find_secret

        token = find_secret(pointer.runtime_secret_name)
    return HttpOrigin(
        resolution.url,
        pointer.size,
        connections,
        token=token,
        expires=resolution.expiration_timestamp,
        allow_http=settings.allow_http,
    )


def _is_of_hub(url: str) -> bool:
    """Whether an address is one of the hub; a token of the hub is shown to nobody else, whatever a manifest says."""
    try:
        target = Target.of(urllib.parse.urlsplit(url))
        return target in (Target.of(urllib.parse.urlsplit(hub)) for hub in (HUB, hub_endpoint()))
    except ValueError:
        return False
