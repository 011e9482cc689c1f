"""What does a thread of a worker do with a connection that it was given?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from chariots.cli.patient_socket import arrived
from chariots.cli.plain_requests import PlainAnswer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from chariots.cli.plain_requests import LargeBody, PlainRequests

__all__ = ["ThreadTurns"]

STAY_SECONDS: Final = 0.003  # for which a thread waits for the next request of a client
LONG_STAY_SECONDS: Final = 0.1  # where there are threads for all clients


class ThreadTurns:
    """Answers a request, and those that follow it at once.

    To hand a connection back to the loop, and then to a thread, takes longer than many a request.

    Args:
        worker: whose threads these are.
        plain: what reads requests with plain heads; None where gunicorn is to read all.
        is_for_others: whether a request, all of which has come, is one that others than the threads answer.
    """

    def __init__(self, worker: Any, plain: PlainRequests | None, is_for_others: Callable[[bytearray], bool]) -> None:
        self._worker = worker
        self._threads: int = worker.cfg.threads  # to ask the configuration of gunicorn takes its time
        self._plain = plain
        self._is_for_others = is_for_others
        #: How many threads wait a moment for the next request of their client.
        self.staying = 0
        self._lock = threading.Lock()

    def take(self, conn: Any, by_gunicorn: Callable[[Any], Any]) -> Any:
        """Answers the requests of a connection for as long as it brings some.

        Args:
            conn: the connection, as gunicorn has it.
            by_gunicorn: how gunicorn answers one request.

        Returns:
            whether the connection is kept, or whatever else gunicorn said.
        """
        while True:
            is_kept = self._answer(conn, by_gunicorn)
            if is_kept is not True or not self._follows_at_once(conn):
                return is_kept
            conn.sock.since = time.monotonic()
            conn.sock.forget_the_pace()

    def _answer(self, conn: Any, by_gunicorn: Callable[[Any], Any]) -> Any:
        plain = None if _was_read_ahead(conn) else self._plain
        if plain is None:
            return by_gunicorn(conn)
        head = plain.head(conn.sock.early)
        found = None if head is None else plain.read(conn, head)
        if found is not None:
            environ, size = found
            del conn.sock.early[:size]
            return self._answer_plain(conn, environ)
        begun = plain.read_head(conn)
        if begun is None:
            return by_gunicorn(conn)
        environ, body = begun
        return self._answer_plain(conn, environ, body)

    def _answer_plain(self, conn: Any, environ: WSGIEnvironment, body: LargeBody | None = None) -> bool:
        worker = self._worker
        answer = PlainAnswer(conn.sock, worker.cfg, keeps=worker.keeps_connections, body=body)
        try:
            if conn.sock.gettimeout() == 0.0:  # to ask takes less than to set it
                conn.sock.setblocking(True)
            conn.init()  # gunicorn looks for its parser when it takes the connection back
            answer.send(worker.wsgi, environ)
        except OSError as error:
            worker.log.debug("a connection was lost in the middle of an answer: %s", error)
            return False
        except Exception as error:
            if answer.has_begun:  # another answer would only garble the first
                worker.log.exception("a request could not be answered to the end")
            else:
                worker.handle_error(None, conn.sock, conn.client, error)
            return False
        return answer.keeps

    def _follows_at_once(self, conn: Any) -> bool:
        """Whether a client that got its answer sends the next request, small and whole, within a moment."""
        worker = self._worker
        if _was_read_ahead(conn):
            return False
        # Where there is a thread for every client, one is kept for whoever comes next.
        has_thread = worker.nr_conns <= self._threads
        most = self._threads - 1 if has_thread else self._threads // 2
        with self._lock:
            is_wanted = not has_thread and worker.tpool._work_queue.qsize()
            if not worker.alive or self.staying >= most or is_wanted:
                return False
            self.staying += 1
        try:
            early = conn.sock.early
            is_there = early or conn.sock.waits_for_more(LONG_STAY_SECONDS if has_thread else STAY_SECONDS)
            return bool(is_there) and arrived(early) == "whole" and not self._is_for_others(early)
        finally:
            with self._lock:
                self.staying -= 1


def _was_read_ahead(conn: Any) -> bool:
    """Whether the parser of gunicorn has read more than the request that it was asked for."""
    return conn.parser is not None and bool(conn.parser.unreader.buf.getvalue())
