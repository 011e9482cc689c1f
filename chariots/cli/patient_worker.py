"""How does a server stay there for everybody while some clients send or read as slowly as they can?

Gunicorn gives a connection to a thread as soon as its first byte is there, and the thread waits for the rest: a few
clients that send half a line each keep all threads busy. Here the loop of the worker, which waits for thousands of
connections at once, takes in the head of a request and a small body. A thread gets the request when it is whole. Where
there are as many connections as a worker takes, the one that has waited longest makes room for the next.
"""

from __future__ import annotations

import errno
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from gunicorn.http import RequestParser
from gunicorn.workers.gthread import TConn, ThreadWorker

from chariots._room import with_room
from chariots.cli.express_making import express_of
from chariots.cli.held_calls import IS_HELD, HeldSelector, accept_now
from chariots.cli.lingering import LEAVING_SECONDS, Lingering
from chariots.cli.loop_answers import overloaded, spare_name
from chariots.cli.loop_metrics import LoopMetrics
from chariots.cli.method_queue import MethodQueue
from chariots.cli.patient_socket import ARRIVAL_SECONDS, Arrival, Early, PatientSocket, PatientTlsSocket, arrived
from chariots.cli.plain_requests import PlainRequests
from chariots.cli.thread_turns import ThreadTurns
from chariots.web.health import leaving

if TYPE_CHECKING:
    from chariots.cli.express import Express, Verdict

__all__ = ["PatientWorker", "ARRIVAL_SECONDS"]

BACKLOG_OF_A_THREAD: Final = 16

_AT_ONCE: Final = 16  # connections; the other processes may have time, too
_NONE_THERE: Final = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED)
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_TOO_MANY: Final = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class PatientWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """A worker whose threads are not kept waiting by slow clients, and that refuses what it has no time for.

    Attributes:
        backlog: how many requests may wait for a thread; None for 16 for each thread.
        drain_seconds: how long it goes on after it was told to stop, so that whoever asks ``/readyz`` learns of it.
        has_express: whether ordinary calls of quick pipelines are answered together, and not each by a thread.
    """

    backlog: int | None = None
    drain_seconds = 0.0
    has_express = False
    poller: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if IS_HELD:
            self.method_queue = MethodQueue()
        threads, self._keepalive = self.cfg.threads, self.cfg.keepalive
        self._most = threads + (BACKLOG_OF_A_THREAD * threads if self.backlog is None else self.backlog)
        self._at_work = 0  # connections that a thread has, or that wait for one
        self._notified = 0.0  # when the arbiter was last told that this process lives
        self._spare: dict[str, ThreadPoolExecutor] = {}  # threads for those who look after servers
        self._leaves_at: float | None = None
        self._tls: ssl.SSLContext | None = None
        self._names: dict[Any, Any] = {}  # listener -> where it listens
        self._metrics = LoopMetrics(lambda: self.waiting)
        self._arriving: dict[Any, float] = {}  # connection -> the moment at which patience ends; the oldest first
        self._lingering = Lingering(self)
        self._large: deque[tuple[float, Any]] = deque()  # connections whose large bodies wait for a thread, since when
        self._reading = 0  # threads that have such a body
        self._lock = threading.Lock()
        self._plain = PlainRequests.of(self.cfg)
        self._turns = ThreadTurns(self, self._plain, self._goes_by_express)
        self._express: Express | None = None

    def init_process(self) -> None:
        """Begins; gunicorn calls this in the new process."""
        if self.cfg.is_ssl:
            from gunicorn.sock import ssl_context

            self._tls = ssl_context(self.cfg)
            self._tls.sslsocket_class = PatientTlsSocket
        super().init_process()

    def load_wsgi(self) -> None:
        """Loads the application, and what it counts with."""
        super().load_wsgi()
        from chariots.web.around import Around  # not in the parent, whose memory is copied where this process writes

        around = getattr(self.wsgi, "wsgi_app", None)
        self._metrics.start(around.metrics if isinstance(around, Around) else None)
        if getattr(self.wsgi, "weights", None):
            from chariots.transfer.screens import begin_log

            begin_log()
        if self.has_express:
            self._express = express_of(
                self.wsgi,
                self.cfg,
                self._plain,
                give_back=partial(self.method_queue.defer, self._take_back),
                send_rest=self._send_rest,
                most=self._most,
            )

    def run(self) -> None:
        """Serves until it is told to stop; gunicorn calls this when all is loaded."""
        self.poller.close()  # nothing waits there yet
        self.poller = HeldSelector()
        super().run()

    def notify(self) -> None:
        """Tells the arbiter that this process lives, once a second, as gunicorn itself does when nothing happens."""
        now = time.monotonic()
        if now - self._notified >= 1.0:
            self._notified = now
            super().notify()

    def handle_exit(self, sig: Any, frame: Any) -> None:
        """Tells ``/readyz`` to say no, and stops a while later; at once when told for the second time."""
        if not self.drain_seconds or leaving.is_set():
            super().handle_exit(sig, frame)
            return
        self._leaves_at = time.monotonic() + self.drain_seconds
        leaving.set()

    def set_accept_enabled(self, enabled: bool) -> None:
        """Refuses connections while it finishes what runs; gunicorn's own lets them wait, and then drops them."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            if self._express is not None:
                self._express.stop()
            for listening in self.sockets:
                listening.close()
            for connection in [one for one in self._arriving if not one.sock.early]:
                self._drop(connection)

    def accept(self, listener: Any) -> None:
        """Takes in connections that are there, some at once."""
        for _ in range(min(_AT_ONCE, self.worker_connections - self.nr_conns)):
            try:
                descriptor, client = accept_now(listener)
            except OSError as error:
                if error.errno in _NONE_THERE:
                    return
                raise
            self.nr_conns += 1
            self.enqueue_req(self._taken_over(listener, descriptor, client))

    def enqueue_req(self, conn: Any) -> None:
        """Lets a request arrive, and then gives it to a thread."""
        conn.data_ready = True  # no thread needs to look whether something comes
        conn.sock.forget_the_pace()
        parser = getattr(conn, "parser", None)
        if parser is not None and parser.unreader.buf.getvalue():
            conn.sock.since = time.monotonic()
            self._hand_over(conn)  # the request came together with the one before, and was read along with it
            return
        self._receive(conn)

    def handle(self, conn: Any) -> Any:
        """Answers a request, and those that follow it at once, in a thread; then the next large body may be read."""
        try:
            return with_room(self._turns.take, conn, super().handle)
        finally:
            is_large, conn.is_large = getattr(conn, "is_large", False), False
            with self._lock:
                self._at_work -= 1  # here: whoever has got its answer may come back before the loop looks again
                self._reading -= is_large
            if is_large:
                self._read_large()

    def murder_keepalived(self, *args: Any, **kwargs: Any) -> None:
        """Closes what has waited too long; gunicorn's loop calls this after each of its steps, of a second at most."""
        super().murder_keepalived(*args, **kwargs)
        now = time.monotonic()
        if self._leaves_at is not None and self._leaves_at <= now:
            self.alive = False
        for connection in [one for one, end in self._arriving.items() if end <= now]:
            self._drop(connection)
        # Otherwise gunicorn lets all others wait until one of these connections ends.
        while self.alive and self.nr_conns >= self.worker_connections and self._make_room():
            pass
        self._lingering.end_overdue(now)

    @property
    def keeps_connections(self) -> bool:
        """Whether a client may ask again on the same connection, as gunicorn decides it."""
        return bool(self.alive and self._keepalive and len(self.keepalived_conns) < self.max_keepalived)

    def finish_request(self, conn: Any, done: Any) -> None:
        """Goes on with a connection whose request a thread has answered."""
        if conn.sock.early and not done.cancelled() and done.exception() is None and done.result() is True:
            conn.sock.setblocking(False)
            self._receive(conn)  # the next request, or its beginning, came along
        else:
            super().finish_request(conn, done)

    @property
    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return max(0, self._taken - int(self.cfg.threads))

    @property
    def _taken(self) -> int:
        """How many requests threads answer, or have still to answer."""
        return self._at_work - self._turns.staying + len(self._large)

    def _taken_over(self, listener: socket.socket, descriptor: int, client: Any) -> Any:
        if self._tls is None:
            sock: Early = PatientSocket(listener, descriptor)
        else:
            sock = PatientTlsSocket.over(socket.socket(fileno=descriptor), self._tls)
        if listener not in self._names:  # to ask the system for each would let other threads go first
            self._names[listener] = listener.getsockname()
        conn = TConn(self.cfg, sock, client, self._names[listener])
        if self._tls is not None:
            # What gunicorn would do in the thread, the handshake included.
            conn.initialized, conn.parser = True, RequestParser(conn.cfg, conn.sock, conn.client)
        conn.close = partial(self._lingering.close, conn)
        return conn

    def _receive(self, conn: Any, _readable: Any = None) -> None:
        early: Early = conn.sock
        try:
            found = arrived(early.early) if early.receive_early() else "whole"
        except (BlockingIOError, InterruptedError):
            found = arrived(early.early) if early.early else "part"
        except ssl.SSLError:
            self._forget_arrival(conn)
            self._end(conn, b"")  # whatever it speaks, it is not TLS
            return
        except OSError:
            found = "whole"  # whichever thread reads on will find out, and close it
        if found == "part":
            if conn not in self._arriving:
                self._arriving[conn] = time.monotonic() + ARRIVAL_SECONDS
                self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._receive, conn))
            return
        self._forget_arrival(conn)
        if not early.early:
            self._end(conn, b"")  # it has said all that it will say
            return
        early.since = time.monotonic()
        express = self._express
        if express is not None and found == "whole" and express.takes(early.early):
            express.add(conn)
        else:
            self._dispatch(conn, found)

    def _dispatch(self, conn: Any, found: Arrival) -> None:
        """Finds somebody to answer a request, or says that nobody has time."""
        early: Early = conn.sock
        spare = spare_name(early.early) if found == "whole" else None
        if spare is not None:
            self._ask_spare(conn, spare)
        elif self._taken >= self._most:
            self._refuse(conn)
        elif found == "large":
            conn.sock.setblocking(True)
            self._large.append((time.monotonic(), conn))
            self._read_large()
        else:
            self._hand_over(conn)

    def _forget_arrival(self, conn: Any) -> None:
        if self._arriving.pop(conn, None) is not None:
            self.poller.unregister(conn.sock)

    def _hand_over(self, conn: Any) -> None:
        conn.sock.setblocking(True)
        with self._lock:
            self._at_work += 1
        super().enqueue_req(conn)

    def _ask_spare(self, conn: Any, name: str) -> None:
        """Has a thread answer that nothing else keeps busy; one for each, since asking a store may take its time."""
        conn.sock.setblocking(True)
        spare = self._spare.get(name)
        if spare is None:
            spare = self._spare[name] = ThreadPoolExecutor(1, thread_name_prefix=name)
        done = spare.submit(self._answer_spare, conn)
        done.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))

    def _answer_spare(self, conn: Any) -> Any:
        self._metrics.tell()
        return super().handle(conn)

    def _refuse(self, conn: Any) -> None:
        """Says at once that there is no time for a request."""
        self._metrics.refused += 1
        conn.sock.setblocking(False)
        answer, length = overloaded(conn.sock.early, self.waiting)
        try:
            is_told = conn.sock.send_now(answer) == len(answer)
        except OSError:
            is_told = False  # it does not read either
        if not is_told or length is None or not self.alive:
            self.nr_conns -= 1
            conn.close(graceful=is_told)
            return
        del conn.sock.early[:length]
        if conn.sock.early:
            self.method_queue.defer(self._receive, conn)
            return
        self._keep(conn)

    def _keep(self, conn: Any) -> None:
        """Waits for the next request of a client."""
        conn.sock.setblocking(False)
        conn.set_timeout()
        if not self.alive:
            conn.timeout = min(conn.timeout, time.monotonic() + LEAVING_SECONDS)
        self.keepalived_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn))

    def _goes_by_express(self, request: bytearray) -> bool:
        return self._express is not None and self._express.takes(request)

    # -- what goes by express --------------------------------------------------------------------------------------

    def _take_back(self, conn: Any, verdict: Verdict) -> None:
        if verdict == "end":
            self.nr_conns -= 1
            conn.close(graceful=True)
        elif verdict == "idle":
            self._keep(conn)
        elif verdict == "part":
            self._receive(conn)
        elif verdict == "surplus":
            self._refuse(conn)
        else:
            self._dispatch(conn, "whole")

    def _send_rest(self, conn: Any, rest: bytes, is_kept: bool) -> None:
        """Sends in a thread what a client does not take at once."""

        def send() -> Verdict:
            try:
                conn.sock.sendall(rest)
            except OSError:
                return "end"
            return "idle" if is_kept else "end"

        done = self.tpool.submit(send)
        done.add_done_callback(lambda done: self.method_queue.defer(self._take_back, conn, done.result()))

    def _read_large(self) -> None:
        """Gives waiting large bodies to threads, as long as half of the threads are left for others."""
        with self._lock:
            if not self._large or self._reading >= max(1, self.cfg.threads // 2):
                return
            self._reading += 1
            _, conn = self._large.popleft()
        conn.is_large = True
        self._hand_over(conn)

    def _make_room(self) -> bool:
        """Closes the connection that has waited longest, for its client or for a thread; False where none waits."""
        with self._lock:
            waiting = [(conn.timeout - self.cfg.keepalive, conn) for conn in islice(self.keepalived_conns, 1)]
            waiting += [(end - ARRIVAL_SECONDS, conn) for conn, end in islice(self._arriving.items(), 1)]
            waiting += islice(self._large, 1)
            _, longest = min(waiting, key=lambda one: one[0], default=(0.0, None))
            if self._large and longest is self._large[0][1]:
                self._large.popleft()
                self._end(longest, _TOO_MANY)
                return True
        if longest in self._arriving:
            self._drop(longest, _TOO_MANY)
        elif longest is not None:
            longest.timeout = 0.0
            super().murder_keepalived()
        return longest is not None

    def _drop(self, conn: Any, answer: bytes = _TOO_SLOW) -> None:
        del self._arriving[conn]
        self.poller.unregister(conn.sock)
        self._end(conn, answer)

    def _end(self, conn: Any, answer: bytes) -> None:
        self.nr_conns -= 1
        try:
            if conn.sock.early:
                conn.sock.send_now(answer)
        except OSError:
            pass  # it does not read either
        finally:
            conn.sock.close()
