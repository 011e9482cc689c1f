"""Can a running server be called, looked at, saved and loaded from a terminal?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sklearn.preprocessing import MinMaxScaler

from chariots.cli import main
from chariots.ml import MLMode
from chariots.ml.sklearn import SKUnsupervisedOp
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.serving import Chariots
from tests.wsgi_server import wsgi_server

Typed = Callable[..., Result]


class IsOdd(BaseOp):
    def execute(self, number: int) -> bool:
        return bool(number % 2)


class Hello(BaseOp):
    def execute(self) -> dict[str, str]:
        return {"greeting": "schön"}


class Failing(BaseOp):
    def execute(self, number: int) -> float:
        return number / 0


class Data(BaseOp):
    def execute(self) -> list[list[float]]:
        return [[0.0], [1.0], [2.0]]


class Scaler(SKUnsupervisedOp):
    model_class = MinMaxScaler


def alone(op: BaseOp, name: str) -> Pipeline:
    return Pipeline([Node(op, ["__pipeline_input__"], "__pipeline_output__")], name)


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    """Types a command, with the address of a real server in CHARIOTS_URL."""
    pipelines = [
        alone(IsOdd(), "is_odd"),
        alone(Failing(), "failing"),
        Pipeline([Node(Hello(), output_nodes="__pipeline_output__")], "hello"),
        Pipeline([Node(Data(), output_nodes="x"), Node(Scaler(MLMode.FIT), ["x"])], "train"),
        alone(Scaler(MLMode.PREDICT), "scale"),
    ]
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, given: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=given)

    with wsgi_server(Chariots(pipelines, tmp_path / "store")) as url:
        monkeypatch.setenv("CHARIOTS_URL", url)
        yield run


def test_the_output_is_json_on_one_line(typed: Typed) -> None:
    shown = typed("call", "is_odd", "3")
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, "true\n", "")
    assert typed("call", "hello").stdout == '{"greeting": "schön"}\n'


def test_the_input_comes_from_a_file_or_from_standard_input(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "four.json").write_text("4")
    assert typed("call", "is_odd", "@four.json").stdout == "false\n"
    assert typed("call", "is_odd", "-", given="5\n").stdout == "true\n"


def test_the_versions_come_along_when_asked_for(typed: Typed) -> None:
    answer = json.loads(typed("call", "is_odd", "3", "--full").stdout)
    assert answer["pipeline_output"] is True
    assert list(answer["versions"]) == ["isodd"]
    assert answer["job_status"] == "done"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("[1", "the input is not JSON"),
        ("word", """text like '"word"'"""),
        ("@absent.json", "absent.json, and it cannot be read: No such file"),
    ],
)
def test_an_input_that_cannot_be_read_is_a_usage_error(typed: Typed, given: str, told: str) -> None:
    shown = typed("call", "is_odd", given)
    assert shown.exit_code == 2
    assert told in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("call", "is_od", "3"), "Did you mean 'is_odd'?"),
        (("call", "is_odd", '"three"'), "pipeline_input"),
        (("call", "is_odd", "3", "--worker"), "worker"),
        (("call", "scale", "[[1]]"), "must be loaded first"),
        (("load", "scale"), "never trained and saved"),
        (("versions", "is_od"), "Did you mean 'is_odd'?"),
    ],
)
def test_what_the_server_refuses_is_told_without_a_traceback(
    typed: Typed, arguments: tuple[str, ...], told: str
) -> None:
    shown = typed(*arguments)
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert shown.stderr.startswith("Error: ")
    assert told in shown.stderr
    assert "Traceback" not in shown.stderr


def test_an_op_that_failed_shows_the_stack_of_the_server(typed: Typed) -> None:
    shown = typed("call", "failing", "3")
    assert shown.exit_code == 1
    assert "ZeroDivisionError" in shown.stderr.splitlines()[0]
    assert "The stack on the server:" in shown.stderr
    assert "return number / 0" in shown.stderr


def test_nobody_at_the_address_is_told(typed: Typed) -> None:
    shown = typed("call", "is_odd", "3", "--url", "http://127.0.0.1:1")
    assert shown.exit_code == 1
    assert "http://127.0.0.1:1" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_what_was_trained_can_be_saved_loaded_and_called(typed: Typed) -> None:
    assert typed("call", "train").stdout == "null\n"
    assert "train is saved in the op store" in typed("save", "train").stdout
    assert "scale is loaded" in typed("load", "scale").stdout
    assert typed("call", "scale", "[[1.0]]").stdout == "[[0.5]]\n"


def test_the_versions_are_shown_as_a_table(typed: Typed) -> None:
    heading, row = typed("versions", "scale").stdout.splitlines()
    assert heading.split() == ["node", "major", "minor", "patch", "created"]
    assert row.split()[0] == "scaler"
    assert [len(part) for part in row.split()[1:4]] == [8, 8, 8]
