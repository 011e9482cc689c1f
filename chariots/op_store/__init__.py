"""What was trained, what fits what, and where are the bytes?

A server keeps the versions of every op, the links between versions that were trained together, and the bytes
of the ops. A client asks it over HTTP (`OpStoreClient`) or in the same process (`LocalOpStoreClient`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.op_store import savers
    from chariots.op_store.clients.base import BaseOpStoreClient
    from chariots.op_store.clients.local import LocalOpStoreClient
    from chariots.op_store.clients.remote import OpStoreClient
    from chariots.op_store.server import OpStoreServer
    from chariots.op_store.trusting.trust import Trust

_HOMES = {
    "OpStoreServer": "chariots.op_store.server",
    "OpStoreClient": "chariots.op_store.clients.remote",
    "BaseOpStoreClient": "chariots.op_store.clients.base",
    "LocalOpStoreClient": "chariots.op_store.clients.local",
    "Trust": "chariots.op_store.trusting.trust",
    "savers": "chariots.op_store.savers:",
}

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
__all__ = ["OpStoreServer", "OpStoreClient", "BaseOpStoreClient", "LocalOpStoreClient", "Trust", "savers"]
