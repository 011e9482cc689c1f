"""Where does a version come from, asked over HTTP? (each question as a ``GET`` for people and as a ``POST``)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chariots.op_store import graphql
from chariots.op_store.http.routes import Route, both_ways
from chariots.op_store.registry import Registry

__all__ = ["ROUTES"]

_PAGE = 100


@dataclass(frozen=True)
class Ops:
    """Which ops are there, by name?"""

    limit: int = _PAGE
    after: str = ""


@dataclass(frozen=True)
class Pipelines:
    """Which pipelines are there, by name, and what do they serve?"""

    limit: int = _PAGE
    after: str = ""


@dataclass(frozen=True)
class Versions:
    """Which versions of an op are there, newest first?"""

    op: str
    limit: int = _PAGE
    before: int | None = None


@dataclass(frozen=True)
class OneVersion:
    """What is known of a version?"""

    number: int


@dataclass(frozen=True)
class Linked:
    """Which versions is a version linked to, newest first?"""

    number: int
    limit: int = _PAGE
    before: int | None = None


@dataclass(frozen=True)
class ByNumber:
    """What is known of these versions?"""

    numbers: list[int]


def _ops(registry: Registry, asked: Ops) -> Any:
    found = registry.lineage.ops(asked.limit, asked.after)
    return {"ops": found, "next": found[-1].name if len(found) == asked.limit else None}


def _pipelines(registry: Registry, asked: Pipelines) -> Any:
    found = registry.lineage.pipelines(asked.limit, asked.after)
    return {"pipelines": found, "next": found[-1].name if len(found) == asked.limit else None}


def _versions(registry: Registry, asked: Versions) -> Any:
    found = registry.lineage.versions(asked.op, asked.limit, asked.before)
    return {"versions": found, "next": found[-1].id if len(found) == asked.limit else None}


def _version(registry: Registry, asked: OneVersion) -> Any:
    return registry.lineage.version(asked.number)


def _parents(registry: Registry, asked: Linked) -> Any:
    found = registry.lineage.parents(asked.number, asked.limit, asked.before)
    return {"parents": found, "next": found[-1].version.id if len(found) == asked.limit else None}


def _children(registry: Registry, asked: Linked) -> Any:
    found = registry.lineage.children(asked.number, asked.limit, asked.before)
    return {"children": found, "next": found[-1].version.id if len(found) == asked.limit else None}


def _by_number(registry: Registry, asked: ByNumber) -> Any:
    found = registry.lineage.versions_by_number(asked.numbers)
    return {"versions": [found[number] for number in sorted(found)]}


ROUTES = (
    *both_ways("/v2/lineage/ops", "Which ops are there, by name?", Ops, _ops),
    *both_ways("/v2/lineage/pipelines", "Which pipelines are there, and what do they serve?", Pipelines, _pipelines),
    *both_ways("/v2/lineage/versions", "Which versions of an op are there, newest first?", Versions, _versions),
    *both_ways("/v2/lineage/version", "What is known of a version?", OneVersion, _version),
    *both_ways("/v2/lineage/parents", "Which versions was a version trained with?", Linked, _parents),
    *both_ways("/v2/lineage/children", "Which versions were trained with a version?", Linked, _children),
    Route("/v2/lineage/by-number", "What is known of these versions?", ByNumber, _by_number),
    *graphql.ROUTES,
)
