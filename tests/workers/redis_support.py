"""What do the tests on Redis share?"""

from __future__ import annotations

import urllib.parse

from redis import Redis

DATABASE = 9  # not the one that the apps of other tests are on


def emptied(url: str) -> Redis:
    """A client of a database of its own on a Redis, with nothing in it."""
    client = Redis.from_url(urllib.parse.urlsplit(url)._replace(path=f"/{DATABASE}").geturl())
    client.flushdb()
    return client


def holders(client: Redis, marker: bytes) -> list[str]:
    """The keys whose value holds some bytes."""
    return sorted(key.decode() for key in client.scan_iter("*") if marker in _everything(client, key))


def _everything(client: Redis, key: bytes) -> bytes:
    match client.type(key):
        case b"string":
            return client.get(key) or b""
        case b"hash":
            return b" ".join(part for pair in client.hgetall(key).items() for part in pair)
        case b"list":
            return b" ".join(client.lrange(key, 0, -1))
        case b"set":
            return b" ".join(client.smembers(key))
        case b"zset":
            return b" ".join(client.zrange(key, 0, -1))
        case kind:
            raise AssertionError(f"no test looks into a {kind!r}")
