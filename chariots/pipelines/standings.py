"""What is every pipeline of a server to serve, as far as an op store knows?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chariots.pipelines.store import OpStoreProtocol

__all__ = ["Standing", "Standings", "asked_one_by_one", "mark_of"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What one pipeline is to serve.

    Attributes:
        entry: which entry of the store says so, such as ``promotion 12``; another one whenever it is decided anew.
        versions: the store's number for the version of each node.
    """

    entry: str
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Standings:
    """What several pipelines are to serve.

    Attributes:
        mark: a short text that is another one whenever anything of this is.
        pipelines: by the name of the pipeline; without those of which the store knows nothing.
    """

    mark: str
    pipelines: Mapping[str, Standing]


def mark_of(entries: Iterable[tuple[str, str]]) -> str:
    """Makes a mark.

    Args:
        entries: pairs of the name of a pipeline and the entry that says what it is to serve.

    Returns:
        32 hexadecimal digits; the same for the same pairs in any order.
    """
    return hashlib.blake2b(json.dumps(sorted(entries)).encode(), digest_size=16).hexdigest()


def asked_one_by_one(
    store: OpStoreProtocol, pipelines: Sequence[str], alias: str | None, seen: str | None
) -> Standings | None:
    """Asks a store that cannot tell about several pipelines at once; the arguments are those of its `standings`.

    Args:
        store: the op store.
        pipelines: the names of the pipelines.
        alias: the alias whose versions are served; None for none.
        seen: the mark of the answer that is known.

    Returns:
        what they are to serve; None if that is what is known.
    """
    found: dict[str, Standing] = {}
    for name in pipelines:
        versions = (store.alias(name, alias) if alias is not None else None) or store.last_deployment(name)
        if versions:
            found[name] = Standing(json.dumps(dict(versions), sort_keys=True), dict(versions))
    mark = mark_of((name, standing.entry) for name, standing in found.items())
    return None if mark == seen else Standings(mark, found)
