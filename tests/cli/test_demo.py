"""Does ``chariots demo`` show a whole life of a model, and leave nothing behind?"""

from __future__ import annotations

import signal
from pathlib import Path

from click.testing import CliRunner

from chariots.cli import main
from chariots.demo import create_app, pred_iris, train_iris
from chariots.serving import PipelinesClient
from chariots.testing import TestPipelinesClient
from tests.cli.programs import CHARIOTS, DEADLINE, chariots, started

STEPS = [
    "1. A server with two pipelines and its own op store",
    "2. Ask for a prediction before anything was trained",
    "3. Train: run the pipeline train_iris",
    "4. Save the trained ops, and load them into pred_iris",
    "5. Predict over HTTP",
    "6. Stop the server, start it again, predict without a load",
]


def test_it_trains_saves_loads_and_predicts_and_leaves_nothing_behind(tmp_path: Path) -> None:
    scratch, folder = tmp_path / "scratch", tmp_path / "here"
    scratch.mkdir()
    folder.mkdir()
    shown = chariots(folder, "demo", TMPDIR=str(scratch))
    assert (shown.returncode, shown.stderr) == (0, "")
    assert [line for line in shown.stdout.splitlines() if line in STEPS] == STEPS
    assert "refused: pipeline 'pred_iris' was called" in shown.stdout
    assert shown.stdout.count("[5.1, 3.5, 1.4, 0.2] is a setosa") == 2
    assert shown.stdout.count("[6.7, 3.0, 5.2, 2.3] is a virginica") == 2
    assert "What to look at next" in shown.stdout
    assert list(scratch.iterdir()) == []
    assert list(folder.iterdir()) == []


def test_in_a_folder_of_its_own_it_finds_what_an_earlier_run_trained(tmp_path: Path) -> None:
    earlier = TestPipelinesClient(create_app(tmp_path / ".demo"))
    earlier.call_pipeline(train_iris)
    earlier.save_pipeline(train_iris)
    earlier.load_pipeline(pred_iris)
    shown = CliRunner().invoke(main, ["demo", "--path", str(tmp_path / ".demo")])
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "an earlier run trained it already" in shown.stdout
    assert (tmp_path / ".demo/db.sqlite").is_file()


def test_it_goes_on_serving_when_asked_to_until_ctrl_c(tmp_path: Path) -> None:
    with started([*CHARIOTS, "demo", "--keep"], tmp_path, until="Ctrl-C stops it") as (_, process):
        url = (tmp_path / "server.log").read_text().rpartition("Serving at ")[2].split(". ")[0]
        assert PipelinesClient(url).call_pipeline("pred_iris", [[5.1, 3.5, 1.4, 0.2]]).value == ["setosa"]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=DEADLINE) == 0
