"""How is a table of questions handed to the database in one statement? (so that a thousand nodes cost one)"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

__all__ = ["asked", "for_each"]

# PostgreSQL plans a subquery that has a limit for itself, once for each row of what is asked, and so through an index.
_NO_LIMIT = 2**62


def asked(
    connection: sa.Connection, columns: Mapping[str, type[sa.types.TypeEngine[Any]]], rows: Sequence[Sequence[Any]]
) -> sa.Subquery:
    """Makes rows of values a table that a statement can select from; all of them travel as one parameter.

    Args:
        connection: the transaction.
        columns: the columns, by name; numbers or text.
        rows: one value for each column.

    Returns:
        the table.
    """
    text = sa.literal(json.dumps([list(row) for row in rows]), sa.Text)
    if connection.dialect.name == "postgresql":
        each = sa.func.json_array_elements(sa.cast(text, sa.JSON)).table_valued("value", name="each").render_derived()
        values = [
            sa.cast(each.c.value.op("->>")(sa.literal_column(str(place))), kind) for place, kind in enumerate(columns.values())
        ]
    else:
        each = sa.func.json_each(text).table_valued("value", name="each")
        values = [
            sa.type_coerce(sa.func.json_extract(each.c.value, sa.literal_column(f"'$[{place}]'")), kind)
            for place, kind in enumerate(columns.values())
        ]
    named = [value.label(name) for name, value in zip(columns, values, strict=True)]
    return sa.select(*named).select_from(each).subquery("asked")


def for_each(connection: sa.Connection, given: sa.Subquery, found: sa.Select[Any]) -> sa.Select[Any]:
    """Runs a query once for each row of a table.

    Args:
        connection: the transaction.
        given: the table.
        found: the query, which names columns of the table.

    Returns:
        a query for all columns of ``found``.
    """
    if connection.dialect.name == "postgresql":
        if found._limit_clause is None:
            found = found.limit(sa.literal_column(str(_NO_LIMIT)))
        inner = found.correlate(given).lateral("found")
        return sa.select(*inner.c).select_from(given.join(inner, sa.true()))
    return found
