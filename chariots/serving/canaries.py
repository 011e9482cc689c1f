"""Does a canary fail more than it may, and what happens then?"""

from __future__ import annotations

import logging
import platform
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from chariots import web
from chariots.errors import ConflictError, ForbiddenError, UnknownNameError
from chariots.serving.candidates import PATIENCE_SECONDS, Candidate
from chariots.serving.obstacles import told

if TYPE_CHECKING:
    from chariots.pipelines.store import OpStoreProtocol
    from chariots.serving.rollouts import Canary
    from chariots.serving.snapshots import Snapshot

__all__ = ["LiveCanary"]


class LiveCanary:
    """A canary in one process: what it is tried with, and how often that failed of late.

    Each process counts for itself; whichever finds that it fails too often stops sending it calls at once, and tells
    the op store, which stops the others.

    Args:
        canary: what was asked for.
        candidate: the versions that are tried.
        logger: who is told that it was withdrawn.
    """

    def __init__(self, canary: Canary, candidate: Candidate, logger: logging.Logger) -> None:
        self.canary = canary
        self.candidate = candidate
        #: Told that the canary was withdrawn here: which state it was.
        self.withdrawn: Callable[[Snapshot], None] | None = None
        self._logger = logger
        self._lock = threading.Lock()  # held for moments
        self._counted: Snapshot | None = None  # which state the results are of
        self._results: deque[bool] = deque()  # the last ones, oldest first: whether it failed
        self._failures = 0  # among them
        self._stopped: Snapshot | None = None  # the state that failed too often
        self._untold: tuple[dict[str, int], str] | None = None  # what the store does not know yet: versions, reason

    @property
    def snapshot(self) -> Snapshot | None:
        """The state that answers its share; None where there is none, or it was withdrawn."""
        found = self.candidate.snapshot
        return None if found is None or found is self._stopped else found

    def count(self, snapshot: Snapshot, error: Exception | None) -> None:
        """Notes what came of a call, and withdraws the canary if it fails too often.

        Args:
            snapshot: the state that was called.
            error: how it failed; None if it did not.
        """
        canary, versions = self.canary, self.candidate.versions
        with self._lock:
            if snapshot is not self.candidate.snapshot or snapshot is self._stopped:
                return  # a call that began before it was replaced, or withdrawn
            if self._counted is not snapshot:
                self._counted, self._failures = snapshot, 0
                self._results.clear()
            self._results.append(error is not None)
            self._failures += error is not None
            if len(self._results) > canary.window:
                self._failures -= self._results.popleft()
            total = len(self._results)
            if error is None or total < canary.min_requests or self._failures <= canary.max_error_rate * total:
                return
            self._stopped = snapshot
            reason = (
                f"withdrawn by itself: {self._failures} of the last {total} calls failed, at most "
                f"{canary.max_error_rate:.1%} may; the last one with {type(error).__name__}: {told(error)}"
            )[:2000]
            self._untold = dict(versions), reason
        self._logger.warning("canary %r of pipeline %r is %s", canary.alias, canary.pipeline, reason)
        if self.withdrawn is not None:
            self.withdrawn(snapshot)

    def follow(self, store: OpStoreProtocol) -> None:
        """Tells the store what it does not know yet, and takes up what it says.

        Args:
            store: the op store.

        Raises:
            ChariotsError: if the store does not answer; then the next time tells it.
        """
        untold = self._untold
        if untold is not None:
            self._tell(store, *untold)
            self._untold = None
        self.candidate.follow(store)
        with self._lock:
            if self._stopped is not self.candidate.snapshot:
                self._stopped = None  # its models are not to be kept in memory
            if self._counted is not self.candidate.snapshot:
                self._counted = None

    def _tell(self, store: OpStoreProtocol, versions: dict[str, int], reason: str) -> None:
        canary, withdraw = self.canary, getattr(store, "withdraw", None)
        reason = "".join(letter if letter.isprintable() else " " for letter in reason)
        try:
            if withdraw is None:
                raise UnknownNameError("this op store keeps no history")
            with web.deadline.scope(PATIENCE_SECONDS):
                who = f"canary@{platform.node() or 'unknown'}"
                withdraw(canary.pipeline, canary.alias, who=who, reason=reason, expected=versions)
        except ConflictError:
            return  # another process was quicker, or somebody has decided anew
        except (ForbiddenError, UnknownNameError) as error:
            self._logger.warning(
                "canary %r of pipeline %r is withdrawn in this process alone, for the op store cannot be told: %s. "
                "Withdraw it with `chariots withdraw %s --alias %s`",
                canary.alias,
                canary.pipeline,
                told(error),
                canary.pipeline,
                canary.alias,
            )
