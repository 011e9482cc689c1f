"""How does Alembic reach the op store's database? (the connection it is given, or the Flask app's engine)"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from chariots.op_store import partial_indices  # noqa: F401  # adds them to the tables
from chariots.op_store.tables import metadata


def migrate(connection: sa.Connection) -> None:
    """Runs what is missing in one transaction, so that a killed migration leaves the tables as they were."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transactional_ddl=True,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
elif context.is_offline_mode():
    context.configure(
        dialect_name=(context.get_x_argument(as_dictionary=True)).get("dialect", "postgresql"),
        target_metadata=metadata,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    from flask import current_app

    with current_app.extensions["migrate"].db.engine.begin() as own:
        migrate(own)
