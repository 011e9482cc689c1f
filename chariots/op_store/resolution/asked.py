"""How is a table of questions handed to the database in one statement? (so that a thousand nodes cost one)"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

__all__ = ["asked", "joined"]

# PostgreSQL plans a subquery with a limit by itself, once for each row that is asked, and so goes through an index.
_NO_LIMIT = 2**62


def asked(connection: sa.Connection, columns: Mapping[str, Any], rows: Sequence[Sequence[Any]]) -> sa.Subquery:
    """Makes rows of values a table that a statement can select from; all of them travel as one parameter.

    Args:
        connection: the transaction.
        columns: the types of the columns, by name; of numbers or of text.
        rows: one value for each column.

    Returns:
        the table.
    """
    text = sa.literal(json.dumps([list(row) for row in rows]), sa.Text)
    if connection.dialect.name == "postgresql":
        each = sa.func.json_array_elements(sa.cast(text, sa.JSON)).table_valued("value", name="each").render_derived()
        values: list[sa.ColumnElement[Any]] = [
            sa.cast(each.c.value.op("->>")(sa.literal_column(str(place))), kind)
            for place, kind in enumerate(columns.values())
        ]
    else:
        each = sa.func.json_each(text).table_valued("value", name="each")
        values = [
            sa.type_coerce(sa.func.json_extract(each.c.value, sa.literal_column(f"'$[{place}]'")), kind)
            for place, kind in enumerate(columns.values())
        ]
    named = [value.label(name) for name, value in zip(columns, values, strict=True)]
    return sa.select(*named).select_from(each).subquery("asked")


def joined(
    connection: sa.Connection,
    given: sa.Subquery,
    source: sa.FromClause,
    condition: sa.ColumnElement[bool],
    columns: Sequence[Any],
    newest: tuple[sa.ColumnElement[Any], int] | None = None,
) -> sa.Select[Any]:
    """Looks up rows for each row of a table that is asked.

    Args:
        connection: the transaction.
        given: the table that is asked.
        source: where to look.
        condition: which rows belong to which.
        columns: what to select, from both; they need distinct names.
        newest: to get the rows with the greatest numbers only: the column with the numbers, and how many of them.

    Returns:
        the query.
    """
    own = [column for column in columns if given.c.contains_column(column)]
    rest = [column for column in columns if not given.c.contains_column(column)]
    if connection.dialect.name == "postgresql":
        found = sa.select(*rest).select_from(source).where(condition).correlate(given)
        if newest is not None:
            found = found.order_by(newest[0].desc())
        limit = _NO_LIMIT if newest is None else newest[1]
        each = found.limit(sa.literal_column(str(limit))).lateral("found")
        chosen = [*own, *(each.c[column.name] for column in rest)]
        return sa.select(*chosen).select_from(given.join(each, sa.true()))
    if newest is not None:
        number, most = newest
        oldest = sa.select(number).select_from(source).where(condition).correlate(given).order_by(number.desc())
        cut = oldest.limit(1).offset(sa.literal_column(str(most - 1))).scalar_subquery()
        condition = sa.and_(condition, number >= sa.func.coalesce(cut, 0))
    return sa.select(*own, *rest).select_from(given.join(source, condition))
