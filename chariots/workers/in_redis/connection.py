"""How is a dead Redis noticed at once, and how does another process find the same one?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chariots.errors import ConflictError, UnreachableError

try:
    import rq  # noqa: F401  # the other half of the same extra
    from redis import Redis, exceptions
    from redis.backoff import ExponentialBackoff, NoBackoff
    from redis.connection import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
    from redis.retry import Retry
except ModuleNotFoundError as error:
    raise ImportError(
        f"workers on Redis were asked for, but {error.name!r} is not installed. "
        "Install it with: pip install 'chariots[rq]'"
    ) from error

__all__ = ["REDIS_VARIABLE", "address", "for_server", "for_worker", "reachable", "settings"]

REDIS_VARIABLE = "CHARIOTS_WORKER_REDIS"

# Seconds. With the defaults of redis-py 5, a Redis that accepts and never answers holds the caller for ever;
# with those of redis-py 8 for 20 s and more: 5 s, and as long again for each of its retries.
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
WORKER_RETRIES = 20  # with the back-off below, about half a minute

_NOT_ALLOWED = "does not let the user do this. Allow it the keys chariots:* and rq:*, and every command for them"

# Words in what Redis answers, alone or through a script, when it may not or cannot write; and what they mean.
_CANNOT_NOW = {
    "'maxmemory'": "has no memory left. Give it more, or let results go sooner with a smaller result_ttl",
    "MISCONF": "cannot write its file, so it takes nothing. Look at its disk",
    "BUSY ": "is busy with a script of somebody else. Ask again in a moment",
    "NOREPLICAS": "has fewer replicas than it must have. Look at them",
    "read only replica": "is a replica. Give the worker pool the address of the one that takes writes",
    "NOPERM": _NOT_ALLOWED,
    "executing the script can't": _NOT_ALLOWED,
    "ACL failure in script": _NOT_ALLOWED,
}

_KINDS = {kind.__name__: kind for kind in (Connection, SSLConnection, UnixDomainSocketConnection)}

# How redis-py describes one pool to itself; a second pool makes its own.
_OF_ONE_POOL = frozenset(
    {
        "retry",
        "driver_info",
        "lib_name",
        "lib_version",
        "event_dispatcher",
        "himport_registry",
        "maint_notifications_config",
        "maint_notifications_pool_handler",
        "orig_host_address",
        "orig_socket_timeout",
        "orig_socket_connect_timeout",
    }
)


def for_server(redis: Redis | None = None, redis_kwargs: Mapping[str, Any] | None = None) -> Redis:
    """Makes the client a server asks through: it fails fast, so that no request hangs on a dead Redis.

    Args:
        redis: a client to copy; it is left as it is. The copy keeps its time limits where it has some.
        redis_kwargs: arguments of `redis.Redis`, used where there is no client.

    Returns:
        a client without retries that waits a few seconds at most.
    """
    client = redis if redis is not None else Redis(**(redis_kwargs or {}))
    kept = _kept(client)
    kept["socket_timeout"] = kept.get("socket_timeout") or ANSWER_SECONDS
    kept["socket_connect_timeout"] = kept.get("socket_connect_timeout") or CONNECT_SECONDS
    return _rebuilt(client, kept, Retry(NoBackoff(), 0))


def for_worker(described: str) -> Redis:
    """Makes the client a worker waits through: it outlasts a restart of Redis.

    Args:
        described: what `settings` wrote, or the URL of a Redis.

    Returns:
        a client that tries again for about half a minute.
    """
    patience = Retry(ExponentialBackoff(cap=2.0, base=0.1), WORKER_RETRIES)
    if not described.startswith("{"):
        client = Redis.from_url(described)
        return _rebuilt(client, _kept(client), patience)
    kept: dict[str, Any] = json.loads(described)
    kind = _KINDS[kept.pop("connection_class")]
    return Redis(connection_pool=ConnectionPool(connection_class=kind, **kept, retry=patience))


def settings(client: Redis) -> str:
    """Describes a client to another process of ours; the text holds the password and is not for people.

    Raises:
        ConflictError: if the client is set up with objects that text cannot hold.
    """
    kind = client.connection_pool.connection_class.__name__
    described: dict[str, Any] = {"connection_class": kind}
    untold = None if kind in _KINDS else f"connects through a {kind}"
    for name, value in _kept(client).items():
        if value is None or value == []:
            continue
        if not isinstance(value, str | int | float):
            untold = f"has a {name!r} of type {type(value).__name__}"
        described[name] = value
    if untold:
        raise ConflictError(
            f"a worker was asked for, but its Redis client {untold}, which another process cannot be told. "
            f"Set {REDIS_VARIABLE} to the URL of the Redis (redis://, rediss:// or unix://) "
            "and start workers with `chariots worker module:app`."
        )
    return json.dumps(described)


def address(client: Redis) -> str:
    """Where a client connects to, without user or password, for messages."""
    kept = client.connection_pool.connection_kwargs
    where = kept.get("path") or f"{kept.get('host', 'localhost')}:{kept.get('port', 6379)}"
    return f"{where}, database {kept.get('db') or 0}"


@contextmanager
def reachable(client: Redis, asked: str) -> Iterator[None]:
    """Turns the failures of a Redis that is not there into one clear error, without the stack of redis-py.

    Args:
        client: the client the block uses.
        asked: what is being done, for the message.

    Raises:
        UnreachableError: if Redis refused, broke or did not answer in time.
    """
    try:
        yield
    except (exceptions.AuthenticationError, exceptions.NoPermissionError) as error:
        raise UnreachableError(
            f"{asked}, but Redis at {address(client)} refused the user or the password ({error}). "
            "Give the worker pool the right ones, in redis_kwargs or in the Redis client."
        ) from None
    except exceptions.BusyLoadingError:
        raise UnreachableError(
            f"{asked}, but Redis at {address(client)} has just started and is still reading its data. "
            "Ask again in a moment."
        ) from None
    except exceptions.ResponseError as error:
        word = next((word for word in _CANNOT_NOW if word in str(error)), None)
        if word is None:
            raise
        raise UnreachableError(
            f"{asked}, but Redis at {address(client)} {_CANNOT_NOW[word]} ({error}). Nothing was changed."
        ) from None
    except (exceptions.ConnectionError, exceptions.TimeoutError) as error:
        raise UnreachableError(
            f"{asked}, but Redis at {address(client)} did not answer ({type(error).__name__}: {error}). "
            "Start it, or give the worker pool the address of one that runs."
        ) from None


def _kept(client: Redis) -> dict[str, Any]:
    """The arguments a second pool is made with. RQ stores bytes, so answers are never decoded."""
    every: dict[str, Any] = client.connection_pool.connection_kwargs
    # redis-py marks what was not given by a bare object() that only the same process recognises.
    own = {name for name, value in every.items() if name in _OF_ONE_POOL or type(value) is object}
    return {**{name: value for name, value in every.items() if name not in own}, "decode_responses": False}


def _rebuilt(client: Redis, kept: dict[str, Any], retry: Retry) -> Redis:
    if type(client) is not Redis or type(client.connection_pool) is not ConnectionPool:
        return client  # a Sentinel, or a class of the user's own: it knows best
    kind = client.connection_pool.connection_class
    return Redis(connection_pool=ConnectionPool(connection_class=kind, **kept, retry=retry))
