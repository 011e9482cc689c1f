"""Which indices hold some rows of a table only? (importing this adds them to the tables)

They are apart from the tables, for only whoever makes or compares tables has to know them: to be told of a condition
for PostgreSQL, SQLAlchemy loads all that it knows of it, which takes a quarter of the time of its own import.
"""

from __future__ import annotations

import sqlalchemy as sa

from chariots.op_store.tables import link

__all__: list[str] = []

# Partial, so that no plan looks here for links without a downstream version; in an old store those are all there are.
sa.Index(
    None,
    link.c.downstream_version_id,
    sqlite_where=link.c.downstream_version_id.is_not(None),
    postgresql_where=link.c.downstream_version_id.is_not(None),
)
# Two partial indices, because a plain one takes any two missing downstream versions for different ones.
sa.Index(
    "uq_link_with_version",
    link.c.upstream_version_id,
    link.c.downstream_version_id,
    unique=True,
    sqlite_where=link.c.downstream_version_id.is_not(None),
    postgresql_where=link.c.downstream_version_id.is_not(None),
)
sa.Index(
    "uq_link_without_version",
    link.c.upstream_version_id,
    link.c.downstream_op_id,
    unique=True,
    sqlite_where=link.c.downstream_version_id.is_(None),
    postgresql_where=link.c.downstream_version_id.is_(None),
)
