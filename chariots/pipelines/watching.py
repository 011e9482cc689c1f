"""Which run does a call of a callback belong to, and which of its nodes are at work?

One callback may watch many runs at once: those of all threads that run its pipeline, and those of pipelines that are
nested in others. Which run is the current one is kept in the context (PEP 567), which runners carry into their threads.
Within one run the calls come one at a time; the nodes themselves may overlap.
"""

from __future__ import annotations

import itertools
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

from chariots.pipelines.callbacks import PipelineCallback

if TYPE_CHECKING:
    from chariots.pipelines.nodes import BaseNode
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["NodeCall", "RunWatcher", "WatchedRun"]

_current: ContextVar[dict[int, WatchedRun] | None] = ContextVar("chariots_watched_runs", default=None)
_numbers = itertools.count(1)


class NodeCall:
    """One node of one run, from its beginning on.

    Attributes:
        path: the name of the node, after those of the nodes that hold the pipeline it is in, with slashes between them.
        began: when it began, as `time.perf_counter` tells.
        ended: when it ended; None while it is at work.
        thread: the number of the thread that began it.
        thread_name: the name of that thread.
        said: what its op last said of its progress: how much is done, of how much, and what it does; None if nothing.
        state: ``running``, ``ran``, ``cached``, ``failed``, or ``canceled`` where the run failed before it had ended.
    """

    __slots__ = ("began", "ended", "node", "path", "said", "state", "thread", "thread_name")

    def __init__(self, node: BaseNode, path: str) -> None:
        thread = threading.current_thread()
        self.node = node
        self.path = path
        self.thread = thread.ident or 0
        self.thread_name = thread.name
        self.said: tuple[float, float | None, str] | None = None
        self.state = "running"
        self.ended: float | None = None
        self.began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long it took, or has taken until now."""
        return (time.perf_counter() if self.ended is None else self.ended) - self.began


class WatchedRun:
    """One run of one pipeline.

    Attributes:
        number: which run it is; counted in this process.
        pipeline: the pipeline.
        parent: the run that it is a part of; None where it was asked for by itself.
        path: the names of the nodes that hold the pipeline, each with a slash behind it; empty where none does.
        began: when it began, as `time.perf_counter` tells.
        ended: when it ended; None while it lasts.
        started: when it began, as `time.time` tells.
        thread: the number of the thread that began it.
        thread_name: the name of that thread.
        at_work: its nodes that are at work.
        done: how many of its nodes are done.
        error: what it failed with; None if it did not.
    """

    def __init__(self, pipeline: Pipeline, parent: WatchedRun | None, path: str) -> None:
        thread = threading.current_thread()
        self.number = next(_numbers)
        self.pipeline = pipeline
        self.parent = parent
        self.path = path
        self.thread = thread.ident or 0
        self.thread_name = thread.name
        self.at_work: dict[int, NodeCall] = {}  # by the id of the node
        self.done = 0
        self.error: BaseException | None = None
        self.ended: float | None = None
        self.started = time.time()
        self.began = time.perf_counter()
        self.is_implied = False  # begun by a node, because the runner does not tell when a run begins

    @property
    def seconds(self) -> float:
        """How long it took, or has taken until now."""
        return (time.perf_counter() if self.ended is None else self.ended) - self.began

    @property
    def state(self) -> str:
        """``running``, ``ran`` or ``failed``."""
        return "running" if self.ended is None else "ran" if self.error is None else "failed"

    @property
    def root(self) -> WatchedRun:
        """The run that was asked for, of which this is a part."""
        run = self
        while run.parent is not None:
            run = run.parent
        return run

    def holder_of(self, pipeline: Pipeline) -> NodeCall | None:
        """The node at work of which a run of a pipeline is a part: the one that this thread is at, if there is one.

        Args:
            pipeline: the pipeline.
        """
        thread = threading.get_ident()
        calls = list(self.at_work.values())
        here = [call for call in calls if call.thread == thread]
        holding = [call for call in calls if getattr(call.node, "nested", None) is pipeline]
        return next(reversed(here or holding or calls), None)


class RunWatcher(PipelineCallback):
    """A callback that knows which run it is told of; override any of the four methods that begin with ``on_``.

    It may be given to a pipeline and to those that are nested in it, and tells them apart.
    """

    #: Several requests may run as one: what is told of is a run, whomever it is for.
    welcomes_batches = True

    #: The attributes that a copy in another process takes along; what was watched stays here.
    settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: The runs that last, by the id of their pipeline; for calls whose context does not say.
        self._lasting: dict[int, list[WatchedRun]] = {}

    # -- what a callback makes of it ------------------------------------------------------------------------------

    def on_run_begun(self, run: WatchedRun) -> None:
        """Called when a run begins; override it.

        Args:
            run: the run.
        """

    def on_run_ended(self, run: WatchedRun) -> None:
        """Called when a run has ended, well or not; override it.

        Args:
            run: the run.
        """

    def on_node_begun(self, run: WatchedRun, call: NodeCall) -> None:
        """Called when a node begins; override it.

        Args:
            run: the run.
            call: the node.
        """

    def on_node_ended(self, run: WatchedRun, call: NodeCall) -> None:
        """Called when a node has ended, or when its run has, whatever it is at; override it.

        Args:
            run: the run.
            call: the node.
        """

    # -- what it is told ------------------------------------------------------------------------------------------

    def before_execution(self, pipeline: Pipeline, args: list[Any]) -> None:
        """Begins a run; see `PipelineCallback.before_execution`."""
        outer = self._here()
        holder = None
        if outer is not None and outer.ended is None and outer.pipeline is not pipeline:
            holder = outer.holder_of(pipeline)
        if outer is None or holder is None:
            self._begin(WatchedRun(pipeline, None, ""))
        else:
            self._begin(WatchedRun(pipeline, outer, f"{holder.path}/"))

    def after_execution(self, pipeline: Pipeline, args: list[Any], output: Any) -> None:
        """Ends it; see `PipelineCallback.after_execution`."""
        run = self._run_of(pipeline)
        if run is not None:
            self._end(run)

    def on_failure(self, pipeline: Pipeline, node: BaseNode | None, error: BaseException) -> None:
        """Ends it, with what has become of its nodes; see `PipelineCallback.on_failure`."""
        run = self._run_of(pipeline)
        if run is None:
            return
        run.error = error
        for call in list(run.at_work.values()):
            self._node_ended(run, call.node, "failed" if call.node is node else "canceled")
        self._end(run)

    def before_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any]) -> None:
        """Begins a node; see `PipelineCallback.before_node_execution`."""
        run = self._run_of(pipeline) or self._implied(pipeline)
        if run is not None:
            call = run.at_work[id(node)] = NodeCall(node, run.path + node.name)
            self.on_node_begun(run, call)

    def after_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any], output: Any) -> None:
        """Ends it; see `PipelineCallback.after_node_execution`."""
        run = self._run_of(pipeline)
        if run is not None:
            self._node_ended(run, node, "ran")

    def on_cached_node(self, pipeline: Pipeline, node: BaseNode) -> None:
        """Counts a node whose output was found in the cache as done.

        Args:
            pipeline: the pipeline that is running.
            node: the node.
        """
        run = self._run_of(pipeline) or self._implied(pipeline)
        if run is not None:
            call = run.at_work[id(node)] = NodeCall(node, run.path + node.name)
            self.on_node_begun(run, call)
            self._node_ended(run, node, "cached")

    # -- how ------------------------------------------------------------------------------------------------------

    def _here(self) -> WatchedRun | None:
        known = _current.get()
        return None if known is None else known.get(id(self))

    def _run_of(self, pipeline: Pipeline) -> WatchedRun | None:
        """The run of a pipeline that is told of; None where none is, or it is over."""
        run = self._here()
        if run is not None and run.pipeline is pipeline:
            return run if run.ended is None else None
        lasting = self._lasting.get(id(pipeline))
        return lasting[-1] if lasting else None

    def _implied(self, pipeline: Pipeline) -> WatchedRun | None:
        """A run that begins with a node, for runners that tell of nodes alone; none for a node that comes too late."""
        run = self._here()
        if run is not None and run.pipeline is pipeline:
            return None
        begun = WatchedRun(pipeline, None, "")
        begun.is_implied = True
        self._begin(begun)
        return begun

    def _begin(self, run: WatchedRun) -> None:
        if not run.is_implied:
            _current.set({**(_current.get() or {}), id(self): run})
        with self._lock:
            self._lasting.setdefault(id(run.pipeline), []).append(run)
        self.on_run_begun(run)

    def _end(self, run: WatchedRun) -> None:
        run.ended = time.perf_counter()
        with self._lock:
            lasting = self._lasting.get(id(run.pipeline), [])
            if run in lasting:
                lasting.remove(run)
            if not lasting:
                self._lasting.pop(id(run.pipeline), None)
        if self._here() is run:
            known = dict(_current.get() or {})
            if run.parent is None:
                known.pop(id(self))
            else:
                known[id(self)] = run.parent
            _current.set(known or None)
        self.on_run_ended(run)

    def _node_ended(self, run: WatchedRun, node: BaseNode, state: str) -> None:
        now = time.perf_counter()
        call = run.at_work.pop(id(node), None)
        if call is None:
            return
        call.ended, call.state = now, state
        run.done += state in ("ran", "cached")
        self.on_node_ended(run, call)
        if run.is_implied and run.done == len(run.pipeline.graph_nodes):
            self._end(run)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # the settings are what it is made with
