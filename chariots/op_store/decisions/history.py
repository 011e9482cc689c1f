"""Which versions does a pipeline's alias stand for, since when, and who decided so?

An alias, such as ``production``, is a view over a history that only grows: it stands for the set of versions that the
newest promotion or rollback of it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

from chariots.errors import UnknownNameError, nearest
from chariots.op_store import rows, tables
from chariots.op_store.checks import check_name, check_names, check_nodes, check_page
from chariots.op_store.decisions import events, shapes, standings
from chariots.op_store.decisions.events import Event
from chariots.op_store.decisions.shapes import Shape
from chariots.pipelines.standings import Standings
from chariots.pipelines.store import NodeQuery

if TYPE_CHECKING:
    from chariots.op_store.database import Database

__all__ = ["History", "number_of"]


class History:
    """What is known of every pipeline; `chariots.op_store.decisions.deciding` is where it is added to.

    Args:
        database: where it is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self, pipeline: str, nodes: Sequence[NodeQuery], edges: Sequence[tuple[str, str]]) -> None:
        """Notes what a pipeline is made of, so that versions for it can be chosen where its code is not.

        Args:
            pipeline: its name.
            nodes: its nodes, each name once.
            edges: pairs of names of nodes, (upstream, downstream).

        Raises:
            InputError: if a name, a version or an edge is none.
        """
        check_name(pipeline, "pipeline")
        check_nodes(nodes, edges)
        shape = Shape(nodes, edges)
        with self._database.reading() as connection:
            known = shapes.read(connection, pipeline)
        if known is None or not known.is_like(shape):
            with self._database.writing() as connection:
                shapes.write(connection, pipeline, shape)

    def alias(self, pipeline: str, name: str) -> dict[str, int] | None:
        """The numbers of the versions an alias stands for, by node; None if it stands for nothing."""
        check_name(pipeline, "pipeline")
        check_name(name, "alias")
        with self._database.reading() as connection:
            number = _number(connection, pipeline)
            found = None if number is None else events.newest(connection, number, name)
            return None if found is None else dict(found.after)

    def standings(self, pipelines: Sequence[str], alias: str | None, seen: str | None = None) -> Standings | None:
        """What pipelines are to serve, in one answer; see `BaseOpStoreClient.standings`."""
        check_names(pipelines, "pipelines")
        check_names([] if alias is None else [alias], "alias")
        with self._database.reading() as connection:
            return standings.read(connection, pipelines, alias, seen)

    def aliases(self, pipeline: str | None = None) -> list[Event]:
        """What every alias of a pipeline stands for, by name; the aliases of all pipelines if none is given.

        Raises:
            UnknownNameError: if there is no such pipeline.
        """
        with self._database.reading() as connection:
            number = None if pipeline is None else number_of(connection, pipeline, "asked for its aliases")
            return events.standing(connection, None if number is None else [number])

    def history(
        self, pipeline: str, limit: int = 100, before: int | None = None, alias: str | None = None
    ) -> list[Event]:
        """What was promoted, rolled back and accepted, newest first; see `BaseOpStoreClient.history`."""
        check_page(limit, before)
        check_names([] if alias is None else [alias], "alias")
        with self._database.reading() as connection:
            number = number_of(connection, pipeline, "asked for its history")
            return events.page(connection, number, limit, before, alias)


def number_of(connection: sa.Connection, name: str, asked: str) -> int:
    """The number of a pipeline.

    Args:
        connection: the transaction.
        name: its name.
        asked: what was to be done with it, as a participle for the message.

    Raises:
        UnknownNameError: if there is no such pipeline.
    """
    check_name(name, "pipeline")
    number = _number(connection, name)
    if number is None:
        known = rows.known_names(connection, tables.pipeline)
        raise UnknownNameError(
            f"pipeline {name!r} was to be {asked}, but the op store knows no pipeline of that name; save it to "
            "this store (which introduces it, even if nothing of it can be loaded) or serve it with this store, "
            f"or correct the name.{nearest(name, known)}"
        )
    return number


def _number(connection: sa.Connection, pipeline: str) -> int | None:
    number = connection.scalar(sa.select(tables.pipeline.c.id).where(tables.pipeline.c.name == pipeline))
    return None if number is None else int(number)
