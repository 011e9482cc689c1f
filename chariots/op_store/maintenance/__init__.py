"""How is an op store kept in order for years? (what is wrong, what may go, what is copied, how much there is)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.op_store.maintenance.archive import ExportReport, export_ops
    from chariots.op_store.maintenance.arrivals import ImportReport, import_ops
    from chariots.op_store.maintenance.backup import BackupReport, back_up, restore
    from chariots.op_store.maintenance.gc import CollectionReport, collect
    from chariots.op_store.maintenance.inventory import Finding
    from chariots.op_store.maintenance.retention import Policy
    from chariots.op_store.maintenance.stats import OpStats, StoreStats, stats
    from chariots.op_store.maintenance.verify import VerifyReport, verify

_HOMES = {
    "verify": "chariots.op_store.maintenance.verify",
    "VerifyReport": "chariots.op_store.maintenance.verify",
    "Finding": "chariots.op_store.maintenance.inventory",
    "collect": "chariots.op_store.maintenance.gc",
    "CollectionReport": "chariots.op_store.maintenance.gc",
    "Policy": "chariots.op_store.maintenance.retention",
    "export_ops": "chariots.op_store.maintenance.archive",
    "ExportReport": "chariots.op_store.maintenance.archive",
    "import_ops": "chariots.op_store.maintenance.arrivals",
    "ImportReport": "chariots.op_store.maintenance.arrivals",
    "back_up": "chariots.op_store.maintenance.backup",
    "restore": "chariots.op_store.maintenance.backup",
    "BackupReport": "chariots.op_store.maintenance.backup",
    "stats": "chariots.op_store.maintenance.stats",
    "StoreStats": "chariots.op_store.maintenance.stats",
    "OpStats": "chariots.op_store.maintenance.stats",
}

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
__all__ = [
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
