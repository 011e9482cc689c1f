"""Are callbacks told of failures, and do those that are ready made keep the runs of many threads apart?"""

from __future__ import annotations

import json
import logging
import pickle
import threading
from xml.etree import ElementTree

import pytest
from prometheus_client import CollectorRegistry

from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import (
    LoggingCallback,
    MetricsCallback,
    PipelineCallback,
    ProgressCallback,
    TimingCallback,
)
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import BaseRunner, SequentialRunner, ThreadRunner
from tests.pipelines.sample_ops import Add, AddOne, Double, Fail, Pair

IN, OUT = "__pipeline_input__", "__pipeline_output__"


class StepRunner(BaseRunner):
    """The smallest runner of one's own, as the documentation has it."""

    def run(self, pipeline, pipeline_input=None):
        results = pipeline.start_results(pipeline_input)
        for node in pipeline.pipeline_nodes:
            results = pipeline.execute_node(node, results, self)
        return pipeline.extract_results(results)


class Failures(PipelineCallback):
    def __init__(self) -> None:
        self.told = []

    def on_failure(self, pipeline, node, error):
        self.told.append((pipeline.name, node and node.name, type(error).__name__))


class Interrupt(BaseOp):
    def execute(self, value):
        raise KeyboardInterrupt


class Meet(BaseOp):
    """Waits until another node or another run has come as far."""

    def __init__(self, barrier: threading.Barrier) -> None:
        super().__init__()
        self.barrier = barrier

    def execute(self, value):
        self.barrier.wait(30)
        return value


def failing(*callbacks, op=None) -> Pipeline:
    nodes = [
        Node(AddOne(), [IN], "x"),
        Node(op or Fail(), ["x"], "y", name="breaks"),
        Node(Double(), ["y"], OUT),
    ]
    return Pipeline(nodes, "failing", pipeline_callbacks=callbacks)


def plain(*callbacks) -> Pipeline:
    return Pipeline([Node(AddOne(), [IN], "x"), Node(Double(), ["x"], OUT)], "plain", pipeline_callbacks=callbacks)


def holding(inner: Pipeline, *callbacks) -> Pipeline:
    nodes = [Node(inner, [IN], "x", name="inside"), Node(AddOne(), ["x"], OUT)]
    return Pipeline(nodes, "outer", pipeline_callbacks=callbacks)


def runners() -> list[BaseRunner]:
    return [SequentialRunner(), StepRunner(), ThreadRunner(max_workers=2)]


# -- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runner", runners(), ids=lambda runner: type(runner).__name__)
def test_a_failed_run_is_told_once_with_its_node(runner: BaseRunner) -> None:
    with runner:
        failures = Failures()
        with pytest.raises(ZeroDivisionError):
            runner.run(failing(failures), 1)
        assert failures.told == [("failing", "breaks", "ZeroDivisionError")]
        runner.run(plain(failures), 1)
        assert len(failures.told) == 1


@pytest.mark.parametrize("runner", runners(), ids=lambda runner: type(runner).__name__)
def test_a_nested_failure_is_told_from_the_inside_out(runner: BaseRunner) -> None:
    with runner:
        failures = Failures()
        with pytest.raises(ZeroDivisionError):
            runner.run(holding(failing(failures), failures), 1)
        assert [told[:2] for told in failures.told] == [("failing", "breaks"), ("outer", "inside")]


@pytest.mark.parametrize("runner", runners(), ids=lambda runner: type(runner).__name__)
def test_an_interruption_is_a_failure(runner: BaseRunner) -> None:
    with runner:
        failures = Failures()
        with pytest.raises(KeyboardInterrupt):
            runner.run(failing(failures, op=Interrupt()), 1)
        assert failures.told == [("failing", "breaks", "KeyboardInterrupt")]


@pytest.mark.parametrize("runner", runners(), ids=lambda runner: type(runner).__name__)
def test_outputs_that_do_not_fit_are_a_failure(runner: BaseRunner) -> None:
    with runner:
        failures = Failures()
        nodes = [Node(Pair(), [IN], ["a", "b", "c"]), Node(Add(), ["a", "b"], "d"), Node(Add(), ["c", "d"], OUT)]
        with pytest.raises(ValueError, match="3 outputs"):
            runner.run(Pipeline(nodes, "pairs", pipeline_callbacks=[failures]), 1)
        assert failures.told == [("pairs", "pair", "ValueError")]


def test_a_callback_that_fails_over_a_failure_does_not_hide_it(caplog) -> None:
    class Broken(PipelineCallback):
        def on_failure(self, pipeline, node, error):
            raise RuntimeError("no more paper")

    failures = Failures()
    with pytest.raises(ZeroDivisionError) as caught:
        SequentialRunner().run(failing(Broken(), failures), 1)
    assert "on_failure of Broken failed: RuntimeError: no more paper" in caught.value.__notes__
    assert len(failures.told) == 1
    assert any(record.exc_info for record in caplog.records)


def test_a_callback_without_the_method_is_not_asked() -> None:
    class Old:
        """A callback that was written before there was the method, and derives from nothing."""

        def __getattr__(self, name):
            if name == "on_failure":
                raise AttributeError(name)
            return lambda *args: None

    with pytest.raises(ZeroDivisionError):
        SequentialRunner().run(failing(Old()), 1)


# -- timing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runner", runners(), ids=lambda runner: type(runner).__name__)
def test_times_are_those_of_the_nodes_and_the_run(runner: BaseRunner) -> None:
    with runner:
        timing = TimingCallback()
        assert runner.run(plain(timing), 1) == 4
        run = timing.last
        assert (run.pipeline, run.error) == ("plain", None)
        assert [node.name for node in run.nodes] == ["addone", "double"]
        assert all(node.start >= 0 and node.start + node.duration <= run.duration for node in run.nodes)
        assert run.nodes[0].start + run.nodes[0].duration <= run.nodes[1].start
        assert run.states == timing.states == {"addone": "ran", "double": "ran"}


@pytest.mark.parametrize("runner", runners(), ids=lambda runner: type(runner).__name__)
def test_a_failed_run_has_the_state_of_every_node(runner: BaseRunner) -> None:
    with runner:
        timing = TimingCallback()
        pipeline = failing(timing)
        with pytest.raises(ZeroDivisionError):
            runner.run(pipeline, 1)
        assert timing.states == {"addone": "ran", "breaks": "failed", "double": "canceled"}
        assert timing.last.error == "ZeroDivisionError: nothing to divide"
        assert "failed" in pipeline.draw(timing).mermaid
        assert "failed (ZeroDivisionError: nothing to divide) in" in str(timing.table())
        ElementTree.fromstring(timing.timeline().svg)


@pytest.mark.parametrize("runner", [SequentialRunner(), ThreadRunner(2)], ids=lambda runner: type(runner).__name__)
def test_what_is_nested_is_named_after_what_holds_it(runner: BaseRunner) -> None:
    with runner:
        timing = TimingCallback()
        pipeline = holding(plain(timing), timing)
        assert runner.run(pipeline, 1) == 5
        assert len(timing.runs) == 1
        names = [node.name for node in timing.last.nodes]
        assert names == ["inside", "inside/addone", "inside/double", "addone"]
        svg = timing.timeline().svg
        tops = {
            group.findtext("{*}title", "").splitlines()[0]: float(group.find("{*}rect").get("y"))
            for group in ElementTree.fromstring(svg).iterfind(".//{*}g[{*}rect]")
        }
        assert tops["outer"] < tops["inside"]


def test_a_runner_that_tells_of_nodes_alone_is_timed_run_by_run() -> None:
    timing = TimingCallback()
    pipeline = plain(timing)
    for _ in range(3):
        StepRunner().run(pipeline, 1)
    assert [len(run.nodes) for run in timing.runs] == [2, 2, 2]


def test_runs_of_many_threads_are_kept_apart() -> None:
    timing, count = TimingCallback(), 8
    barrier = threading.Barrier(count)
    nodes = [Node(AddOne(), [IN], "x"), Node(Meet(barrier), ["x"], "y"), Node(Double(), ["y"], OUT)]
    pipeline = Pipeline(nodes, "met", pipeline_callbacks=[timing])
    threads = [threading.Thread(target=SequentialRunner().run, args=(pipeline, n), name=f"t{n}") for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(run.thread for run in timing.runs) == [f"t{n}" for n in range(count)]
    for run in timing.runs:
        assert [(node.name, node.thread) for node in run.nodes] == [
            (name, run.thread) for name in ("addone", "meet", "double")
        ]


def test_nodes_that_overlap_stand_in_lanes_of_their_threads() -> None:
    timing, barrier = TimingCallback(), threading.Barrier(2)
    nodes = [
        Node(Meet(barrier), [IN], "a", name="one"),
        Node(Meet(barrier), [IN], "b", name="other"),
        Node(Add(), ["a", "b"], OUT),
    ]
    with ThreadRunner(max_workers=2) as runner:
        assert runner.run(Pipeline(nodes, "both", pipeline_callbacks=[timing]), 1) == 2
    threads = {node.thread for node in timing.last.nodes if node.name in ("one", "other")}
    assert len(threads) == 2
    texts = [text.text for text in ElementTree.fromstring(timing.timeline().svg).iterfind(".//{*}text")]
    assert threads <= set(texts)


def test_overlapping_runs_of_threads_without_context_lose_nothing() -> None:
    timing = TimingCallback()
    pipeline = plain(timing)
    timing.before_execution(pipeline, [1])

    def elsewhere() -> None:
        for node in pipeline.pipeline_nodes:
            timing.before_node_execution(pipeline, node, [])
            timing.after_node_execution(pipeline, node, [], None)

    thread = threading.Thread(target=elsewhere, name="elsewhere")
    thread.start()
    thread.join(30)
    timing.after_execution(pipeline, [1], None)
    assert [node.thread for node in timing.last.nodes] == ["elsewhere", "elsewhere"]


def test_a_node_that_ends_after_its_run_changes_nothing() -> None:
    timing = TimingCallback()
    pipeline = plain(timing)
    first, second = pipeline.pipeline_nodes
    timing.before_execution(pipeline, [1])
    timing.before_node_execution(pipeline, first, [1])
    timing.on_failure(pipeline, second, ValueError("over"))
    timing.after_node_execution(pipeline, first, [1], 2)
    assert [(node.name, node.state) for node in timing.last.nodes] == [("addone", "canceled")]
    assert len(timing.runs) == 1


def test_a_cached_node_is_done_and_said_to_be_cached() -> None:
    timing = TimingCallback()
    pipeline = plain(timing)
    first, second = pipeline.pipeline_nodes
    timing.before_execution(pipeline, [1])
    timing.on_cached_node(pipeline, first)
    assert timing.states == {"addone": "cached", "double": "waiting"}
    timing.before_node_execution(pipeline, second, [2])
    assert timing.states["double"] == "running"
    timing.after_node_execution(pipeline, second, [2], 4)
    timing.after_execution(pipeline, [1], 4)
    assert timing.last.states == {"addone": "cached", "double": "ran"}


def test_only_the_newest_runs_are_kept() -> None:
    timing = TimingCallback(keep=2)
    for number in range(3):
        SequentialRunner().run(plain(timing), number)
    assert len(timing.runs) == 2
    timing.clear()
    with pytest.raises(ValueError, match="has watched no run yet"):
        timing.table()
    with pytest.raises(ValueError, match="keep=0"):
        TimingCallback(keep=0)


def test_a_trace_is_what_perfetto_reads(tmp_path) -> None:
    timing = TimingCallback()
    pipeline = holding(plain(timing), timing)
    for number in range(2):
        SequentialRunner().run(pipeline, number)
    trace = timing.chrome_trace(tmp_path / "trace.json")
    assert json.loads((tmp_path / "trace.json").read_text("utf-8")) == trace
    events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert [event["name"] for event in events] == ["outer", "inside", "inside/addone", "inside/double", "addone"] * 2
    by_thread: dict[int, list[tuple[float, float]]] = {}
    for event in events:
        assert event["dur"] >= 0
        by_thread.setdefault(event["tid"], []).append((event["ts"], event["ts"] + event["dur"]))
    named = {event["tid"] for event in trace["traceEvents"] if event["name"] == "thread_name"}
    assert set(by_thread) <= named


def test_what_overlaps_on_one_thread_gets_threads_of_its_own_in_a_trace() -> None:
    timing = TimingCallback()
    pipeline = plain(timing)
    first, second = pipeline.pipeline_nodes
    timing.before_execution(pipeline, [1])
    timing.before_node_execution(pipeline, first, [1])
    timing.before_node_execution(pipeline, second, [1])
    timing.after_node_execution(pipeline, first, [1], 2)
    timing.after_node_execution(pipeline, second, [1], 2)
    timing.after_execution(pipeline, [1], 4)
    threads = {event["name"]: event["tid"] for event in timing.chrome_trace()["traceEvents"] if event["ph"] == "X"}
    assert threads["addone"] == threads["plain"] != threads["double"]


def test_a_table_is_text_and_html() -> None:
    timing = TimingCallback()
    nodes = [Node(AddOne(), [IN], "x", name="<b>\x1b"), Node(Double(), ["x"], OUT)]
    SequentialRunner().run(Pipeline(nodes, "<i>", pipeline_callbacks=[timing]), 1)
    lines = str(timing.table()).splitlines()
    assert lines[0].startswith("<i> ran in ")
    assert lines[1].split() == ["node", "calls", "start", "time", "share", "thread", "state"]
    assert len(lines) == 4
    assert "\x1b" not in str(timing.table())
    html = timing.table()._repr_html_()
    assert "<b>" not in html
    assert "<i>" not in html
    ElementTree.fromstring(html)


# -- logging ----------------------------------------------------------------------------------------------------------


def told(caplog) -> list[tuple[str, str, str | None]]:
    return [(record.levelname, record.event, getattr(record, "node", None)) for record in caplog.records]


def test_runs_and_nodes_are_logged_with_what_programs_read(caplog) -> None:
    caplog.set_level(logging.DEBUG, "chariots.runs")
    SequentialRunner().run(plain(LoggingCallback()), 1)
    assert told(caplog) == [
        ("INFO", "run_begun", None),
        ("DEBUG", "node_begun", "addone"),
        ("DEBUG", "node_ended", "addone"),
        ("DEBUG", "node_begun", "double"),
        ("DEBUG", "node_ended", "double"),
        ("INFO", "run_ended", None),
    ]
    last = caplog.records[-1]
    assert (last.pipeline, last.state) == ("plain", "ran")
    assert last.duration >= caplog.records[2].duration >= 0
    assert len({record.run for record in caplog.records}) == 1
    assert last.getMessage().startswith("pipeline 'plain' ran in ")


def test_a_failure_is_logged_once_with_its_traceback(caplog) -> None:
    caplog.set_level(logging.WARNING, "chariots.runs")
    callback = LoggingCallback()
    with pytest.raises(ZeroDivisionError):
        SequentialRunner().run(holding(failing(callback), callback), 1)
    assert told(caplog) == [
        ("ERROR", "node_failed", "inside/breaks"),
        ("ERROR", "run_failed", None),
        ("ERROR", "node_failed", "inside"),
        ("ERROR", "run_failed", None),
    ]
    assert [record.error for record in caplog.records] == ["ZeroDivisionError"] * 4
    assert [bool(record.exc_info) for record in caplog.records] == [False, False, False, True]
    assert "ZeroDivisionError: nothing to divide" in caplog.records[0].getMessage()


def test_a_logger_and_its_levels_can_be_chosen(caplog) -> None:
    caplog.set_level(logging.INFO, "my runs")
    SequentialRunner().run(plain(LoggingCallback("my runs", level=logging.WARNING, node_level=logging.INFO)), 1)
    assert [record.levelname for record in caplog.records] == ["WARNING", *["INFO"] * 4, "WARNING"]


# -- metrics ----------------------------------------------------------------------------------------------------------


def test_runs_and_nodes_are_counted() -> None:
    registry = CollectorRegistry()
    runner = SequentialRunner()
    pipeline = plain(MetricsCallback(registry), MetricsCallback(registry))  # a registry takes each name once
    runner.run(pipeline, 1)
    with pytest.raises(ZeroDivisionError):
        runner.run(failing(MetricsCallback(registry)), 1)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"chariots_{name}", labels)

    assert value("pipeline_runs_total", pipeline="plain", state="ran") == 2
    assert value("pipeline_runs_total", pipeline="failing", state="failed") == 1
    assert value("pipeline_run_seconds_count", pipeline="plain") == 2
    assert value("pipeline_run_seconds_count", pipeline="failing") is None
    assert value("node_runs_total", pipeline="plain", node="double", state="ran") == 2
    assert value("node_runs_total", pipeline="failing", node="breaks", state="failed") == 1
    assert value("node_run_seconds_count", pipeline="failing", node="addone") == 1


def test_a_cached_node_is_counted_as_such() -> None:
    registry = CollectorRegistry()
    callback = MetricsCallback(registry)
    pipeline = plain(callback)
    callback.before_execution(pipeline, [1])
    callback.on_cached_node(pipeline, pipeline.pipeline_nodes[0])
    labels = {"pipeline": "plain", "node": "addone", "state": "cached"}
    assert registry.get_sample_value("chariots_node_runs_total", labels) == 1


def test_the_default_registry_is_the_one_of_the_library() -> None:
    from prometheus_client import REGISTRY

    assert MetricsCallback().registry is REGISTRY


# -- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("callback", [TimingCallback(7), ProgressCallback(1.0, 2.0), LoggingCallback("x", 10, 20)])
def test_a_copy_for_another_process_has_the_settings_and_nothing_else(callback) -> None:
    pipeline = plain(callback)
    callback.before_execution(pipeline, [1])
    other = pickle.loads(pickle.dumps(callback))
    callback.after_execution(pipeline, [1], None)
    assert {name: getattr(other, name) for name in callback.settings} == {
        name: getattr(callback, name) for name in callback.settings
    }
    assert SequentialRunner().run(plain(other), 1) == 4


def test_they_are_where_the_documentation_says() -> None:
    import chariots.callbacks
    import chariots.pipelines.callbacks as home

    for name in ("TimingCallback", "ProgressCallback", "LoggingCallback", "MetricsCallback"):
        assert getattr(home, name) is getattr(chariots.callbacks, name)
        assert name in dir(home)
