"""How do versions that were saved without a trusted signature get one?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from chariots.errors import StoreError, UnknownNameError, UntrustedError, nearest
from chariots.op_store import rows, tables
from chariots.op_store.trusting.trust import Trust, statement

if TYPE_CHECKING:
    from chariots.op_store.registry import Registry
    from chariots.pipelines.store import StoredVersion

__all__ = ["Signing", "sign_versions"]

_AT_ONCE = 500  # versions; their bytes are hashed one after the other, outside of any transaction


@dataclass
class Signing:
    """What came of signing the versions of a store.

    Attributes:
        signed: how many got a signature.
        trusted: how many had one already by a key that is trusted.
        problems: one sentence for each version whose bytes are not there or not those that were saved.
    """

    signed: int = 0
    trusted: int = 0
    problems: list[str] = field(default_factory=list)


def sign_versions(registry: Registry, ops: Sequence[str] = (), replace: Collection[str] = ()) -> Signing:
    """Signs every version that has bytes and no trusted signature, with the signing key of the registry's trust.

    Args:
        registry: the store.
        ops: the names of the ops to sign; all of them where none is named.
        replace: the names of trusted keys whose signatures are replaced, because those keys are to go.

    Returns:
        what came of it. It may be broken off and run again at any time.

    Raises:
        UnknownNameError: if there is no op, or no trusted key, of one of the names.
        ValueError: if there is no key to sign with, or it is to be replaced itself.
    """
    key = registry.trust.signing_key
    if key is None:
        raise ValueError("versions were to be signed, and the trust of this store has no signing_key; give it one")
    _check_replaced(registry.trust, replace)
    staying = [known for name, known in registry.trust.keys.items() if name not in replace]
    signatures_only = Trust(key, staying)  # the format is not what is judged here
    done = Signing()
    numbers = _numbers(registry, ops)
    last = 0
    while found := _next_versions(registry, numbers, last):
        last = found[-1].id
        signatures = []
        for version in found:
            if _is_trusted(signatures_only, version):
                done.trusted += 1
                continue
            try:
                problem = registry.blobs.problem(str(version.sha256))
            except StoreError as error:
                problem = error.detail
            if problem:
                done.problems.append(f"version {version.id} of op {version.op!r} was not signed: {problem}")
            else:
                signatures.append((version.id, key.sign(statement(version))))
        with registry.database.writing() as connection:
            for number, signature in signatures:
                change = sa.update(tables.version).where(tables.version.c.id == number)
                connection.execute(change.values(signature=signature, signed_by=key.name))
        done.signed += len(signatures)
    return done


def _check_replaced(trust: Trust, names: Collection[str]) -> None:
    for name in names:
        if name not in trust.keys:
            raise UnknownNameError(
                f"the signatures of the key {name!r} were to be replaced, but no key of that name is trusted here; "
                "correct the name, or leave it out: what unknown keys signed is signed in any case."
                f"{nearest(name, trust.keys)}"
            )
        if trust.signing_key is not None and name == trust.signing_key.name:
            raise ValueError(
                f"the signatures of {name!r} were to be replaced, which is the key to sign with; name another"
            )


def _is_trusted(trust: Trust, version: StoredVersion) -> bool:
    try:
        trust.check(version)
    except UntrustedError:
        return False
    return True


def _numbers(registry: Registry, ops: Sequence[str]) -> list[int] | None:
    if not ops:
        return None
    with registry.database.reading() as connection:
        found = rows.op_ids(connection, ops)
        for name in ops:
            if name not in found:
                hint = nearest(name, rows.known_names(connection, tables.op))
                raise UnknownNameError(
                    f"op {name!r} was to be signed, but the op store knows no op of that name; correct it.{hint}"
                )
    return list(found.values())


def _next_versions(registry: Registry, ops: Sequence[int] | None, after: int) -> list[StoredVersion]:
    table = tables.version
    query = sa.select(*rows.STORED).join(tables.op)
    query = query.where(table.c.id > after, table.c.sha256 != "", table.c.pruned_at.is_(None))
    if ops is not None:
        query = query.where(table.c.op_id.in_(ops))
    with registry.database.reading() as connection:
        found = connection.execute(query.order_by(table.c.id).limit(_AT_ONCE)).all()
    return [rows.stored_version(row) for row in found]
