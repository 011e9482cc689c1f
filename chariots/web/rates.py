"""Who has asked for too much, counted over all processes of a server?

Each client has one number: the moment until which its requests are paid for, so to speak (the generic cell rate
algorithm). The numbers lie in a table of fixed size in shared memory, at a place that a keyed hash of the client
chooses: a million addresses take no more room than one, and nobody can aim at the place of another.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import threading
import time
from pathlib import Path
from typing import Final

from chariots.web.settings import Rate

__all__ = ["Rates"]

PLACES: Final = 2**16
_KEY_SIZE: Final = 32
_NUMBER: Final = struct.Struct("<d")


class Rates:
    """Counts what clients ask for.

    Args:
        rate: what each of them may ask for; all of it at once, if it has asked for nothing before.
        shared: a file that the processes of one server share; None where there is one process.
    """

    def __init__(self, rate: Rate, shared: Path | None = None) -> None:
        self._window = rate.seconds
        self._cost = rate.seconds / rate.requests
        self._lock = threading.Lock()
        self._file = None if shared is None else os.open(shared, os.O_RDWR | os.O_CREAT, 0o600)
        size = _KEY_SIZE + PLACES * _NUMBER.size
        if self._file is None:
            self._table = mmap.mmap(-1, size)
            self._table[:_KEY_SIZE] = os.urandom(_KEY_SIZE)
        else:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            is_new = os.fstat(self._file).st_size == 0
            if is_new:
                os.truncate(self._file, size)
            self._table = mmap.mmap(self._file, size)
            if is_new:
                self._table[:_KEY_SIZE] = os.urandom(_KEY_SIZE)
            fcntl.lockf(self._file, fcntl.LOCK_UN)
        self._key = bytes(self._table[:_KEY_SIZE])

    def wait(self, client: bytes, now: float | None = None) -> float:
        """Counts one request.

        Args:
            client: who asks.
            now: the monotonic moment, which all processes of a machine agree on.

        Returns:
            zero if the client may ask, else the seconds after which it may; then the request is not counted.
        """
        moment = time.monotonic() if now is None else now
        digest = hashlib.blake2b(client, key=self._key, digest_size=8).digest()
        place = _KEY_SIZE + (int.from_bytes(digest, "little") % PLACES) * _NUMBER.size
        with self._lock:  # a lock on a file is one of a process, and keeps no other thread of it out
            if self._file is None:
                return self._count(place, moment)
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                return self._count(place, moment)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _count(self, place: int, moment: float) -> float:
        (paid,) = _NUMBER.unpack_from(self._table, place)
        paid = max(paid, moment) + self._cost
        # A grain of salt for the sum of many fractions.
        too_early = paid - moment - self._window * (1 + 1e-9)
        if too_early > 0:
            return float(too_early)
        _NUMBER.pack_into(self._table, place, paid)
        return 0.0
