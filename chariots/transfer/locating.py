"""Who brings the bytes of a pointer, and which token may they show where?"""

from __future__ import annotations

import os
import urllib.parse
from functools import cached_property
from typing import TYPE_CHECKING, Final

from chariots.transfer.connections import Connections, Target
from chariots.transfer.http_origin import HttpOrigin
from chariots.transfer.manifest import HttpResolution, Pointer
from chariots.transfer.origins import Origin
from chariots.transfer.secrets import find_token
from chariots.transfer.settings import TransferSettings

if TYPE_CHECKING:
    from chariots.transfer.sources.stores import Stores

__all__ = ["HUB", "Origins", "hub_endpoint"]

HUB: Final = "https://huggingface.co"


def hub_endpoint() -> str:
    """The address of the Hugging Face hub: that of ``HF_ENDPOINT``, or the usual one."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


class Origins:
    """Makes what brings the bytes of pointers; all of them share connections.

    Args:
        connections: what speaks with servers.
        settings: how to speak with them.
    """

    def __init__(self, connections: Connections, settings: TransferSettings) -> None:
        self._connections = connections
        self._settings = settings

    def of(self, pointer: Pointer) -> Origin:
        """Makes what brings the bytes of a pointer.

        Args:
            pointer: the pointer.

        Returns:
            the place where the bytes are.

        Raises:
            ChariotsError: if the place cannot be used; the message says why.
        """
        resolution = pointer.resolution
        if not isinstance(resolution, HttpResolution):
            from chariots.transfer.sources.buckets import BucketOrigin

            return BucketOrigin(pointer, self._stores)
        return HttpOrigin(
            resolution.url,
            pointer.size,
            self._connections,
            token=find_token(pointer.runtime_secret_name) if _is_of_hub(resolution.url) else None,
            expires=resolution.expiration_timestamp,
            allow_http=self._settings.allow_http,
        )

    @cached_property
    def _stores(self) -> Stores:
        from chariots.transfer.sources.stores import Stores

        return Stores(self._settings.read_timeout_secs)


def _is_of_hub(url: str) -> bool:
    """Whether an address is one of the hub; a token of the hub is shown to nobody else, whatever a manifest says."""
    try:
        target = Target.of(urllib.parse.urlsplit(url))
        return target in (Target.of(urllib.parse.urlsplit(hub)) for hub in (HUB, hub_endpoint()))
    except ValueError:
        return False
