"""Where are the jobs, for a process that was told in a text?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from chariots.errors import InputError, nearest
from chariots.workers.job_store import JobStore

__all__ = ["open_store"]


def open_store(description: str) -> JobStore:
    """Opens the store that another process of ours described.

    Args:
        description: what `JobStore.describe` returned.

    Returns:
        the store.

    Raises:
        InputError: if the text is no description, or one of a kind of store that is not known.
    """
    try:
        described = json.loads(description)
        kind = described["kind"]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(  # without the text, which may hold a password
            "a job store was to be opened, but its description is no JSON object with a member 'kind'; hand over what "
            "describe() of the store returns, as it is"
        ) from error
    opener = _OPENERS.get(kind) if isinstance(kind, str) else None
    if opener is None:
        raise InputError(
            f"a job store of kind {kind!r} was to be opened, but the kinds that are known are {', '.join(_OPENERS)}; "
            f"a newer chariots may have described it: use the same release in both processes."
            f"{nearest(str(kind), _OPENERS)}"
        )
    return opener(described)


def _open_sql(described: Mapping[str, Any]) -> JobStore:
    from chariots.workers.in_sql.store import SQLJobStore

    return SQLJobStore(str(described["url"]))


def _open_redis(described: Mapping[str, Any]) -> JobStore:
    from chariots.workers.in_redis.store import RedisJobStore

    return RedisJobStore.from_description(described)


_OPENERS: dict[str, Callable[[Mapping[str, Any]], JobStore]] = {"sql": _open_sql, "redis": _open_redis}
