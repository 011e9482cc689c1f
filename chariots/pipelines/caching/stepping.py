"""How does a runner run one node, or find what it returned the last time?

For runners, there are three things to know. A `Cached` belongs to one run of one pipeline::

    cached = Cached(pipeline, runner.cache)
    slots[INPUT_VALUE] = cached.hold(INPUT_VALUE, pipeline_input)
    for position in order:                                           # in any thread
        outputs = cached.step(position, args, execute)               # one for each of graph.outputs[position]

``args`` may hold what `step` returned before, as it is; ``execute(plain_args)`` runs the node with everything around it
(retries, callbacks) and returns what the node returned. It is called at once where the node has to run; and perhaps
later, from `value_of`, where something that was found has vanished before anybody read it. `value_of` makes a plain
value of an output, the last one above all.

A runner that must not wait looks first and keeps later: ``begun = cached.look(position, args, execute)``; where
``begun.outputs`` is None the node is to be run on ``begun.plain_args()``, and then ``begun.finish(value)`` returns the
outputs, or ``begun.failed(error)`` notes that there are none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chariots.pipelines.caching.cache import NodeCache, default_cache
from chariots.pipelines.caching.code import Code, MovedError
from chariots.pipelines.caching.content import content_of
from chariots.pipelines.caching.entries import Entry, Question, differences, key_of
from chariots.pipelines.explaining import CURRENT, Explanation, NodeReport
from chariots.pipelines.caching.forms import NotKeptError
from chariots.pipelines.caching.held import Held, Source, as_held, value_of
from chariots.pipelines.caching.identity import Identity, identity_of, refuse_learning

if TYPE_CHECKING:
    from chariots.pipelines.base_node import BaseNode
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["Begun", "Cached", "CachedPart", "cached_part", "is_cached"]

Execute = Callable[[list[Any]], Any]
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


def is_cached(node: BaseNode) -> bool:
    """Whether a node asks for its output to be kept."""
    return node.options is not None and node.options.cache


def cached_part(nodes: Sequence[BaseNode], inputs: Sequence[Sequence[int]], pipeline_name: str) -> CachedPart | None:
    """Finds the nodes of a pipeline that are cached.

    Args:
        nodes: the nodes.
        inputs: for each of them, the values that it reads.
        pipeline_name: for the message.

    Returns:
        None if none is.

    Raises:
        ConflictError: if one of them learns.
    """
    positions = [position for position, node in enumerate(nodes) if is_cached(node)]
    if not positions:
        return None
    for position in positions:
        refuse_learning(nodes[position], pipeline_name)
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
        self.part = cached_part(pipeline.graph_nodes, pipeline.graph.inputs, pipeline.name)
        self.code = Code()
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
            execute: runs the node on plain arguments.

        Returns:
            its outputs, one for each value that the node writes.

        Raises:
            TypeError: if an input of a cached node has no content that can be told, or an output cannot be kept.
        """
        begun = self.look(position, args, execute)
        if begun.outputs is not None:
            return begun.outputs
        try:
            value = execute(begun.plain_args())
        except BaseException as error:
            begun.failed(error)
            raise
        return begun.finish(value)

    def look(self, position: int, args: Sequence[Any], execute: Execute) -> Begun:
        """Looks for the outputs of a node, and runs nothing; see `step` for the arguments.

        Returns:
            what was found, or what to go on with.
        """
        begun = Begun(self, position, args, execute)
        if self.part is not None and position in self.part.nodes:
            begun.ask()
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
        labels = tuple([graph.labels[value] for value in graph.inputs[self._position]])
        inputs = tuple([_content(node, label, arg) for label, arg in zip(labels, self._args, strict=True)])
        self._question = self._asked(identity, inputs, labels)
        entry, obstacle = run.cache.find(key_of(self._question))
        if entry is not None:
            self.outputs = self._found(entry)
            self._report("cached", "", entry.size, entry.seconds)
            for callback in run.pipeline.callbacks:
                callback.on_cached_node(run.pipeline, node)
        elif run.explanation is not None:
            self._why = self._explained(obstacle)

    def plain_args(self) -> list[Any]:
        """The arguments as the node gets them; its time is counted from here."""
        args = [value_of(arg) for arg in self._args]
        self._began = time.perf_counter()
        return args

    def finish(self, value: Any) -> Sequence[Any]:
        """Keeps what the node returned, before anything else runs.

        Args:
            value: what it returned.

        Returns:
            its outputs, one for each value that it writes.

        Raises:
            ValueError: if it cannot be split over them.
            TypeError: if the node is cached and an output cannot be kept.
        """
        seconds = time.perf_counter() - self._began
        parts = self._split(value)
        if self._question is None:
            self._report("ran", self._why, None, 0.0, seconds)
            writes = self._run.pipeline.graph.outputs[self._position]
            return [self._run.hold(number, part) for number, part in zip(writes, parts, strict=True)]
        outputs, entry = self._kept(self._question, parts, seconds)
        self._report("ran", self._why, entry.size, 0.0, seconds)
        return outputs

    def failed(self, error: BaseException) -> None:
        """Notes that the node failed.

        Args:
            error: what it raised.
        """
        seconds = time.perf_counter() - self._began
        self._report("failed", f"{type(error).__name__}: {error}", None, 0.0, seconds)

    # -- how ------------------------------------------------------------------------------------------------------

    def _asked(self, identity: Identity, inputs: tuple[str, ...], labels: tuple[str, ...]) -> Question:
        pipeline = self._run.pipeline
        outputs = len(pipeline.graph.outputs[self._position])
        return Question(pipeline.name, self.node.name, identity, inputs, labels, outputs)

    def _split(self, value: Any) -> Sequence[Any]:
        from chariots.pipelines.plan import split_outputs

        writes = self._run.pipeline.graph.outputs[self._position]
        if len(writes) == 1:
            return (value,)
        return split_outputs(self._run.pipeline, self._position, value, len(writes)) if writes else ()

    def _kept(self, question: Question, parts: Sequence[Any], seconds: float) -> tuple[list[Held], Entry]:
        values = [(part, _told(part)) for part in parts]
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
            parts = self._split(execute(args))
            return self._kept(question, parts, time.perf_counter() - began)[0]

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


def _content(node: BaseNode, label: str, arg: Any) -> str:
    where = f"input {label!r} of node {node.name!r}, which has cache=True,"
    return arg.content(where) if isinstance(arg, Held) else content_of(arg, where)


def _told(value: Any) -> str | None:
    """The content of an output; None where its bytes will have to do."""
    try:
        return content_of(value, "it")
    except TypeError:
        return None
