"""How do many clients get short answers from one process, without a thread for each?

A thread of its own waits for the connections on which clients call quick pipelines, one call after the other. It reads
whatever has come, has it answered together (`chariots.serving.together`), writes the answers, and waits again. The more
clients there are, the more requests it finds each time, and the less each of them costs. Whatever else comes on these
connections, or does not come for a while, goes back to the loop of the worker, and to its threads.

A second thread looks on. When a run takes longer than others may be kept waiting for, it takes the place of the first,
which comes back when it is done, and is needed no more.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Any, Final, Literal

from chariots._room import with_room
from chariots.cli.express_parts import Answer, Run
from chariots.cli.held_calls import HeldEpoll, ring
from chariots.cli.lookout import Lookout
from chariots.cli.patient_socket import arrived
from chariots.cli.plain_heads import Head
from chariots.cli.plain_requests import PlainRequests
from chariots.pipelines.resources import processors
from chariots.serving.together import Manner, Together, Turn

__all__ = ["Express", "Verdict"]

AT_ONCE: Final = 64  # requests; what belongs to more of them does not fit into the caches of a processor
PATIENCE_SECONDS: Final = 0.02  # for a run, before somebody else goes on with the other connections
IDLE_SECONDS: Final = 1.0  # after which a connection goes back to the loop
OUT_SECONDS: Final = 10.0  # for which a pipeline whose run took too long is left to the threads
MOST_DEPOSED: Final = 8  # runs that take too long at the same time; then everything goes back to the threads

Verdict = Literal["idle", "request", "part", "surplus", "end"]
"""Why a connection comes back: nothing came, a request for the threads, part of one, one too many, or it has ended."""

_ONCE: Final = select.EPOLLIN | select.EPOLLONESHOT  # whoever has a connection need not be told that more has come
_logger = logging.getLogger("chariots.serve")


class Express:
    """Answers ordinary calls of quick pipelines.

    Args:
        together: what answers them.
        plain: what reads them.
        give_back: takes a connection back, with the reason; called from other threads than the loop.
        send_rest: sends what a connection would not take at once, and takes it back, to be kept or not; the same holds.
        most: how many runs may wait at once; those beyond go back.
    """

    def __init__(
        self,
        together: Together,
        plain: PlainRequests,
        *,
        give_back: Callable[[Any, Verdict], None],
        send_rest: Callable[[Any, bytes, bool], None],
        most: int,
    ) -> None:
        self._together = together
        self._plain = plain
        self._give_back = give_back
        self._send_rest = send_rest
        self._most = most
        self._epoll = HeldEpoll()
        self._lookout = Lookout(self._epoll.poll, processors())
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._bell, select.EPOLLIN | select.EPOLLET)  # so that nobody has to read it
        self._inbox: deque[Any] = deque()  # connections that have a request already
        self._idle: dict[int, tuple[Any, float]] = {}  # file descriptor -> who waits for the next request, since when
        self._lock = threading.Lock()
        self._captain = 0  # the number of the thread that waits for connections
        self._run: Run | None = None  # what it runs
        self._deposed = 0  # threads whose run took too long, and still goes on
        self._stirs = threading.Event()
        self._is_asleep = False  # who looks on, while nothing happens
        self._is_open = True
        self._swept = time.monotonic()
        self._second, self._date = 0, b""

    def start(self) -> None:
        """Begins; in the process that answers."""
        _thread(self._lead, 0)
        _thread(self._look_on)

    def stop(self) -> None:
        """Gives back every connection on which nothing runs, and takes no more."""
        self._is_open = False
        ring(self._bell)

    def takes(self, received: bytes | bytearray) -> bool:
        """Whether a request is one to be answered here.

        Args:
            received: all of it.
        """
        head = self._plain.head(received)
        return self._is_open and head is not None and self._together.manner(head.environ["PATH_INFO"]) is not None

    def add(self, conn: Any) -> None:
        """Takes a connection over, with a request that is one to be answered here.

        Args:
            conn: the connection, as gunicorn has it; its socket is a `PatientSocket` that has received the request.
        """
        self._inbox.append(conn)
        ring(self._bell)

    # -- the captain ----------------------------------------------------------------------------------------------

    def _lead(self, number: int, left: Sequence[list[Turn]] = ()) -> None:
        if left:
            self._answer(left, number)
        while number == self._captain:
            came = min(len(self._inbox), AT_ONCE // 2)  # neither those who come nor those who are there go short
            timeout = 0.0 if came else IDLE_SECONDS if self._idle else None
            is_alone = came == 0 and len(self._idle) == 1
            events = self._lookout.wait(timeout, AT_ONCE - came, is_alone=is_alone)
            ready = [conn for descriptor, _ in events if (conn := self._received(descriptor)) is not None]
            while self._inbox and len(ready) < AT_ONCE:
                ready.append(self._inbox.popleft())
            if turns := self._turns(ready):
                self._answer(self._together.begin(turns), number)
            if not self._is_open or time.monotonic() - self._swept > IDLE_SECONDS:
                self._sweep()

    def _turns(self, ready: Sequence[Any]) -> list[Turn]:
        """Reads the requests that have come; those that are not to be answered here are given back."""
        turns: list[Turn] = []
        room = self._most
        for conn in ready:
            head = self._plain.head(conn.sock.early)
            manner = None if head is None else self._together.manner(head.environ["PATH_INFO"])
            if manner == "alone":  # those that run together take no longer for one more
                room -= 1
                if room < 0:
                    self._return(conn, "surplus")
                    continue
            try:
                turn = None if head is None or manner is None else self._turn(conn, head, manner)
            except Exception:
                _logger.exception("a request could not be read, and is left to a thread")
                self._return(conn, "request")
                continue
            if turn is not None:
                turns.append(turn)
            else:
                self._return(conn, "request" if arrived(conn.sock.early) == "whole" else "part")
        return turns

    def _received(self, descriptor: int) -> Any:
        """The connection on which a whole request has come; None where it is not whole, and was given back."""
        if descriptor == self._bell:
            return None
        conn, _ = self._idle.pop(descriptor)
        early = conn.sock
        try:
            if not early.receive_early():
                self._return(conn, "end")
                return None
        except (BlockingIOError, InterruptedError):
            self._wait_for(conn)
            return None
        except OSError:
            self._return(conn, "end")
            return None
        early.since = time.monotonic()
        if arrived(early.early) == "whole":
            return conn
        self._return(conn, "part")
        return None

    def _turn(self, conn: Any, head: Head, manner: Manner) -> Turn | None:
        """Reads the request of a connection; None where it is not whole, or not one to be answered here."""
        found = self._plain.read(conn, head)
        if found is None:
            return None
        environ, size = found
        answer = Answer(conn)
        turn = self._together.read(environ, answer.start, answer, manner)
        if turn is not None:
            if manner == "dispatched":
                answer.request = bytes(conn.sock.early[:size])
            del conn.sock.early[:size]
        return turn

    def _answer(self, groups: Sequence[list[Turn]], number: int) -> None:
        """Runs requests and sends the answers; goes on with that even if another thread has become the captain."""
        run = self._run = Run(deque(groups))
        if self._is_asleep:
            self._stirs.set()
        while (group := run.next_group()) is not None:
            turns: Sequence[Turn] = group
            try:
                turns = self._together.run(group)
            except Exception:
                _logger.exception("%d requests could not be answered", len(group))
            for turn in turns:
                run.group = [turn]  # each has time of its own: a thousand answers take longer than any should
                self._finish(turn)
        with self._lock:
            if number == self._captain:
                self._run = None
            else:
                self._deposed -= 1

    def _finish(self, turn: Turn) -> None:
        answer: Answer = turn.owner
        conn = answer.conn
        try:
            body = self._together.finish(turn)
            is_kept = self._is_open  # what the client is told holds, whatever comes next
            whole = answer.written(body, self._now(), keeps=is_kept)
            sent = conn.sock.send_now(whole)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._return(conn, "end")
            return
        except Exception:
            _logger.exception("a request could not be answered")
            self._return(conn, "end")
            return
        finally:
            if turn.beginning is not None:
                turn.beginning.close()
        if sent < len(whole):
            self._forget(conn)
            self._send_rest(conn, whole[sent:], is_kept)
        elif not is_kept:
            self._return(conn, "end")
        elif conn.sock.early:
            self.add(conn)  # the next request came along with this one
        else:
            self._wait_for(conn)

    def _now(self) -> bytes:
        """The date as HTTP has it."""
        second = int(time.time())
        if second != self._second:
            self._date, self._second = formatdate(second, usegmt=True).encode(), second
        return self._date

    # -- who waits ------------------------------------------------------------------------------------------------

    def _wait_for(self, conn: Any) -> None:
        descriptor = conn.sock.fileno()
        with self._lock:  # whoever sweeps may be another thread
            self._idle[descriptor] = conn, time.monotonic()
            if getattr(conn, "is_on_express", False):
                self._epoll.modify(descriptor, _ONCE)
            else:
                conn.is_on_express = True
                self._epoll.register(descriptor, _ONCE)

    def _sweep(self) -> None:
        """Gives back the connections on which nothing has come for a while."""
        self._swept = now = time.monotonic()
        with self._lock:
            gone = [at for at, (_, since) in self._idle.items() if not self._is_open or now - since > IDLE_SECONDS]
            swept = [self._idle.pop(descriptor)[0] for descriptor in gone]
        for conn in swept:
            self._return(conn, "idle")

    def _return(self, conn: Any, verdict: Verdict) -> None:
        self._forget(conn)
        self._give_back(conn, verdict)

    def _forget(self, conn: Any) -> None:
        if getattr(conn, "is_on_express", False):
            conn.is_on_express = False
            self._epoll.unregister(conn.sock.fileno())

    # -- who looks on ---------------------------------------------------------------------------------------------

    def _look_on(self) -> None:
        quiet = 0.0
        while True:
            time.sleep(PATIENCE_SECONDS)
            run = self._run
            if run is not None:
                quiet = 0.0
                if run.looked_at(PATIENCE_SECONDS) >= PATIENCE_SECONDS and self._depose(run):
                    return
                continue
            quiet += PATIENCE_SECONDS
            if quiet > IDLE_SECONDS:
                self._stirs.clear()
                self._is_asleep = True
                if self._run is None:
                    self._stirs.wait()
                self._is_asleep = False

    def _depose(self, run: Run) -> bool:
        """Takes the place of a captain whose run takes too long; False if it is over."""
        with self._lock:
            if self._run is not run:
                return False
            self._captain += 1
            number, self._run = self._captain, None
            self._deposed += 1
            left = run.take_rest()
            if self._deposed > MOST_DEPOSED:
                self._is_open = False
        for turn in run.group:
            turn.served.current.pace.rule_out(OUT_SECONDS)
            if turn.manner == "dispatched" and turn.claim():  # nothing of it was begun, and threads wait side by side
                turn.owner.conn.sock.early[:0] = turn.owner.request
                self._return(turn.owner.conn, "request")
        _thread(self._look_on)
        self._lead(number, left)
        return True


def _thread(work: Callable[..., None], *args: Any) -> None:
    threading.Thread(target=with_room, args=(work, *args), name="express", daemon=True).start()
