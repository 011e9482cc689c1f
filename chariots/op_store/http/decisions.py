"""How is a pipeline promoted, rolled back and asked for its history over HTTP?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chariots.op_store.http.routes import Route, both_ways
from chariots.op_store.registry import Registry
from chariots.pipelines.store import NodeQuery

__all__ = ["ROUTES"]

_PAGE = 100


@dataclass(frozen=True)
class Describe:
    """This is what a pipeline is made of."""

    pipeline: str
    nodes: list[NodeQuery]
    edges: list[tuple[str, str]]


@dataclass(frozen=True)
class Promote:
    """Let an alias stand for another set of versions."""

    pipeline: str
    alias: str = "production"
    versions: dict[str, int] | None = None
    source: str | None = None
    who: str | None = None
    reason: str | None = None
    expected: dict[str, int] | None = None
    key: str | None = None


@dataclass(frozen=True)
class Rollback:
    """Let an alias stand for the set of versions it stood for before."""

    pipeline: str
    alias: str = "production"
    to: int | None = None
    who: str | None = None
    reason: str | None = None
    expected: dict[str, int] | None = None
    key: str | None = None


@dataclass(frozen=True)
class Withdraw:
    """Let an alias stand for nothing."""

    pipeline: str
    alias: str
    who: str | None = None
    reason: str | None = None
    expected: dict[str, int] | None = None
    key: str | None = None


@dataclass(frozen=True)
class Accept:
    """Vouch that two versions may run together."""

    pipeline: str
    upstream: str
    downstream: str
    reason: str
    versions: dict[str, int] | None = None
    who: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class AliasOf:
    """What does an alias stand for?"""

    pipeline: str
    alias: str


@dataclass(frozen=True)
class StandingsOf:
    """What are pipelines to serve: what an alias stands for, or else what was deployed last?"""

    pipelines: list[str]
    alias: str | None = None
    seen: str | None = None


@dataclass(frozen=True)
class Aliases:
    """What do all aliases stand for?"""

    pipeline: str | None = None


@dataclass(frozen=True)
class HistoryOf:
    """What was promoted, rolled back, withdrawn and accepted, newest first?"""

    pipeline: str
    limit: int = _PAGE
    before: int | None = None
    alias: str | None = None


def _describe(registry: Registry, asked: Describe) -> Any:
    registry.history.describe(asked.pipeline, asked.nodes, asked.edges)
    return {}


def _promote(registry: Registry, asked: Promote) -> Any:
    return registry.decisions.promote(**vars(asked)).as_json()


def _roll_back(registry: Registry, asked: Rollback) -> Any:
    return registry.decisions.rollback(**vars(asked)).as_json()


def _withdraw(registry: Registry, asked: Withdraw) -> Any:
    return registry.decisions.withdraw(**vars(asked)).as_json()


def _accept(registry: Registry, asked: Accept) -> Any:
    return registry.decisions.accept(**vars(asked)).as_json()


def _alias(registry: Registry, asked: AliasOf) -> Any:
    return {"versions": registry.history.alias(asked.pipeline, asked.alias)}


def _standings(registry: Registry, asked: StandingsOf) -> Any:
    found = registry.history.standings(asked.pipelines, asked.alias, asked.seen)
    return {"mark": asked.seen, "pipelines": None} if found is None else found


def _aliases(registry: Registry, asked: Aliases) -> Any:
    return {"aliases": [event.as_json() for event in registry.history.aliases(asked.pipeline)]}


def _history(registry: Registry, asked: HistoryOf) -> Any:
    found = registry.history.history(asked.pipeline, asked.limit, asked.before, asked.alias)
    return {"events": [event.as_json() for event in found], "next": found[-1].id if len(found) == asked.limit else None}


ROUTES = (
    Route("/v2/pipelines/describe", "Note what a pipeline is made of.", Describe, _describe, scope="write"),
    Route("/v2/promotions", "Let an alias stand for another set of versions.", Promote, _promote, scope="write"),
    Route("/v2/rollbacks", "Let an alias stand for the set before.", Rollback, _roll_back, scope="write"),
    Route("/v2/withdrawals", "Let an alias stand for nothing.", Withdraw, _withdraw, scope="write"),
    Route("/v2/acceptances", "Vouch that two versions may run together.", Accept, _accept, scope="write"),
    *both_ways("/v2/alias", "What does an alias stand for?", AliasOf, _alias),
    *both_ways("/v2/standings", "What are pipelines to serve?", StandingsOf, _standings),
    *both_ways("/v2/aliases", "What do all aliases stand for?", Aliases, _aliases),
    *both_ways("/v2/history", "What was promoted, rolled back and accepted, newest first?", HistoryOf, _history),
)
