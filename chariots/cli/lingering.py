"""How is a connection closed, so that its client still gets the rest of the answer?"""

from __future__ import annotations

import selectors
import socket
import time
from typing import Any, Final

__all__ = ["LEAVING_SECONDS", "Lingering"]

LEAVING_SECONDS: Final = 2.0  # for a client to take the rest of an answer, as long as gunicorn grants it


class Lingering:
    """Closes connections, in the loop of a worker; gunicorn's own way waits there until the client has closed it too.

    Args:
        worker: the worker, with its poller.
    """

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._leaving: dict[Any, float] = {}  # socket -> the moment at which patience ends

    def close(self, conn: Any, graceful: bool = False) -> None:
        """Closes a connection.

        Args:
            conn: the connection, as gunicorn has it.
            graceful: whether its client is to get what was sent.
        """
        if not graceful or not self._worker.alive:
            conn.sock.close()
            return
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            self._leaving[conn.sock] = time.monotonic() + LEAVING_SECONDS
            self._worker.poller.register(conn.sock, selectors.EVENT_READ, self._drain)
        except (OSError, ValueError, KeyError):
            self._leaving.pop(conn.sock, None)
            conn.sock.close()
            return
        self._drain(conn.sock)

    def end_overdue(self, now: float) -> None:
        """Closes what has been leaving for too long.

        Args:
            now: the monotonic moment.
        """
        for closing in [one for one, end in self._leaving.items() if end <= now]:
            self._let_go(closing)

    def _drain(self, closing: Any) -> None:
        """Takes what a client still sends: closing before would take the answer from it (RFC 9112, section 9.6)."""
        closing.early.clear()
        try:
            if closing.receive_early():
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass
        self._let_go(closing)

    def _let_go(self, closing: Any) -> None:
        del self._leaving[closing]
        self._worker.poller.unregister(closing)
        closing.close()
