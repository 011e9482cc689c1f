"""How does a runner run one node, or find what it returned the last time?

For runners, there are three things to know. A `Cached` belongs to one run of one pipeline::

    cached = Cached(pipeline, runner.cache)
    slots[INPUT_VALUE] = cached.hold(INPUT_VALUE, pipeline_input)
    outputs = cached.step(position, args, execute)         # in any thread; one for each of graph.outputs[position]

``args`` are what `step` returned before, as it is. ``execute(args)`` runs the node on plain arguments, with everything
around it (retries, callbacks), and returns one value or handle for each of its outputs. It is called at once where the
node has to run; and perhaps later, where something that was found has vanished before anybody read it. An output may be
a `Held`, which is a `Handle`: `chariots.pipelines.handles.value_of` makes a plain value of it.

A runner that must not wait looks first and keeps later: ``begun = cached.look(position, args, execute)``; where
``begun.outputs`` is None the node is to be run on ``begun.lent_args()`` (plain values, and handles of the runner's
own), and then ``begun.finish(outputs)`` returns its outputs, or ``begun.failed(error)`` notes that there are none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from chariots.pipelines.caching.cache import NodeCache, default_cache
from chariots.pipelines.caching.code import Code, MovedError
from chariots.pipelines.caching.content import content_of
from chariots.pipelines.caching.entries import Entry, Question, differences, key_of
from chariots.pipelines.caching.forms import NotKeptError
from chariots.pipelines.caching.held import Held, Source, as_held, bytes_of
from chariots.pipelines.caching.identity import Identity, identity_of, refuse_learning
from chariots.pipelines.explaining import CURRENT, Explanation, NodeReport
from chariots.pipelines.handles import value_of, values_of

if TYPE_CHECKING:
    from chariots.pipelines.base_node import BaseNode
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["Begun", "Cached", "CachedPart", "cached_part"]

Execute = Callable[[list[Any]], Sequence[Any]]
_NOT_ASKED = "not asked to be cached"


class CachedPart:
    """Which part of a pipeline is cached; found once, when it is compiled.

    Attributes:
        nodes: the positions of the nodes with ``cache=True``.
        values: the numbers of the values that they read.
    """

    __slots__ = ("nodes", "values")

    def __init__(self, nodes: frozenset[int], values: frozenset[int]) -> None:
        self.nodes, self.values = nodes, values


def cached_part(pipeline: Pipeline) -> CachedPart | None:
    """Finds the nodes of a pipeline that are cached.

    Args:
        pipeline: the pipeline.

    Returns:
        None if none is.

    Raises:
        ConflictError: if one of them learns.
    """
    positions = [position for position, asked in pipeline.plan.options.items() if asked.cache]
    if not positions:
        return None
    for position in positions:
        refuse_learning(pipeline.graph_nodes[position], pipeline.name)
    inputs = pipeline.graph.inputs
    return CachedPart(frozenset(positions), frozenset(value for position in positions for value in inputs[position]))


class Cached:
    """One run of one pipeline, beside a cache.

    Args:
        pipeline: the pipeline.
        cache: a cache, or the directory of one; None for the default one.
    """

    def __init__(self, pipeline: Pipeline, cache: NodeCache | str | os.PathLike[str] | None) -> None:
        self.pipeline = pipeline
        self.explanation: Explanation | None = CURRENT.get()
        if self.explanation is not None:
            self.explanation.begin(pipeline)
        self.part = cached_part(pipeline)
        self.code = Code()
        #: What is held while a callback is told; a lock where nodes run at the same time.
        self.telling: AbstractContextManager[Any] = nullcontext()
        self._cache = cache

    @property
    def cache(self) -> NodeCache:
        """The cache; the default one is made when a node asks for it."""
        if not isinstance(self._cache, NodeCache):
            self._cache = default_cache(self._cache)
        return self._cache

    def hold(self, value: int, content: Any) -> Any:
        """Wraps a value so that it is hashed once, where a cached node is going to read it.

        Args:
            value: its number in the graph.
            content: the value.
        """
        return as_held(content) if self.part is not None and value in self.part.values else content

    def step(self, position: int, args: Sequence[Any], execute: Execute) -> Sequence[Any]:
        """Runs a node, or finds what it returned when it was last given the same.

        Args:
            position: where the node stands in the pipeline.
            args: its arguments, plain or as this method returned them.
            execute: runs the node on plain arguments; returns its outputs.

        Returns:
            its outputs, one for each value that the node writes.

        Raises:
            TypeError: if an input of a cached node has no content that can be told, or an output cannot be kept.
        """
        begun = self.look(position, args, execute)
        if begun.outputs is not None:
            return begun.outputs
        try:
            outputs = execute(values_of(begun.lent_args()))
        except BaseException as error:
            begun.failed(error)
            raise
        return begun.finish(outputs)

    def look(self, position: int, args: Sequence[Any], execute: Execute) -> Begun:
        """Looks for the outputs of a node, and runs nothing; see `step` for the arguments.

        Returns:
            what was found, or what to go on with.
        """
        begun = Begun(self, position, args, execute)
        if self.part is not None and position in self.part.nodes:
            try:
                begun.ask()
            except Exception as error:
                begun.failed(error)
                raise
        return begun


class Begun:
    """One node of one run, between the look into the cache and its outputs.

    Attributes:
        outputs: what was found; None where the node is to be run.
    """

    __slots__ = ("_args", "_began", "_execute", "_position", "_question", "_run", "_why", "outputs")

    def __init__(self, run: Cached, position: int, args: Sequence[Any], execute: Execute) -> None:
        self.outputs: Sequence[Any] | None = None
        self._run, self._position, self._args, self._execute = run, position, args, execute
        self._question: Question | None = None
        self._why = _NOT_ASKED
        self._began = time.perf_counter()

    @property
    def node(self) -> BaseNode:
        """The node."""
        return self._run.pipeline.graph_nodes[self._position]

    def ask(self) -> None:
        """Looks into the cache."""
        run, graph, node = self._run, self._run.pipeline.graph, self.node
        try:
            identity = identity_of(node, run.code)
        except MovedError as error:
            self._why = f"neither found nor kept: {error}"
            return
        reads = graph.inputs[self._position]
        labels = tuple([graph.labels[value] for value in reads])
        inputs = tuple([self._content(value, arg) for value, arg in zip(reads, self._args, strict=True)])
        self._question = self._asked(identity, inputs, labels)
        entry, obstacle = run.cache.find(key_of(self._question))
        if entry is not None:
            self.outputs = self._found(entry)
            self._report("cached", "", entry.size, entry.seconds)
            for callback in run.pipeline.callbacks:
                told = getattr(callback, "on_cached_node", None)  # a callback of one's own may derive from nothing
                if told is not None:
                    with run.telling:
                        told(run.pipeline, node)
        elif run.explanation is not None:
            self._why = self._explained(obstacle)

    def lent_args(self) -> list[Any]:
        """The arguments as the node gets them, plain or as handles of the runner's own; its time is counted from here.

        They may be changed by the node; readers after it notice.
        """
        args = [arg.lend() if isinstance(arg, Held) else arg for arg in self._args]
        self._began = time.perf_counter()
        return args

    def finish(self, outputs: Sequence[Any]) -> Sequence[Any]:
        """Keeps what the node returned, before anything else runs.

        Args:
            outputs: one value or handle for each output; anything where the node has none.

        Returns:
            the same, for whoever reads them.

        Raises:
            TypeError: if the node is cached and an output cannot be kept.
        """
        seconds = time.perf_counter() - self._began
        writes = self._run.pipeline.graph.outputs[self._position]
        outputs = outputs if writes else ()
        if self._question is None:
            self._report("ran", self._why, None, 0.0, seconds)
            return [self._run.hold(number, output) for number, output in zip(writes, outputs, strict=True)]
        try:
            kept, entry = self._kept(self._question, outputs, seconds)
        except Exception as error:
            self.failed(error)
            raise
        self._report("ran", self._why, entry.size, 0.0, seconds)
        return kept

    def failed(self, error: BaseException) -> None:
        """Notes that the node failed.

        Args:
            error: what it raised.
        """
        seconds = time.perf_counter() - self._began
        self._report("failed", f"{type(error).__name__}: {error}", None, 0.0, seconds)

    # -- how ------------------------------------------------------------------------------------------------------

    def _content(self, value: int, arg: Any) -> str:
        """Names what an argument holds."""
        if type(arg) is Held and (known := arg.known_content) is not None:
            return known
        graph = self._run.pipeline.graph
        where = f"input {graph.labels[value]!r} of node {self.node.name!r}, which has cache=True,"
        if isinstance(arg, Held):
            return arg.content(where)
        arg, part = value_of(arg), self._run.part
        try:
            return content_of(arg, where)
        except TypeError:
            # What a cached node returned is known by its bytes, if need be: a runner of one's own passes it on plain.
            if part is None or graph.producers[value] not in part.nodes:
                raise
            return bytes_of(arg)

    def _asked(self, identity: Identity, inputs: tuple[str, ...], labels: tuple[str, ...]) -> Question:
        pipeline = self._run.pipeline
        outputs = len(pipeline.graph.outputs[self._position])
        return Question(pipeline.name, self.node.name, identity, inputs, labels, outputs)

    def _kept(self, question: Question, parts: Sequence[Any], seconds: float) -> tuple[list[Held], Entry]:
        values = [(value, _told(value)) for value in values_of(parts)]
        try:
            entry = self._run.cache.keep(question, values, seconds)
        except NotKeptError as error:
            raise NotKeptError(
                f"node {question.node!r} has cache=True, but what it returned cannot be kept: {error}. Leave "
                "cache=True out, or return data: arrays, frames, tables, plain values"
            ) from error
        contents = [output.content for output in entry.outputs]
        return [Held(part, content) for part, content in zip(parts, contents, strict=True)], entry

    def _found(self, entry: Entry) -> list[Held]:
        execute, question = self._execute, self._question
        assert question is not None

        def again(args: list[Any]) -> Sequence[Any]:
            began = time.perf_counter()
            outputs = execute(args) if question.outputs else ()
            return self._kept(question, outputs, time.perf_counter() - began)[0]

        source = Source(self._run.cache, entry, f"node {question.node!r}", self._args, again)
        return [Held(content=output.content, source=source, index=at) for at, output in enumerate(entry.outputs)]

    def _explained(self, obstacle: str) -> str:
        if obstacle or self._question is None:
            return obstacle
        last = self._run.cache.newest(self._question.pipeline, self._question.node)
        if last is None:
            return "the cache knows no earlier run of it"
        return "; ".join(differences(self._question, last)) or "its entry is gone"

    def _report(self, state: Any, why: str, size: int | None, spared: float, seconds: float | None = None) -> None:
        explanation = self._run.explanation
        if explanation is not None:
            took = time.perf_counter() - self._began if seconds is None else seconds
            explanation.add(self._run.pipeline, self.node, NodeReport(state, why, took, size, spared))


def _told(value: Any) -> str | None:
    """The content of an output; None where its bytes will have to do."""
    try:
        return content_of(value, "it")
    except TypeError:
        return None
