"""Which versions does an alias stand for that is tried beside those in service, and are they ready?"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chariots import web
from chariots.pipelines.loading import load_pipeline
from chariots.serving import execution
from chariots.serving.batchable import Batching
from chariots.serving.batching import Batcher
from chariots.serving.obstacles import passes, told
from chariots.serving.snapshots import Snapshot

if TYPE_CHECKING:
    from chariots.pipelines.runners import BaseRunner
    from chariots.pipelines.store import OpStoreProtocol
    from chariots.serving.served import ServedPipeline

__all__ = ["PATIENCE_SECONDS", "Candidate"]

PATIENCE_SECONDS = 2.0  # how long one question to the store may take
_REFUSED_SECONDS = 30.0  # after which what could not be loaded is tried again


class Candidate:
    """The versions of an alias of one pipeline, loaded beside those in service.

    They are never recorded as a deployment: whoever starts or follows must not take them for what is in service.

    Args:
        served: the pipeline.
        alias: the alias.
        batching: how far requests may run together; None if each is to run alone.
        logger: who is told what could not be loaded.
    """

    def __init__(self, served: ServedPipeline, alias: str, batching: Batching | None, logger: logging.Logger) -> None:
        self.served = served
        self.alias = alias
        #: Why the versions cannot be tried; None where they can, or there are none.
        self.obstacle: str | None = None
        self._batching = batching
        self._logger = logger
        self._batcher = self._new_batcher()
        # Together, so that a reader never sees the versions of one and the snapshot of another.
        self._state: tuple[Mapping[str, int], Snapshot | None] = ({}, None)
        self._mark: str | None = None  # of the last answer of the store
        self._entry: str | None = None  # which entry of the store was taken up
        self._try_again_at: float | None = None

    @property
    def versions(self) -> Mapping[str, int]:
        """The store's number of each version that the alias stands for."""
        return self._state[0]

    @property
    def snapshot(self) -> Snapshot | None:
        """The state to try; None where there is none, or it is what is in service anyway."""
        versions, snapshot = self._state
        return None if snapshot is None or versions == self.served.deployment else snapshot

    def run(self, snapshot: Snapshot, value: Any, runner: BaseRunner) -> Any:
        """Runs the pipeline on these versions.

        Args:
            snapshot: the state to run on.
            value: the input, converted.
            runner: who runs it.

        Returns:
            the output.
        """
        batcher = self._batcher
        if batcher is None:
            return execution.run_as_it_is(snapshot, value, runner)
        return batcher.run(snapshot, value, runner)

    def follow(self, store: OpStoreProtocol) -> None:
        """Takes up what the alias stands for, if that was decided anew.

        Args:
            store: the op store.

        Raises:
            ChariotsError: if the store does not answer.
        """
        is_due = self._try_again_at is not None and time.monotonic() >= self._try_again_at
        with web.deadline.scope(PATIENCE_SECONDS):
            found = store.standings([self.served.name], self.alias, None if is_due else self._mark)
            if found is None:
                return
            standing = found.pipelines.get(self.served.name)
            entry = None if standing is None else standing.entry
            if entry != self._entry or is_due:
                # Asked for by itself: what `standings` tells may be the last deployment.
                versions = store.alias(self.served.name, self.alias) or {}
        if entry != self._entry or is_due:
            self._take_up(store, versions)
        self._entry, self._mark = entry, found.mark

    def _take_up(self, store: OpStoreProtocol, versions: Mapping[str, int]) -> None:
        self._try_again_at = None
        if not versions:
            self._state, self.obstacle = ({}, None), None
            self._batcher = self._new_batcher()  # the old one remembers the state it ran last, models and all
            return
        fresh = self.served.fresh()
        try:
            load_pipeline(fresh, store, versions)
        except Exception as error:
            if passes(error):
                raise
            self._refuse(versions, told(error))
            return
        snapshot = Snapshot.of(fresh, self.served.current.generation)
        if snapshot.is_ready:
            self._state, self.obstacle = (versions, snapshot), None
        else:
            self._refuse(versions, "some of its ops have no saved version")

    def _new_batcher(self) -> Batcher | None:
        return None if self._batching is None else Batcher(self.served.name, self._batching, self._logger)

    def _refuse(self, versions: Mapping[str, int], why: str) -> None:
        self._state = versions, None
        self._try_again_at = time.monotonic() + _REFUSED_SECONDS
        if why != self.obstacle:
            self._logger.warning(
                "pipeline %r cannot try what %r stands for, and goes on with what is in service alone: %s",
                self.served.name,
                self.alias,
                why,
            )
        self.obstacle = why
