"""Which indices hold some rows of a table only? (importing this adds them to the tables)

They are apart from the tables, for only whoever makes or compares tables has to know them: to be told of a condition
for PostgreSQL, SQLAlchemy loads all that it knows of it, which takes a quarter of the time of its own import.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from chariots.op_store.tables import link

__all__: list[str] = []


def _index(name: str | None, *columns: sa.Column[Any], where: sa.ColumnElement[bool], unique: bool = False) -> None:
    sa.Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


_has_version = link.c.downstream_version_id.is_not(None)
# Partial, so that no plan looks here for links without a downstream version; in an old store those are all there are.
_index(None, link.c.downstream_version_id, where=_has_version)
# Two partial indices, because a plain one takes any two missing downstream versions for different ones.
_index(
    "uq_link_with_version",
    link.c.upstream_version_id,
    link.c.downstream_version_id,
    where=_has_version,
    unique=True,
)
_index(
    "uq_link_without_version",
    link.c.upstream_version_id,
    link.c.downstream_op_id,
    where=link.c.downstream_version_id.is_(None),
    unique=True,
)
