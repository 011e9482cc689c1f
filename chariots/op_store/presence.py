"""Are the bytes of a save still there when it becomes visible, although `gc` may be deleting meanwhile?

A save looks for its bytes before its transaction begins, because looking may take a request to a bucket for each of
them, and the transaction keeps other writers out. `gc` deletes in transactions that keep all writers out, and leaves
a row before and after. So a save which finds the same rows in its transaction as before it looked need not look
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from chariots.errors import ConflictError
from chariots.op_store import tables
from chariots.op_store.blobs import check_sha256
from chariots.pipelines.store import VersionRecord

__all__ = ["Moment", "check_bytes", "check_bytes_again", "moment"]


@dataclass(frozen=True, slots=True)
class Moment:
    """What `gc` had done when a save began.

    Attributes:
        last: the number of its last run; 0 before the first.
        deleting: whether it is at it, or was killed while it was.
    """

    last: int
    deleting: bool


def moment(connection: sa.Connection) -> Moment:
    """What `gc` has done so far.

    Args:
        connection: the transaction.
    """
    finished = tables.collection.c.finished_at
    query = sa.select(sa.func.max(tables.collection.c.id), sa.func.count(), sa.func.count(finished))
    last, runs, ended = connection.execute(query).one()
    return Moment(last=last or 0, deleting=runs > ended)


def check_bytes(record: VersionRecord, where: str, exists: Callable[[str], bool]) -> None:
    """Refuses a version whose bytes the store does not have.

    Args:
        record: the version.
        where: what stands before the names of its fields, for the message.
        exists: tells whether there are bytes under a hash.

    Raises:
        InputError: if what it names is no hash.
        ConflictError: if the bytes are not there.
    """
    if record.sha256 is not None and not exists(check_sha256(record.sha256, f"{where}sha256")):
        raise ConflictError(
            f"op {record.op!r} was to be saved with the bytes {record.sha256}, which the op store does "
            "not have; send the bytes first, then save again (nothing was registered)",
            sha256=record.sha256,
        )


def check_bytes_again(
    connection: sa.Connection, before: Moment, records: Iterable[VersionRecord], exists: Callable[[str], bool]
) -> None:
    """Looks for the bytes of a save once more, if `gc` may have deleted some since they were looked for.

    Args:
        connection: the transaction in which the save becomes visible.
        before: what `gc` had done before the bytes were looked for.
        records: the versions of the save.
        exists: tells whether there are bytes under a hash.

    Raises:
        ConflictError: if the bytes are not there any more.
    """
    now = moment(connection)
    if now != before or now.deleting:
        for record in records:
            check_bytes(record, "", exists)
