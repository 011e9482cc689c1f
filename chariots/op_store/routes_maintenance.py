"""How much does a store hold, and is it all sound, asked over HTTP?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from chariots.op_store.checks import invalid
from chariots.op_store.maintenance.counting import stats
from chariots.op_store.maintenance.inventory import SHELVES
from chariots.op_store.maintenance.reports import GRACE_SECONDS
from chariots.op_store.maintenance.verification import verify_database, verify_shelf
from chariots.op_store.registry import Registry
from chariots.op_store.routes import Route

__all__ = ["ROUTES"]

_SECONDS = 20.0  # for one answer; a client waits a minute


@dataclass(frozen=True)
class Stats:
    """How much does the store hold?"""


@dataclass(frozen=True)
class VerifyDatabase:
    """Is the database sound?"""


@dataclass(frozen=True)
class VerifyShelf:
    """Are the bytes sound whose SHA-256 begins with these two digits?"""

    shelf: str
    after: str = ""
    grace: float = GRACE_SECONDS


def _stats(registry: Registry, asked: Stats) -> Any:
    return stats(registry).as_json()


def _verify_database(registry: Registry, asked: VerifyDatabase) -> Any:
    return {"findings": [asdict(finding) for finding in verify_database(registry)]}


def _verify_shelf(registry: Registry, asked: VerifyShelf) -> Any:
    if asked.shelf not in SHELVES:
        raise invalid("shelf", "two lower-case hexadecimal digits", asked.shelf)
    report, after = verify_shelf(registry, asked.shelf, grace=asked.grace, after=asked.after, seconds=_SECONDS)
    return {**asdict(report), "after": after}


ROUTES = (
    Route("/v2/stats", "How much does the store hold?", Stats, _stats),
    Route("/v2/verify/database", "Is the database sound?", VerifyDatabase, _verify_database),
    Route("/v2/verify/shelf", "Are the bytes of one of the 256 shelves sound?", VerifyShelf, _verify_shelf),
)
