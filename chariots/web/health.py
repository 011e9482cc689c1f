"""Is this process about to leave?"""

from __future__ import annotations

import threading
from typing import Final

__all__ = ["leaving"]

leaving: Final = threading.Event()
"""Set once this process was told to stop; ``/readyz`` then says no, while requests are still answered."""
