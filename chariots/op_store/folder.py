"""Where in a folder does an op store keep its database and its bytes?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["StoreFolder", "sqlite_url"]


@dataclass(frozen=True, slots=True)
class StoreFolder:
    """A folder that holds a whole op store, as that of ``Chariots(pipelines, path)`` does.

    Attributes:
        path: the folder, as an absolute path; it need not be there.
    """

    path: Path

    @property
    def database(self) -> Path:
        """The SQLite file, which knows the versions."""
        return self.path / "db.sqlite"

    @property
    def db_url(self) -> str:
        """The address of the database, for an `OpStoreServer`."""
        return sqlite_url(self.database)

    @property
    def ops(self) -> Path:
        """The folder that keeps the bytes, for a saver."""
        return self.path / "ops"


def sqlite_url(file: Path) -> str:
    """The address of a database in a file.

    Args:
        file: the SQLite file.
    """
    from sqlalchemy import URL

    # Not an f-string: a folder may be called anything, with a question mark in its name for instance.
    return URL.create("sqlite", database=str(file)).render_as_string()
