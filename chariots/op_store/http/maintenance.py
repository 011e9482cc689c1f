"""How much does a store hold, and is it all sound, asked over HTTP?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from chariots.op_store.http.routes import Route
from chariots.op_store.maintenance import GRACE_SECONDS
from chariots.op_store.maintenance.counting import stats
from chariots.op_store.maintenance.inventory import check_shelf, shelves
from chariots.op_store.maintenance.verification import verify_database, verify_shelf
from chariots.op_store.registry import Registry

__all__ = ["ROUTES"]

_SECONDS = 20.0  # for one answer; a client waits a minute


@dataclass(frozen=True)
class Stats:
    """How much does the store hold?"""


@dataclass(frozen=True)
class VerifyDatabase:
    """Is the database sound, and what shelves are there to ask for?"""


@dataclass(frozen=True)
class VerifyShelf:
    """Are the bytes sound whose SHA-256 begins with these one or two digits?"""

    shelf: str
    after: str = ""
    grace: float = GRACE_SECONDS


def _stats(registry: Registry, asked: Stats) -> Any:
    return stats(registry).as_json()


def _verify_database(registry: Registry, asked: VerifyDatabase) -> Any:
    findings = [asdict(finding) for finding in verify_database(registry)]
    return {"findings": findings, "shelves": shelves(registry.database)}


def _verify_shelf(registry: Registry, asked: VerifyShelf) -> Any:
    shelf = check_shelf(asked.shelf)
    report, after = verify_shelf(registry, shelf, grace=asked.grace, after=asked.after, seconds=_SECONDS)
    return {**asdict(report), "after": after}


ROUTES = (
    Route("/v2/stats", "How much does the store hold?", Stats, _stats),
    Route("/v2/verify/database", "Is the database sound?", VerifyDatabase, _verify_database),
    Route("/v2/verify/shelf", "Are the bytes sound whose SHA-256 begins so?", VerifyShelf, _verify_shelf),
)
