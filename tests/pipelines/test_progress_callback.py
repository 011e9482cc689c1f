"""Is the progress of long runs shown, in a terminal, in a notebook and in a log, and that of short ones not?"""

from __future__ import annotations

import io
import sys
import threading
import time
from types import ModuleType, SimpleNamespace
from xml.etree import ElementTree

import pytest

from chariots.pipelines import Pipeline, progress
from chariots.pipelines.callbacks import ProgressCallback
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.progress_screens import LineScreen
from chariots.pipelines.reporting import is_wanted, reporting_to
from chariots.pipelines.runners import SequentialRunner, ThreadRunner
from tests.pipelines.sample_ops import AddOne, Double, Fail

IN, OUT = "__pipeline_input__", "__pipeline_output__"
LONG = 3600.0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Look(BaseOp):
    """Says how far it is, and has somebody look."""

    def __init__(self, callback: ProgressCallback | None = None) -> None:
        super().__init__()
        self.callback = callback

    def execute(self, value):
        progress(3, 4, "digging")
        if self.callback is not None:
            self.callback.look()
        return value


def watched(callback: ProgressCallback, *ops: BaseOp, name: str = "slow") -> Pipeline:
    values = [IN, *(f"v{number}" for number in range(len(ops) - 1)), OUT]
    nodes = [Node(op, [values[n]], values[n + 1], name=f"step {n}") for n, op in enumerate(ops)]
    return Pipeline(nodes, name, pipeline_callbacks=[callback])


def test_a_short_run_shows_nothing() -> None:
    file = Terminal()
    callback = ProgressCallback(after=LONG, file=file)
    assert SequentialRunner().run(watched(callback, AddOne(), Look(callback), Double()), 1) == 4
    assert file.getvalue() == ""


def test_a_log_gets_a_line_and_how_it_ended() -> None:
    file = io.StringIO()
    callback = ProgressCallback(after=0, every=LONG, file=file)
    callback._looks = True  # nobody looks but the op
    SequentialRunner().run(watched(callback, AddOne(), Look(callback), Look(callback), Double()), 1)
    lines = file.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("slow: 1/4 nodes, 44%, ")
    assert lines[0].endswith(", step 1: digging 3/4")
    assert lines[1].startswith("slow: ran, ")
    assert lines[1].endswith(", 4 of 4 nodes")


def test_lines_come_as_often_as_was_asked() -> None:
    file, now = io.StringIO(), [0.0]
    screen = LineScreen(file, 10.0, lambda: now[0])
    callback = ProgressCallback(after=LONG)
    pipeline = watched(callback, AddOne())
    callback.before_execution(pipeline, [1])
    shown = next(iter(callback._shown.values()))
    for moment in (0.0, 5.0, 9.9, 10.0, 15.0, 20.0):
        now[0] = moment
        screen.show([shown])
    assert len(file.getvalue().splitlines()) == 3
    callback.after_execution(pipeline, [1], 2)


def test_somebody_looks_by_himself_while_a_node_takes_long() -> None:
    written = threading.Event()

    class File(io.StringIO):
        def write(self, text: str) -> int:
            written.set()
            return super().write(text)

    class Wait(BaseOp):
        def execute(self, value):
            assert written.wait(30)
            return value

    file = File()
    SequentialRunner().run(watched(ProgressCallback(after=0.01, file=file), Wait()), 1)
    assert file.getvalue().startswith("slow: 0/1 nodes, 0%, ")


def test_a_terminal_gets_bars_and_is_given_back() -> None:
    file = Terminal()
    callback = ProgressCallback(after=0, file=file)
    SequentialRunner().run(watched(callback, AddOne(), Look(callback)), 1)
    shown = file.getvalue()
    assert "slow" in shown
    assert "digging 3/4" in shown
    assert "100%" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor


@pytest.mark.parametrize("make", [SequentialRunner, lambda: ThreadRunner(2)])
def test_a_failed_run_gives_the_terminal_back(make) -> None:
    file = Terminal()
    callback = ProgressCallback(after=0, file=file)
    with make() as runner, pytest.raises(ZeroDivisionError):
        runner.run(watched(callback, Look(callback), Fail()), 1)
    assert "failed: ZeroDivisionError" in file.getvalue()
    assert file.getvalue().count("\x1b[?25h") == 1


def test_names_are_no_markup() -> None:
    file = Terminal()
    callback = ProgressCallback(after=0, file=file)
    SequentialRunner().run(watched(callback, Look(callback), name="[red]\x1bname"), 1)
    assert "[red]\ufffdname" in file.getvalue()


@pytest.mark.parametrize("make", [SequentialRunner, lambda: ThreadRunner(2)])
def test_what_ops_say_goes_on_to_who_heard_it_before(make) -> None:
    heard = []
    callback = ProgressCallback(after=LONG)
    with make() as runner, reporting_to(lambda *said: heard.append(said)):
        runner.run(watched(callback, Look()), 1)
        progress(1, 2, "afterwards")
    assert heard == [(3, 4, "digging"), (1, 2, "afterwards")]
    assert not is_wanted()


def test_nobody_listens_any_more_when_a_run_has_failed() -> None:
    callback = ProgressCallback(after=LONG)
    with pytest.raises(ZeroDivisionError):
        SequentialRunner().run(watched(callback, Fail()), 1)
    assert not is_wanted()
    assert callback._shown == {}


def test_runs_of_several_threads_each_have_a_bar() -> None:
    file, barrier = io.StringIO(), threading.Barrier(3)
    callback = ProgressCallback(after=0, every=LONG, file=file)

    class Meet(BaseOp):
        def execute(self, value):
            barrier.wait(30)
            if value == 0:
                callback.look()
            barrier.wait(30)
            return value

    pipelines = [watched(callback, Meet(), name=f"run {number}") for number in range(3)]
    threads = [threading.Thread(target=SequentialRunner().run, args=(one, n)) for n, one in enumerate(pipelines)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    lines = file.getvalue().splitlines()
    for number in range(3):
        assert sum(line.startswith(f"run {number}: 0/1") for line in lines) == 1
        assert sum(line.startswith(f"run {number}: ran, ") for line in lines) == 1


def test_a_notebook_gets_bars_as_html(monkeypatch) -> None:
    updates: list[str] = []
    handle = SimpleNamespace(update=lambda html: updates.append(html.data))
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    fake, shown = ModuleType("IPython"), ModuleType("IPython.display")
    fake.get_ipython = lambda: shell  # type: ignore[attr-defined]
    shown.HTML = lambda data: SimpleNamespace(data=data)  # type: ignore[attr-defined]
    shown.display = lambda html, display_id: handle  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    callback = ProgressCallback(after=0)
    SequentialRunner().run(watched(callback, AddOne(), Look(callback), name="<b>&"), 1)
    assert "step 1: digging 3/4" in "".join(updates)
    for update in updates:
        ElementTree.fromstring(f"<div>{update}</div>")
    assert "100%" in updates[-1]
    assert "<b>" not in updates[-1]


def test_the_thread_that_looks_goes_when_nothing_runs() -> None:
    callback = ProgressCallback(after=0, file=io.StringIO())
    SequentialRunner().run(watched(callback, AddOne()), 1)
    deadline = time.monotonic() + 30
    while callback._looks and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not callback._looks


@pytest.mark.parametrize("given", [{"after": -1}, {"every": 0}, {"after": float("nan")}])
def test_seconds_that_cannot_be_are_refused(given) -> None:
    with pytest.raises(ValueError, match="give a number of seconds"):
        ProgressCallback(**given)
