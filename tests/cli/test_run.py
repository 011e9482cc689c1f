"""Does `chariots run` run a pipeline of an app here, and say what it did?"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Typed = Callable[..., "subprocess.CompletedProcess[str]"]

APP = """
from chariots import Chariots, MLMode, Node, Pipeline
from chariots.ml.sklearn import SKUnsupervisedOp
from chariots.pipelines.ops import BaseOp
from sklearn.preprocessing import MinMaxScaler

class Clean(BaseOp):
    def execute(self, rows: list):
        return [row for row in rows if row is not None]

class Mean(BaseOp):
    def execute(self, rows):
        return sum(rows) / len(rows)

class Data(BaseOp):
    def execute(self):
        return [[0.0], [1.0], [2.0]]

class Scaler(SKUnsupervisedOp):
    model_class = MinMaxScaler

class Odd(BaseOp):
    def execute(self):
        return object()

mean = Pipeline([
    Node(Clean(), ["__pipeline_input__"], "clean", name="clean", cache=True),
    Node(Mean(), ["clean"], "__pipeline_output__", name="mean"),
], "mean")
train = Pipeline([Node(Data(), output_nodes="x"), Node(Scaler(MLMode.FIT), ["x"])], "train")
scale = Pipeline([Node(Scaler(MLMode.PREDICT), ["__pipeline_input__"], "__pipeline_output__")], "scale")
odd = Pipeline([Node(Odd(), output_nodes="__pipeline_output__")], "odd")
app = Chariots([mean, train, scale, odd], path="store", import_name="my_app")
"""


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    (tmp_path / "my_app.py").write_text(APP)

    def run(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "chariots", "run", *arguments]
        return subprocess.run(command, cwd=tmp_path, input=given, capture_output=True, text=True, check=False)

    return run


def test_a_pipeline_runs_and_its_output_is_printed(typed: Typed, tmp_path: Path) -> None:
    found = typed("my_app:app", "mean", "[1, null, 3]", "--cache-dir", "kept")
    assert (found.stdout, found.stderr, found.returncode) == ("2.0\n", "", 0)
    (tmp_path / "rows.json").write_text("[4, 6]")
    assert typed("my_app:app", "mean", "@rows.json", "--cache-dir", "kept").stdout == "5.0\n"
    assert typed("my_app:app", "mean", "-", "--cache-dir", "kept", given="[7]").stdout == "7.0\n"


def test_it_says_what_ran_and_why(typed: Typed) -> None:
    def explained(rows: str) -> dict[str, list[str]]:
        found = typed("my_app:app", "mean", rows, "--explain", "--cache-dir", "kept")
        return {line.split()[0]: line.split() for line in found.stderr.splitlines()[1:]}

    first, second, third = explained("[1, 3]"), explained("[1, 3]"), explained("[1, 4]")
    assert [said["clean"][1] for said in (first, second, third)] == ["ran", "cached", "ran"]
    assert " ".join(third["clean"]).endswith("input '__pipeline_input__' has changed")
    assert " ".join(second["mean"]).endswith("not asked to be cached")


def test_a_training_is_saved_and_found_by_the_next_run(typed: Typed) -> None:
    refused = typed("my_app:app", "scale", "[[1]]")
    assert refused.returncode == 1
    assert "must be loaded first" in refused.stderr
    assert typed("my_app:app", "train").returncode == 0
    assert typed("my_app:app", "scale", "[[1]]").stdout == "[[0.5]]\n"


@pytest.mark.parametrize("runner", ["sequential-runner", "thread-runner", "process-runner"])
def test_the_runner_is_chosen_for_the_call(typed: Typed, runner: str) -> None:
    assert typed("my_app:app", "mean", "[1, 3]", "--runner", runner, "--cache-dir", "kept").stdout == "2.0\n"


def test_a_run_is_drawn(typed: Typed, tmp_path: Path) -> None:
    assert typed("my_app:app", "mean", "[1]", "--draw", "run.svg", "--cache-dir", "kept").returncode == 0
    assert "clean" in (tmp_path / "run.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("my_app:app", "men", "[1]"), "Did you mean 'mean'?"),
        (("my_app:ap", "mean", "[1]"), "ap"),
        (("my_app:app", "mean", "[1"), "is not JSON"),
        (
            ("my_app:app", "mean", "[]"),
            "ZeroDivisionError: division by zero (raised in node 'mean'",
        ),
        (("my_app:app", "mean", "3"), "pipeline_input"),
        (("my_app:app", "odd"), "pipeline 'odd' ran, but its output cannot be printed"),
        (("my_app:app", "mean", "[1]", "--max-workers", "2"), "add --runner thread-runner"),
        (("my_app:app", "mean", "[1]", "--runner", "thred-runner"), "thread-runner"),
    ],
)
def test_what_goes_wrong_is_told_in_a_line(typed: Typed, arguments: tuple[str, ...], said: str) -> None:
    found = typed(*arguments)
    assert found.returncode in (1, 2)
    assert said in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr


def test_what_the_app_prints_is_not_the_output(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "my_app.py").write_text(APP + "print('the app is imported')\n")
    found = typed("my_app:app", "mean", "[1, 3]", "--cache-dir", "kept")
    assert (found.stdout, found.stderr) == ("2.0\n", "the app is imported\n")


def test_ctrl_c_stops_it_and_the_next_run_goes_on_from_the_cache(tmp_path: Path) -> None:
    slow = APP.replace(
        "return sum(rows)", "Path('waiting').touch(); time.sleep(600 * Path('slow').exists()); return sum(rows)"
    )
    (tmp_path / "my_app.py").write_text("import time\nfrom pathlib import Path\n" + slow)
    (tmp_path / "slow").touch()
    command = [
        sys.executable,
        "-m",
        "chariots",
        "run",
        "my_app:app",
        "mean",
        "[1, 3]",
        "--cache-dir",
        "kept",
        "--explain",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not (tmp_path / "waiting").exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate(timeout=60)
    assert (process.returncode, printed) == (130, "")
    assert "mean was stopped" in said and "Traceback" not in said
    (tmp_path / "slow").unlink()
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.stdout == "2.0\n"
    assert [line.split()[:2] for line in again.stderr.splitlines()[1:]] == [["clean", "cached"], ["mean", "ran"]]
