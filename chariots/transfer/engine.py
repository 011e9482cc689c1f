"""Which connection fetches which piece of which file next, and how many connections are worth having?"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from chariots.transfer.connections import Connections
from chariots.transfer.file_download import FileDownload, StoppedError
from chariots.transfer.pace import FIRST, Pace
from chariots.transfer.settings import TransferSettings
from chariots.transfer.wanted import Wanted

__all__ = ["Engine"]

_TICK_SECONDS: Final = 0.05
_LOOK_SECONDS: Final = 0.02  # after which the one that runs it looks how fast it is
_LEAVING_SECONDS: Final = 1.0  # for which threads are waited for after a failure
_LOCKED_SECONDS: Final = 0.2  # after which a file that somebody else fetches is looked at again

_logger = logging.getLogger("chariots.transfer")


class Engine:
    """Fetches files, all of them or none more after the first failure.

    Args:
        settings: how many connections there may be.
        connections: what speaks with servers; closed when a transfer fails.
        is_there: whether a file is complete under its final name, where somebody else may have fetched it.
        done: called in some thread for each file that is complete.
    """

    def __init__(
        self,
        settings: TransferSettings,
        connections: Connections,
        *,
        is_there: Callable[[Wanted], bool],
        done: Callable[[Wanted], None],
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._is_there = is_there
        self._done = done
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._waiting: deque[FileDownload] = deque()
        self._locked: list[FileDownload] = []
        self._open: list[FileDownload] = []
        self._beginning = 0  # large files that are about to be open
        self._files = self._left = 0
        self._busy = 0
        self._finished_bytes = self._came = 0
        self._error: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._hashing: list[threading.Thread] = []

    @property
    def there(self) -> int:
        """How many bytes are there, of files that are complete and of others."""
        with self._changed:
            return self._finished_bytes + sum(file.there for file in self._open)

    @property
    def files_done(self) -> int:
        """How many files are complete."""
        return self._files - self._left

    @property
    def came(self) -> int:
        """How many bytes this process has fetched of files, those included that were thrown away."""
        with self._changed:
            return self._came + sum(file.came for file in self._open)

    def run(self, files: Sequence[Wanted], tick: Callable[[], None]) -> None:
        """Fetches files; returns when all are there.

        Args:
            files: the files.
            tick: called in this thread every now and then.

        Raises:
            ChariotsError: the first failure, after which the others were stopped; what has come is kept.
        """
        settings = self._settings
        self._waiting.extend(FileDownload(wanted, self._stop, in_parts=settings.use_range_download) for wanted in files)
        self._files = self._left = len(files)
        most = min(settings.range_download_workers, self._per_file * len(files))
        # Two that write one file get into each other's way where one is fast.
        self._pace = Pace(most, time.monotonic(), min(FIRST, len(files)))
        looked = time.monotonic()
        try:
            while self._left and self._error is None:
                self._hire()
                with self._changed:
                    if self._left and self._error is None:
                        self._changed.wait(_LOOK_SECONDS)
                now = time.monotonic()
                if self._locked and now - looked > _LOCKED_SECONDS:
                    looked = now
                    self._look_again()
                self._pace.look(self.there, now, is_full=self._busy >= self._pace.allowed)
                tick()
        finally:
            self._end()
        if self._error is not None:
            raise self._error

    # -- in the thread that runs it ---------------------------------------------------------------------------------

    def _hire(self) -> None:
        with self._changed:
            work = self._busy + len(self._waiting) + sum(file.has_pieces for file in self._open) * self._per_file
            wanted = min(self._pace.allowed, work)
        while len(self._threads) < wanted:
            thread = threading.Thread(target=self._work, name=f"transfer-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _look_again(self) -> None:
        with self._changed:
            self._waiting.extend(self._locked)
            self._locked.clear()
            self._changed.notify_all()

    def _end(self) -> None:
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._left:
            self._connections.close()
        patience = time.monotonic() + _LEAVING_SECONDS
        threads = [*self._threads, *self._hashing]
        for thread in threads:
            thread.join(max(0.0, patience - time.monotonic()) if self._left else None)
        if any(thread.is_alive() for thread in threads):
            # It waits for a service and cannot be woken. It will write nothing more, and then the parts are let go.
            threading.Thread(target=self._let_go, args=(threads,), name="transfer-end", daemon=True).start()
        else:
            self._let_go(())

    def _let_go(self, threads: Sequence[threading.Thread]) -> None:
        """Closes the files, once nobody has them any more."""
        for thread in threads:
            thread.join()
        for file in [*self._open, *self._waiting, *self._locked]:
            file.close()

    @property
    def _per_file(self) -> int:
        return self._settings.range_download_workers_per_file

    # -- in the threads of connections ------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._next()) is not None:
            self._raised(job)
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while self._left and not self._stop.is_set():
                job = self._job() if self._busy < self._pace.allowed else None
                if job is not None:
                    self._busy += 1
                    return job
                self._changed.wait(_TICK_SECONDS)
        return None

    def _job(self) -> Callable[[], None] | None:
        # As long as there are files of which nobody fetches anything, they come first: what one connection brings is in
        # order, and can be hashed at once.
        return self._piece(at_work=0) or self._new_file() or self._piece(at_work=self._per_file - 1)

    def _piece(self, at_work: int) -> Callable[[], None] | None:
        """A piece of an open file, at which no more connections are at work than are said."""
        for file in self._open:
            if file.at_work <= at_work and file.has_pieces:
                piece = file.next_piece()
                if piece is not None:
                    file.at_work += 1
                    return partial(self._fetch, file, piece)
        return None

    def _new_file(self) -> Callable[[], None] | None:
        large = len(self._open) + self._beginning
        for _ in range(len(self._waiting)):
            file = self._waiting.popleft()
            if file.is_small:
                return partial(self._fetch_small, file)
            if large < self._settings.num_workers:
                self._beginning += 1
                return partial(self._begin, file)
            self._waiting.append(file)
        return None

    def _begin(self, file: FileDownload) -> None:
        try:
            if not self._take(file):
                return
            file.begin()
        except BaseException:
            file.close()
            raise
        finally:
            with self._changed:
                self._beginning -= 1
        work = partial(self._raised, partial(self._hash, file))
        hashing = threading.Thread(target=work, name="transfer-hash", daemon=True)
        with self._changed:
            self._open.append(file)
            self._hashing.append(hashing)
            hashing.start()
            self._changed.notify_all()

    def _raised(self, work: Callable[[], None]) -> None:
        """Works; whatever is raised, the thread that runs the transfer raises it."""
        try:
            work()
        except StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001
            with self._changed:
                self._error = self._error or error
            self._stop.set()
        finally:
            with self._changed:
                self._changed.notify_all()

    def _take(self, file: FileDownload) -> bool:
        """Takes a file to fetch it; False where somebody else has it, or has completed it."""
        if not file.take():
            with self._changed:
                self._locked.append(file)
            _logger.info("%s is being fetched by somebody else; waiting", file.wanted.name)
            return False
        if self._is_there(file.wanted):
            file.leave()
            self._complete(file)
            return False
        return True

    def _fetch_small(self, file: FileDownload) -> None:
        try:
            if not self._take(file):
                return
            file.begin()
            while True:
                while not file.is_complete:
                    self._wait_until(file.not_before)
                    piece = file.next_piece()
                    if piece is not None:
                        file.fetch(*piece)
                file.hash_on()
                if file.finish():
                    break
            self._complete(file)
        finally:
            file.close()

    def _wait_until(self, moment: float) -> None:
        pause = moment - time.monotonic()
        if self._stop.wait(pause) if pause > 0 else self._stop.is_set():
            raise StoppedError

    def _fetch(self, file: FileDownload, piece: tuple[int, int]) -> None:
        try:
            file.fetch(*piece)
        finally:
            with self._changed:
                file.at_work -= 1
                self._changed.notify_all()

    def _hash(self, file: FileDownload) -> None:
        """Hashes a large file while it comes, and completes it."""
        while True:
            file.hash_on()
            with self._changed:
                # Whoever still writes must have finished before the file gets its name.
                while not file.is_complete or file.at_work:
                    if self._stop.is_set():
                        raise StoppedError
                    self._changed.wait(_TICK_SECONDS)
            if file.finish():
                break
        self._complete(file)

    def _complete(self, file: FileDownload) -> None:
        self._done(file.wanted)
        file.close()
        with self._changed:
            if file in self._open:
                self._open.remove(file)
            self._finished_bytes += file.wanted.size
            self._came += file.came
            self._left -= 1
            self._changed.notify_all()
