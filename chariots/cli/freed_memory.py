"""What becomes of memory that a request has taken, when it is over?

Glibc returns large pieces to the system at once, and the next request of that size has to ask for them again, page by
page: for 4 MB there and back that took longer than to send them.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

__all__ = ["keep_freed_memory"]

LARGEST_PIECE: Final = 32 * 2**20  # bytes, the most that glibc takes; larger ones are returned at once, as ever
MOST_KEPT: Final = 2 * LARGEST_PIECE  # bytes, of each of the areas that threads share

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as malloc.h has them
_SAID_IN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Lets this process keep what it frees for what it takes next, unless the environment says how that is to be.

    These are the limits that glibc itself would come to once a piece of such a size was freed (see mallopt(3)).

    Returns:
        whether the C library knows of such limits, and took them.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or any(name in os.environ for name in _SAID_IN):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGEST_PIECE) and mallopt(_TRIM_THRESHOLD, MOST_KEPT))
