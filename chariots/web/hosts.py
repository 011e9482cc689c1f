"""Is a host this very machine?"""

from __future__ import annotations

import functools
import ipaddress

__all__ = ["is_loopback"]


@functools.lru_cache(maxsize=128)
def is_loopback(host: str) -> bool:
    """Tells whether a host name or address is always this very machine.

    Args:
        host: a name or an address, an IPv6 address with or without brackets.
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
