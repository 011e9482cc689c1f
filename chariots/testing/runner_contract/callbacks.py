"""Which callbacks does every runner call, in which order, and with what? (tests)

A runner that does one thing after the other calls them in one order. One that does several at once promises less:
what surrounds a pipeline surrounds all of it, what surrounds a node surrounds that node and comes after all of what it
reads, and there is never more than one callback at a time. All of them are called in the process that called the
runner; an op's own hooks, in contrast, are called where the op runs.
"""

from __future__ import annotations

import contextvars
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import OpCallBack, PipelineCallback
from chariots.pipelines.nodes import BaseNode, Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.reporting import reporting_to
from chariots.pipelines.runners import BaseRunner
from chariots.testing.runner_contract.ops import Add, Constant, Doubling, Fails, Hooked, Increment, Reports, Split
from chariots.testing.runner_contract.results import INPUT, OUTPUT, chain

__all__ = ["CallbacksContract"]

_asked_by: contextvars.ContextVar[str] = contextvars.ContextVar("runner_contract_asked_by", default="nobody")


class Journal(PipelineCallback):
    """Writes down each call; one at a time is all it can take."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []
        self.processes: set[int] = set()
        self.contexts: set[str] = set()
        self.most_at_once = 0
        self._now = 0

    def before_execution(self, pipeline: Pipeline, args: list[Any]) -> None:
        """Called before everything."""
        self.note("before", pipeline, list(args))

    def after_execution(self, pipeline: Pipeline, args: list[Any], output: Any) -> None:
        """Called after everything."""
        self.note("after", pipeline, list(args), output)

    def before_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any]) -> None:
        """Called before a node."""
        self.note("before", node, list(args))

    def after_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any], output: Any) -> None:
        """Called after a node."""
        self.note("after", node, list(args), output)

    def note(self, when: str, subject: Any, *values: Any) -> None:
        """Writes a line, slowly enough to be caught where two do so at once."""
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        time.sleep(0.001)
        self.lines.append((when, subject.name, *values))
        self.processes.add(os.getpid())
        self.contexts.add(_asked_by.get())
        self._now -= 1

    def place(self, when: str, name: str) -> int:
        """Where the one line of an event stands."""
        (found,) = [place for place, line in enumerate(self.lines) if line[:2] == (when, name)]
        return found


class OpJournal(OpCallBack):
    """Writes into the journal of a pipeline, and minds that it is told of the very op."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.ops: list[BaseOp] = []
        self.lock = threading.Lock()  # which nobody can send anywhere

    def before_execution(self, callback_op: BaseOp, args: list[Any]) -> None:
        """Called before the op."""
        self.ops.append(callback_op)
        self.journal.note("op before", callback_op, list(args))

    def after_execution(self, callback_op: BaseOp, args: list[Any], output: Any) -> None:
        """Called after the op."""
        self.ops.append(callback_op)
        self.journal.note("op after", callback_op, list(args), output)


def diamond(*callbacks: PipelineCallback) -> tuple[Pipeline, list[tuple[str, str]]]:
    """A pipeline whose nodes can partly run at once, and which of them must come before which."""
    nodes: list[BaseNode] = [
        Node(Split(), [INPUT], ["plus", "minus"], name="split"),
        Node(Constant(100), output_nodes="hundred", name="hundred"),
        Node(Increment(), ["plus"], "left", name="left"),
        Doubling(["minus"], "right"),
        Node(Add(), ["left", "right", "hundred"], OUTPUT, name="join"),
    ]
    links = [("split", "left"), ("split", "doubling"), ("left", "join"), ("doubling", "join"), ("hundred", "join")]
    return Pipeline(nodes, "diamond", pipeline_callbacks=callbacks), links


class CallbacksContract:
    """Whoever watches a pipeline sees the same of it, whoever runs it."""

    def test_callbacks_are_told_what_goes_in_and_what_comes_out(self, runner: BaseRunner) -> None:
        """Of the pipeline and of each node: the values themselves, never something that stands for them."""
        journal = Journal()
        pipeline, _ = diamond(journal)
        assert runner.run(pipeline, 3) == 98
        told = {(line[0], line[1]): line[2:] for line in journal.lines}
        assert told == {
            ("before", "diamond"): ([3],),
            ("before", "split"): ([3],),
            ("after", "split"): ([3], (3, -3)),
            ("before", "hundred"): ([],),
            ("after", "hundred"): ([], 100),
            ("before", "left"): ([3],),
            ("after", "left"): ([3], 4),
            ("before", "doubling"): ([-3],),
            ("after", "doubling"): ([-3], -6),
            ("before", "join"): ([4, -6, 100],),
            ("after", "join"): ([4, -6, 100], 98),
            ("after", "diamond"): ([3], 98),
        }
        assert len(journal.lines) == len(told)

    def test_callbacks_come_in_the_order_of_the_links(self, runner: BaseRunner) -> None:
        """The pipeline's around all others, a node's after those of all that it reads, and one at a time."""
        journal = Journal()
        pipeline, links = diamond(journal)
        for _ in range(5):
            journal.lines.clear()
            runner.run(pipeline, 3)
            assert journal.place("before", "diamond") == 0
            assert journal.place("after", "diamond") == len(journal.lines) - 1
            for name in pipeline.node_for_name:
                assert journal.place("before", name) < journal.place("after", name)
            for upstream, downstream in links:
                assert journal.place("after", upstream) < journal.place("before", downstream)
        assert journal.most_at_once == 1
        assert journal.processes == {os.getpid()}

    def test_a_pipeline_that_takes_no_input_gives_its_callbacks_no_arguments(self, runner: BaseRunner) -> None:
        """An empty list, and None where there is no output."""
        journal = Journal()
        runner.run(Pipeline([Node(Constant(1))], "silent", pipeline_callbacks=[journal]))
        assert journal.lines[0] == ("before", "silent", [])
        assert journal.lines[-1] == ("after", "silent", [], None)

    def test_callbacks_see_what_nobody_reads(self, runner: BaseRunner) -> None:
        """What a node without outputs has returned."""
        journal = Journal()
        nodes = [Node(Increment(), [INPUT]), Node(Split(), [INPUT])]
        runner.run(Pipeline(nodes, "unread", pipeline_callbacks=[journal]), 3)
        told = {line[1]: line[2:] for line in journal.lines if line[0] == "after"}
        assert told == {"increment": ([3], 4), "split": ([3], (3, -3)), "unread": ([3], None)}

    def test_callbacks_of_ops_stand_between_those_of_the_node_and_the_op(self, runner: BaseRunner) -> None:
        """In this process, with the very op."""
        journal = Journal()
        watched = OpJournal(journal)
        op = Increment(op_callbacks=[watched])
        pipeline = Pipeline([Node(op, [INPUT], OUTPUT)], "watched", pipeline_callbacks=[journal])
        assert runner.run(pipeline, 3) == 4
        assert journal.lines == [
            ("before", "watched", [3]),
            ("before", "increment", [3]),
            ("op before", "increment", [3]),
            ("op after", "increment", [3], 4),
            ("after", "increment", [3], 4),
            ("after", "watched", [3], 4),
        ]
        assert journal.processes == {os.getpid()}
        assert all(told is op for told in watched.ops)

    def test_an_op_with_callbacks_in_a_pipeline_without_runs_with_them(self, runner: BaseRunner) -> None:
        """Also one that was added after the first run, and on an op in a nested pipeline."""
        journal = Journal()
        op = Increment()
        inner = chain(op, name="inner")
        outer = Pipeline([Node(inner, [INPUT], OUTPUT)], "outer")
        assert runner.run(outer, 1) == 2
        op.callbacks.append(OpJournal(journal))  # type: ignore[attr-defined]  # its constructor made a list of them
        assert runner.run(outer, 3) == 4
        assert journal.lines == [("op before", "increment", [3]), ("op after", "increment", [3], 4)]

    def test_the_hooks_of_an_op_run_around_it_where_it_runs(self, runner: BaseRunner, tmp_path: Path) -> None:
        """In order, and with what it is given."""
        file = tmp_path / "hooks"
        assert runner.run(chain(Hooked(file)), 3) == 3
        assert file.read_text().splitlines() == ["before [3]", "execute 3", "after [3] 3"]

    def test_callbacks_of_nested_pipelines_are_called(self, runner: BaseRunner) -> None:
        """Between those of the node that holds it."""
        journal = Journal()
        inner = chain(Increment(), name="inner", pipeline_callbacks=[journal])
        outer = Pipeline([Node(inner, [INPUT], OUTPUT)], "outer", pipeline_callbacks=[journal])
        assert runner.run(outer, 3) == 4
        assert [line[:2] for line in journal.lines] == [
            ("before", "outer"),
            ("before", "inner"),  # the node is called like the pipeline that it holds
            ("before", "inner"),
            ("before", "increment"),
            ("after", "increment"),
            ("after", "inner"),
            ("after", "inner"),
            ("after", "outer"),
        ]

    def test_several_callbacks_are_called_in_their_order(self, runner: BaseRunner) -> None:
        """Each time."""
        called = []

        class Named(PipelineCallback):
            def __init__(self, name: str) -> None:
                self.name = name

            def before_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any]) -> None:
                called.append(self.name)

        runner.run(chain(Increment(), Increment(), pipeline_callbacks=[Named("first"), Named("second")]), 3)
        assert called == ["first", "second"] * 2

    def test_callbacks_see_the_context_of_the_caller(self, runner: BaseRunner) -> None:
        """Its context variables, in whichever thread they are called."""
        journal = Journal()
        pipeline, _ = diamond(journal)
        token = _asked_by.set("somebody")
        try:
            runner.run(pipeline, 3)
        finally:
            _asked_by.reset(token)
        assert journal.contexts == {"somebody"}

    def test_progress_reaches_the_caller(self, runner: BaseRunner) -> None:
        """What an op says of how far it is, in its order, before the run is over."""
        told: list[tuple[float, float | None, str]] = []
        with reporting_to(lambda *said: told.append(said)):
            runner.run(Pipeline([Node(Reports())], "reporting"))
        assert told == [(1, 2, "half"), (2, 2, "done")]

    def test_nothing_is_said_after_a_run_that_everything_went_well(self, runner: BaseRunner) -> None:
        """A pipeline that failed has no end, and a node that failed has none either."""
        journal = Journal()
        pipeline = chain(Increment(), Fails(), Increment(), pipeline_callbacks=[journal])
        with pytest.raises(LookupError):
            runner.run(pipeline, 3)
        assert [line[:2] for line in journal.lines] == [
            ("before", "chain"),
            ("before", "increment"),
            ("after", "increment"),
            ("before", "fails"),
        ]

    @pytest.mark.parametrize(
        "moment", ["before_execution", "before_node_execution", "after_node_execution", "after_execution"]
    )
    def test_a_callback_that_fails_fails_the_run(self, runner: BaseRunner, moment: str) -> None:
        """With what it raised."""

        def fail(*told: Any) -> None:
            raise KeyError(moment)

        callback = PipelineCallback()
        setattr(callback, moment, fail)
        with pytest.raises(KeyError, match=moment):
            runner.run(chain(Increment(), pipeline_callbacks=[callback]), 3)
