"""How is an op store kept in order for years? (what is wrong, what may go, what is copied, how much there is)"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.op_store.maintenance.backup import back_up, restore
    from chariots.op_store.maintenance.counting import stats
    from chariots.op_store.maintenance.exporting import export_ops
    from chariots.op_store.maintenance.gc import collect
    from chariots.op_store.maintenance.importing import import_ops
    from chariots.op_store.maintenance.reports import (
        BackupReport,
        CollectionReport,
        ExportReport,
        Finding,
        ImportReport,
        OpStats,
        StoreStats,
        VerifyReport,
    )
    from chariots.op_store.maintenance.retention import Policy
    from chariots.op_store.maintenance.verification import verify

GRACE_SECONDS: Final = 24 * 3600.0
"""Bytes younger than this may belong to a save that is under way."""

_HOMES = {
    "verify": "chariots.op_store.maintenance.verification",
    "VerifyReport": "chariots.op_store.maintenance.reports",
    "Finding": "chariots.op_store.maintenance.reports",
    "collect": "chariots.op_store.maintenance.gc",
    "CollectionReport": "chariots.op_store.maintenance.reports",
    "Policy": "chariots.op_store.maintenance.retention",
    "export_ops": "chariots.op_store.maintenance.exporting",
    "ExportReport": "chariots.op_store.maintenance.reports",
    "import_ops": "chariots.op_store.maintenance.importing",
    "ImportReport": "chariots.op_store.maintenance.reports",
    "back_up": "chariots.op_store.maintenance.backup",
    "restore": "chariots.op_store.maintenance.backup",
    "BackupReport": "chariots.op_store.maintenance.reports",
    "stats": "chariots.op_store.maintenance.counting",
    "StoreStats": "chariots.op_store.maintenance.reports",
    "OpStats": "chariots.op_store.maintenance.reports",
}

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
__all__ = [
    "GRACE_SECONDS",
    "verify",
    "VerifyReport",
    "Finding",
    "collect",
    "CollectionReport",
    "Policy",
    "export_ops",
    "ExportReport",
    "import_ops",
    "ImportReport",
    "back_up",
    "restore",
    "BackupReport",
    "stats",
    "StoreStats",
    "OpStats",
]
