"""What does `chariots check` ask the op store? (one request for a whole app)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chariots.op_store.baseline import read_baseline
from chariots.op_store.checks import check_name, check_names
from chariots.op_store.http.routes import Route
from chariots.op_store.registry import Registry

__all__ = ["ROUTES"]


@dataclass(frozen=True)
class AskedBaseline:
    """What is trained and live, of these ops and pipelines?"""

    ops: list[str]
    pipelines: list[str]
    alias: str | None = None


def _baseline(registry: Registry, asked: AskedBaseline) -> Any:
    check_names(asked.ops, "ops")
    check_names(asked.pipelines, "pipelines")
    if asked.alias is not None:
        check_name(asked.alias, "alias")
    with registry.database.reading() as connection:
        return read_baseline(connection, asked.ops, asked.pipelines, asked.alias)


ROUTES = (Route("/v2/baseline", "What is trained and live, of these ops and pipelines?", AskedBaseline, _baseline),)
