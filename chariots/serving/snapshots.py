"""Which state of a pipeline answers a request, and how is it replaced while others still use it?

A request reads one reference to an immutable `Snapshot` and keeps it until it has answered. Loading and training
work on a copy, and put a new snapshot in place of the old one when they have succeeded. No lock is held while an op
runs, and a response never mixes two states.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chariots import schema, web
from chariots.errors import ChariotsError, NotLoadedError, VersionError
from chariots.pipelines import persistence
from chariots.pipelines.nodes import Node
from chariots.serving.inputs import InputReader

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.callbacks import PipelineCallback
    from chariots.pipelines.nodes import BaseNode
    from chariots.pipelines.store import OpStoreProtocol

__all__ = ["ServedPipeline", "Snapshot"]

RETRY_SECONDS = 1.0  # how often the store may be asked again for a pipeline that is not loaded
PATIENCE_SECONDS = 2.0  # how long such a question may take


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of a pipeline, complete and never changed.

    Attributes:
        pipeline: the nodes with their ops as they were loaded or trained.
        generation: counts the states of this pipeline in this process, from 1.
        versions: the version of every node, as text.
        versions_json: the same, as JSON.
        is_ready: whether every op that needs loading is loaded.
        trains: whether running it changes an op, so that it must run on a copy.
    """

    pipeline: Pipeline
    generation: int
    versions: Mapping[str, str]
    versions_json: bytes
    is_ready: bool
    trains: bool

    @classmethod
    def of(cls, pipeline: Pipeline, generation: int) -> Snapshot:
        """Describes the present state of a pipeline that nobody will change any more."""
        versions = {name: str(version) for name, version in pipeline.versions().items()}
        return cls(
            pipeline=pipeline,
            generation=generation,
            versions=versions,
            versions_json=schema.dumps(versions),
            is_ready=pipeline.is_ready,
            trains=pipeline.trains,
        )


class ServedPipeline:
    """One pipeline of a server: its current snapshot, and everything that replaces it.

    Args:
        pipeline: the user's pipeline, which stays as it is.
        callbacks: callbacks that the served copies get beside their own.
        logger: who is told why a pipeline could not be loaded.
    """

    def __init__(self, pipeline: Pipeline, callbacks: Iterable[PipelineCallback], logger: logging.Logger) -> None:
        self.name = pipeline.name
        self.use_worker = pipeline.use_worker
        self.current = Snapshot.of(pipeline.clone(callbacks), 1)
        self.inputs = InputReader(pipeline)
        self.is_loadable = any(node.is_loadable for node in pipeline.pipeline_nodes)
        #: Why the store's versions are not in service; None when they are, or nothing was to be loaded.
        self.obstacle: str | None = None
        #: Whether the store could not be asked yet what to load.
        self.start_is_pending = False
        self._pristine = self.current.pipeline
        self._deployment: Mapping[str, int] = {}
        self._logger = logger
        self._swap = threading.Lock()  # held while a snapshot is replaced
        self._loading = threading.Lock()  # held while the store is asked, so that loads do not overtake each other
        self._next_attempt = 0.0

    @property
    def is_loaded(self) -> bool:
        """Whether the current snapshot may answer."""
        # What trains starts anew in any case; everything else would answer with a state that nobody deployed.
        return self.current.is_ready and (not self.start_is_pending or self.current.trains)

    # -- replacing the snapshot -----------------------------------------------------------------------------------

    def publish(self, pipeline: Pipeline) -> Snapshot:
        """Puts a pipeline that was loaded or trained in place of the current one.

        Args:
            pipeline: a copy that nobody else uses.

        Returns:
            its snapshot.
        """
        with self._swap:
            self.current = Snapshot.of(pipeline, self.current.generation + 1)
            return self.current

    def load(self, store: OpStoreProtocol) -> None:
        """Loads the newest versions that fit together, and remembers them for the next start.

        Args:
            store: the op store.

        Raises:
            VersionError: if none fit; then the old snapshot goes on serving.
        """
        with self._loading:
            fresh = self._pristine.clone()
            fresh.load(store)
            self._deploy(fresh, store)

    def restore(self, store: OpStoreProtocol) -> None:
        """Brings back what served before a restart; where there is nothing, loads the newest versions that fit.

        Never fails: what is in the way is logged, and kept in `obstacle`.

        Args:
            store: the op store.

        Raises:
            ChariotsError: if the store does not answer.
        """
        if not self.is_loadable:
            return
        with self._loading:
            self._restore(store, store.last_deployment(self.name))

    def postpone(self, error: ChariotsError) -> None:
        """Notes that the store did not answer when the server started; the next call asks it again.

        Args:
            error: what came of asking it.
        """
        if self.is_loadable:
            self.start_is_pending = True
            self.obstacle = _told(error)
            self._logger.warning("pipeline %r is not loaded yet: %s", self.name, self.obstacle)

    def follow(self, store: OpStoreProtocol) -> None:
        """Loads what was last deployed by any server on this store, if this one serves something else.

        Args:
            store: the op store.

        Raises:
            VersionError: if the deployed versions do not fit the code that runs here.
        """
        if not self.is_loadable:
            return
        with self._loading:
            pinned = store.last_deployment(self.name)
            if pinned and dict(pinned) != dict(self._deployment):
                self._load_pinned(store, pinned)

    def ready(self, store: OpStoreProtocol | None) -> Snapshot:
        """Returns a snapshot that can answer.

        Where the pipeline is not loaded here, the store is asked (once a second at most) whether another server
        deployed it meanwhile, or can be reached by now.

        Args:
            store: the op store, if there is one.

        Raises:
            NotLoadedError: if an op that needs loading is not loaded.
        """
        if self.start_is_pending or not self.current.is_ready:
            if store is not None:
                self.try_again(store)
            if not self.is_loaded:
                raise self._not_loaded(store)
        return self.current

    def try_again(self, store: OpStoreProtocol) -> None:
        """Asks the store, once a second at most, for what could not be loaded before; never fails.

        Args:
            store: the op store.
        """
        now = time.monotonic()
        if now < self._next_attempt or not self._loading.acquire(blocking=False):
            return
        try:
            self._next_attempt = now + RETRY_SECONDS
            with web.deadline.scope(PATIENCE_SECONDS):
                pinned = store.last_deployment(self.name)
            if self.start_is_pending:
                self._restore(store, pinned)
            elif pinned and dict(pinned) != dict(self._deployment):
                self._load_pinned(store, pinned)
        except Exception as error:  # noqa: BLE001  # whatever it is: nothing is loaded, and this is why
            self.obstacle = _told(error)
        finally:
            self._loading.release()

    # -- how ------------------------------------------------------------------------------------------------------

    def _restore(self, store: OpStoreProtocol, pinned: Mapping[str, int] | None) -> None:
        if pinned:
            try:
                self._load_pinned(store, pinned)
                return
            except Exception as error:
                if _passes(error):
                    raise
                self._logger.warning(
                    "pipeline %r cannot go on with the versions it served before: %s", self.name, _told(error)
                )
        try:
            fresh = self._pristine.clone()
            fresh.load(store)
            self._deploy(fresh, store)
        except Exception as error:
            if _passes(error):
                raise
            self._blocked(error)  # the other pipelines are served all the same
            self.start_is_pending = False

    def _load_pinned(self, store: OpStoreProtocol, pinned: Mapping[str, int]) -> None:
        fresh = self._pristine.clone()
        persistence.load_pipeline(fresh, store, pinned)
        self.publish(fresh)
        self._deployment = pinned
        self._unblocked()

    def _deploy(self, fresh: Pipeline, store: OpStoreProtocol) -> None:
        # What is about to learn again is not pinned: after a restart its newest version counts.
        loaded = {name: fresh.loaded_versions[name] for name in _kept(fresh) if name in fresh.loaded_versions}
        if loaded:
            store.record_deployment(self.name, loaded)
        self.publish(fresh)
        self._deployment = loaded
        self._unblocked()

    def _unblocked(self) -> None:
        self.obstacle = None
        self.start_is_pending = False

    def _blocked(self, error: Exception) -> None:
        self.obstacle = _told(error)
        if not self.current.is_ready:
            self._logger.warning("pipeline %r is not loaded: %s", self.name, self.obstacle)
        elif not isinstance(error, VersionError):
            self._logger.warning("pipeline %r starts without its saved ops: %s", self.name, self.obstacle)

    def _not_loaded(self, store: OpStoreProtocol | None) -> NotLoadedError:
        waiting = [node.name for node in _nodes(self.current.pipeline) if _waits(node)]
        ops = ", ".join(repr(name) for name in waiting) or "its saved ops"
        if store is None:
            return NotLoadedError(
                f"pipeline {self.name!r} was called, but {ops} must be loaded first and this server has no op store. "
                "Give it one (op_store_client=...), or use Chariots(pipelines, path), which brings its own.",
                is_loaded=False,
            )
        reason = f" When the server last tried: {self.obstacle}." if self.obstacle else ""
        return NotLoadedError(
            f"pipeline {self.name!r} was called, but {ops} must be loaded first.{reason} "
            f"Run and save the pipeline that trains them, then load {self.name!r}.",
            is_loaded=False,
        )


def _told(error: BaseException) -> str:
    """The words of an error, in one line and without the full stop."""
    text = str(error)
    if isinstance(error, VersionError):
        problems = error.extra.get("problems")
        text = " ".join(problems) if problems else text
    return " ".join(text.split()).rstrip(".") or type(error).__name__


def _passes(error: Exception) -> bool:
    """Whether an error says that the store cannot be asked now, and nothing about what it holds."""
    return isinstance(error, ChariotsError) and error.status == 503


def _nodes(pipeline: Pipeline) -> Iterator[BaseNode]:
    """All nodes of a pipeline, those of nested pipelines included."""
    waiting = list(reversed(pipeline.pipeline_nodes))
    while waiting:
        node = waiting.pop()
        nested = node.nested if isinstance(node, Node) else None
        if nested is None:
            yield node
        else:
            waiting.extend(reversed(nested.pipeline_nodes))


def _waits(node: BaseNode) -> bool:
    op: Any = node.op if isinstance(node, Node) else None
    return bool(getattr(op, "needs_loading", False)) and not op.is_ready


def _kept(pipeline: Pipeline) -> list[str]:
    """The names of the nodes whose versions a deployment pins."""
    return [node.name for node in _nodes(pipeline) if not (isinstance(node, Node) and node.op.allow_version_change)]
