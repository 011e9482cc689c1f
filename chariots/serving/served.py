"""How is the state of a pipeline replaced while others still use it?

A request reads one reference to an immutable `Snapshot` and keeps it until it has answered. Loading and training
work on a copy, and put a new snapshot in place of the old one when they have succeeded. No lock is held while an op
runs, and a response never mixes two states.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from chariots import web
from chariots.errors import ChariotsError, ConflictError, ForbiddenError, VersionError
from chariots.pipelines.choosing_nodes import Observer, observed
from chariots.pipelines.loading import load_pipeline
from chariots.pipelines.questions import questions
from chariots.serving.batchable import Batching
from chariots.serving.batching import Batcher
from chariots.serving.inputs import InputReader
from chariots.serving.job_requests import pipeline_defaults
from chariots.serving.obstacles import not_loaded, passes, told, unfit
from chariots.serving.snapshots import Snapshot, pinned_names, untrained_names

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.callbacks import PipelineCallback
    from chariots.pipelines.store import OpStoreProtocol
    from chariots.serving.routing import Routing

__all__ = ["ServedPipeline"]

RETRY_SECONDS = 1.0  # how often the store may be asked again for a pipeline that is not loaded
PATIENCE_SECONDS = 2.0  # how long such a question may take


class ServedPipeline:
    """One pipeline of a server: its current snapshot, and everything that replaces it.

    Args:
        pipeline: the user's pipeline, which stays as it is.
        callbacks: callbacks that the served copies get beside their own.
        logger: who is told why a pipeline could not be loaded.
        alias: whose versions are served, where the store has it for this pipeline; None to serve the newest always.
        batching: how far requests may run together; None if each is to run alone.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        callbacks: Iterable[PipelineCallback],
        logger: logging.Logger,
        alias: str | None = None,
        batching: Batching | None = None,
    ) -> None:
        self.name = pipeline.name
        self.alias = alias
        self.use_worker = pipeline.use_worker
        self.job_options = pipeline_defaults(pipeline)
        self.current = Snapshot.of(pipeline.clone(callbacks), 1)
        self.inputs = InputReader(pipeline)
        self.batcher = None if batching is None else Batcher(pipeline.name, batching, logger)
        self.is_loadable = any(node.is_loadable for node in pipeline.pipeline_nodes)
        #: Why the store's versions are not in service; None when they are, or nothing was to be loaded.
        self.obstacle: str | None = None
        #: Why this process does not serve what was put into service last; None where it does.
        self.behind: str | None = None
        #: The store's numbers of the versions that were put into service here.
        self.deployment: Mapping[str, int] = {}
        #: What was trained here, and nobody has saved or replaced since.
        self.unsaved: Snapshot | None = None
        #: Whether the store could not be asked yet what to load.
        self.start_is_pending = False
        #: What is tried on its calls beside the versions in service; None where nothing is.
        self.routing: Routing | None = None
        #: Told of every snapshot that is put into service.
        self.announce: Callable[[Snapshot], None] | None = None
        self._pristine = self.current.pipeline
        self._served_before = False
        self._refused: Mapping[str, int] | None = None  # those that could not be
        self._logger = logger
        self._swap = threading.Lock()  # held while a snapshot is replaced
        self._loading = threading.Lock()  # held while the store is asked, so that loads do not overtake each other
        self._next_attempt = 0.0

    @property
    def is_loaded(self) -> bool:
        """Whether the current snapshot may answer."""
        # What trains starts anew in any case; everything else would answer with a state that nobody deployed.
        return self.current.is_ready and (not self.start_is_pending or self.current.trains)

    def fresh(self) -> Pipeline:
        """A copy of the pipeline as it was given, for somebody who loads it; watched by whoever watches this one."""
        return self._pristine.clone()

    # -- replacing the snapshot -----------------------------------------------------------------------------------

    def publish(self, pipeline: Pipeline, instead_of: Snapshot | None = None, *, is_saved: bool = False) -> Snapshot:
        """Puts a pipeline that was loaded or trained in place of the current one.

        Args:
            pipeline: a copy that nobody else uses.
            instead_of: the only snapshot that it may replace; any, if None.
            is_saved: whether it came from the store, so that nothing is lost when another takes its place.

        Returns:
            its snapshot; the current one, if that was not to be replaced.
        """
        with self._swap:
            if instead_of is not None and self.current is not instead_of:
                return self.current
            # Whatever the store has for the start is older than this.
            self.start_is_pending = False
            self.obstacle = self.behind = None
            self.current = Snapshot.of(pipeline, self.current.generation + 1)
            self.unsaved = None if is_saved else self.current
            if self.announce is not None:
                self.announce(self.current)
            return self.current

    def watch(self, callback: PipelineCallback) -> None:
        """Has a callback watch every run from now on, of this snapshot and of those to come.

        Args:
            callback: what watches.
        """
        with self._loading, self._swap:
            self._pristine = self._pristine.watched([callback])
            self.current = replace(self.current, pipeline=self.current.pipeline.watched([callback]))

    def watch_variants(self, observer: Observer) -> None:
        """Has somebody told of every run of what a node chooses among, of this snapshot and of those to come.

        Args:
            observer: who is told.
        """
        with self._loading, self._swap:
            self._pristine = observed(self._pristine, observer)
            self.current = replace(self.current, pipeline=observed(self.current.pipeline, observer))

    def load(self, store: OpStoreProtocol) -> None:
        """Loads what the alias stands for, or the newest versions that fit where it stands for nothing.

        What is loaded is remembered for the next start.

        Args:
            store: the op store.

        Raises:
            VersionError: if the versions do not fit; then the old snapshot goes on serving.
        """
        with self._loading:
            self._describe(store)
            promoted = self._promoted(store)
            if promoted:
                self._load_pinned(store, promoted, is_promoted=True)
            else:
                fresh = self._pristine.clone()
                load_pipeline(fresh, store, present=self.current.pipeline.loaded)
                self._deploy(fresh, store)

    def save(self, store: OpStoreProtocol) -> None:
        """Saves what was trained, and which versions were trained together.

        Args:
            store: the op store.

        Raises:
            ConflictError: if there is nothing to save: the pipeline trains, and neither was it trained in this
                process nor did a worker save what it has trained.
        """
        saved = self.current
        if not untrained_names(saved.pipeline):
            saved.pipeline.save(store)
            if self.unsaved is saved:
                self.unsaved = None
            return
        with self._loading:
            fresh = self._pristine.clone()
            with contextlib.suppress(VersionError):
                fresh.load(store)
            untrained = untrained_names(fresh)
            if untrained:
                ops = ", ".join(repr(name) for name in untrained)
                raise ConflictError(
                    f"pipeline {self.name!r} was to be saved, but {ops} was not trained in this process, nor saved by "
                    "a worker. Call the pipeline first; where several processes serve, let a worker train, "
                    "or train where only one process serves."
                )
            self.publish(fresh, is_saved=True)

    def restore(self, store: OpStoreProtocol) -> None:
        """Loads what the alias stands for; where it stands for nothing, brings back what served before a restart.

        Where nothing did, the newest versions that fit are loaded.

        What is in the way of that is logged, and kept in `obstacle`.

        Args:
            store: the op store.

        Raises:
            ChariotsError: if the store does not answer.
        """
        if not self.is_loadable:
            return
        with self._loading:
            try:
                self._describe(store)
                self._restore(store, self._promoted(store))
            except Exception as error:
                if passes(error):
                    raise
                self.blocked(error)  # the other pipelines are served all the same

    def postpone(self, error: ChariotsError) -> None:
        """Notes that the store did not answer when the server started; the next call asks it again.

        Args:
            error: what came of asking it.
        """
        if self.is_loadable:
            self.start_is_pending = True
            self.obstacle = told(error)
            self._logger.warning("pipeline %r is not loaded yet: %s", self.name, self.obstacle)

    def follow(self, store: OpStoreProtocol, patience: float | None = None) -> None:
        """Loads what the alias stands for, or else what any server on this store deployed last, if it is not served.

        Args:
            store: the op store.
            patience: how many seconds the store may take to say what that is; None for as long as it takes.

        Raises:
            VersionError: if those versions do not fit the code that runs here.
        """
        if not self.is_loadable:
            return
        with self._loading:
            before = self.current  # what is trained here meanwhile exists nowhere else
            with web.deadline.scope(patience):
                promoted = self._promoted(store)
                pinned = promoted or store.last_deployment(self.name)
            if pinned and pinned != self.deployment:
                instead_of = before if before.trains else None
                is_promoted = pinned is promoted
                fresh = self._load_pinned(store, pinned, instead_of, is_promoted=is_promoted, is_noted=False)
                if is_promoted:
                    self._remember(fresh, store)  # when it serves: many processes do this at the same moment
            else:
                self.behind = None

    def ready(self, store: OpStoreProtocol | None) -> Snapshot:
        """Returns a snapshot that can answer.

        Where the pipeline is not loaded here, the store is asked (once a second at most) whether another server
        deployed it meanwhile, or can be reached by now; a load that is under way is waited for, two seconds at most.

        Args:
            store: the op store, if there is one.

        Raises:
            NotLoadedError: if an op that needs loading is not loaded.
        """
        if self.start_is_pending or not self.current.is_ready:
            if store is not None:
                self.try_again(store, PATIENCE_SECONDS)
            if not self.is_loaded:
                raise not_loaded(self.current.pipeline, self.obstacle, has_store=store is not None)
        return self.current

    def try_again(self, store: OpStoreProtocol, patience: float = 0.0) -> None:
        """Asks the store, once a second at most, for what could not be loaded before; never fails.

        Args:
            store: the op store.
            patience: how many seconds to wait for a load that is under way, which may bring the same.
        """
        now = time.monotonic()
        if now < self._next_attempt:
            return
        # Before the wait: who else comes within the second is told at once, and keeps no thread from other pipelines.
        self._next_attempt = now + RETRY_SECONDS
        if not self._loading.acquire(timeout=patience):
            return
        try:
            with web.deadline.scope(PATIENCE_SECONDS):
                promoted = self._promoted(store)
                pinned = promoted or store.last_deployment(self.name)
            if self.start_is_pending:
                self._describe(store)
                self._restore(store, promoted)
            elif pinned and pinned not in (self.deployment, self._refused):
                self._load_pinned(store, pinned, is_promoted=pinned is promoted)
        except Exception as error:  # noqa: BLE001  # whatever it is: nothing is loaded, and this is why
            if passes(error):
                self.obstacle = told(error)
            else:
                self.blocked(error)
        finally:
            self._loading.release()

    # -- how ------------------------------------------------------------------------------------------------------

    def _describe(self, store: OpStoreProtocol) -> None:
        """Tells the store what this pipeline is made of here, whether or not it can be loaded."""
        # Also before a load that will be refused: that is when somebody promotes other versions for this code.
        if self.is_loadable:
            with contextlib.suppress(ForbiddenError):  # a token that may only read is enough to serve
                store.describe_pipeline(self.name, *questions(self._pristine))

    def _promoted(self, store: OpStoreProtocol) -> Mapping[str, int] | None:
        """The versions that the alias stands for."""
        return None if self.alias is None else store.alias(self.name, self.alias)

    def _restore(self, store: OpStoreProtocol, promoted: Mapping[str, int] | None) -> None:
        before = self.current  # a training that ends meanwhile is newer than anything in the store
        if promoted:
            # Nothing else will do: who promotes wants these, and may have left the others for a reason.
            self._served_before = True
            self._load_pinned(store, promoted, before, is_promoted=True)
            return
        pinned = store.last_deployment(self.name)
        self._served_before = self._served_before or bool(pinned)
        if pinned:
            try:
                self._load_pinned(store, pinned, instead_of=before)
                return
            except Exception as error:
                if passes(error):
                    raise
                self._logger.warning(
                    "pipeline %r cannot go on with the versions it served before: %s", self.name, told(error)
                )
        fresh = self._pristine.clone()
        fresh.load(store)
        self._deploy(fresh, store, instead_of=before)

    def _load_pinned(
        self,
        store: OpStoreProtocol,
        pinned: Mapping[str, int],
        instead_of: Snapshot | None = None,
        *,
        is_promoted: bool = False,
        is_noted: bool = True,
    ) -> Pipeline:
        fresh = self._pristine.clone()
        try:
            load_pipeline(fresh, store, pinned)
        except Exception as error:
            self._refused = None if passes(error) else pinned
            if is_promoted and isinstance(error, VersionError):
                raise unfit(error, self.name, str(self.alias), pinned) from error
            raise
        if is_promoted and is_noted:
            self._remember(fresh, store)
        if self.publish(fresh, instead_of, is_saved=True).pipeline is fresh:
            self.deployment = pinned
        return fresh

    def _deploy(self, fresh: Pipeline, store: OpStoreProtocol, instead_of: Snapshot | None = None) -> None:
        loaded = self._remember(fresh, store)
        if self.publish(fresh, instead_of, is_saved=True).pipeline is fresh:
            self.deployment = loaded

    def _remember(self, fresh: Pipeline, store: OpStoreProtocol) -> Mapping[str, int]:
        """Tells the store which versions go into service."""
        loaded = {name: fresh.loaded_versions[name] for name in pinned_names(fresh) if name in fresh.loaded_versions}
        if loaded:
            with contextlib.suppress(ForbiddenError):  # a token that may only read is enough to serve
                store.record_deployment(self.name, loaded)
        return loaded

    def blocked(self, error: Exception) -> None:
        """Notes why the saved ops cannot be used, which asking again would not change.

        Args:
            error: what came of loading them.
        """
        self.start_is_pending = False
        known, self.obstacle = self.obstacle, told(error)
        if self.obstacle == known:
            return
        if not self.current.is_ready:
            # On the very first start nothing is trained yet, and nobody needs to be warned of that.
            level = logging.WARNING if self._served_before else logging.INFO
            self._logger.log(level, "pipeline %r is not loaded: %s", self.name, self.obstacle)
        elif not isinstance(error, VersionError) or "promoted" in error.extra:
            self._logger.warning("pipeline %r starts without its saved ops: %s", self.name, self.obstacle)
