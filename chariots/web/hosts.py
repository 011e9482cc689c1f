"""Is a host this very machine, and if not, which proxy stands before it?"""

from __future__ import annotations

import functools
import ipaddress

__all__ = ["is_loopback", "proxy_before"]


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


def proxy_before(scheme: str, host: str) -> str | None:
    """Tells which proxy the environment names for a host; never one for this very machine.

    ``HTTP_PROXY`` and ``HTTPS_PROXY`` count before ``ALL_PROXY``, and ``NO_PROXY`` before all of them.

    Args:
        scheme: ``"http"`` or ``"https"``, whichever is spoken with the host.
        host: a name or an address.

    Returns:
        its address; None where there is none, or only one that does not speak HTTP, such as one of SOCKS.
    """
    import urllib.request

    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    address = proxies.get(scheme) or proxies.get("all") or ""
    if address and "://" not in address:
        return f"http://{address}"
    return address if address.lower().startswith(("http://", "https://")) else None
