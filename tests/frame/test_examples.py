"""Do the examples run, typed in and started the way their pages say?"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.frame.serving import flask_run, person_environment
from tests.frame.tree import ROOT


def run_python(*arguments: str, cwd: Path) -> str:
    """Runs Python as a person would in that folder, and returns what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=person_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def post(url: str, body: object) -> dict[str, object]:
    """Posts JSON without any help from chariots."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, object] = json.load(answer)
        return found


@pytest.fixture
def iris(tmp_path: Path) -> Path:
    """The iris tutorial, typed into a folder of its own."""
    return Path(shutil.copytree(ROOT / "examples" / "iris", tmp_path / "iris"))


@pytest.fixture
def bakery(tmp_path: Path) -> Path:
    """The bakery, in a folder of its own."""
    return Path(shutil.copytree(ROOT / "examples" / "bakery", tmp_path / "bakery"))


def test_the_iris_tutorial_trains_and_predicts_over_http(iris: Path, tmp_path: Path) -> None:
    with flask_run(iris, log=tmp_path / "server.log") as (url, _):
        said = run_python("predict.py", url, cwd=iris)
    assert said.startswith("species: [0, 2]\n")
    assert "irispca: <Version, major:" in said
    assert "irisrf: <Version, major:" in said


def test_the_iris_server_predicts_again_after_it_was_killed(iris: Path, tmp_path: Path) -> None:
    with flask_run(iris, log=tmp_path / "first.log") as (url, server):
        run_python("predict.py", url, cwd=iris)
        before = post(f"{url}/pipelines/pred_iris/main", {"pipeline_input": [[5.1, 3.5, 1.4, 0.2]]})
        os.kill(server.pid, signal.SIGKILL)
    with flask_run(iris, log=tmp_path / "second.log") as (url, _):
        after = post(f"{url}/pipelines/pred_iris/main", {"pipeline_input": [[5.1, 3.5, 1.4, 0.2]]})
    assert after["pipeline_output"] == before["pipeline_output"] == [0]
    assert after["versions"] == before["versions"]


def test_the_bakery_bakes_more_bread_on_a_saturday(bakery: Path) -> None:
    code = """
from datetime import date
from bakery import Journal, order, train_sales
from chariots.pipelines.runners import SequentialRunner
from chariots.testing import TestOpStoreClient
from bakery import Day
store = TestOpStoreClient("store")
SequentialRunner().run(train_sales)
train_sales.save(store)
friday, saturday = Day(date(2024, 6, 7), 15.0), Day(date(2024, 6, 8), 15.0)
today, tomorrow = SequentialRunner().run(order.load(store), [friday, saturday])
print(tomorrow["bread"] - today["bread"] > 20, tomorrow["cakes"] - today["cakes"] > 10)
"""
    assert run_python("-c", code, cwd=bakery) == "True True\n"


def test_the_bakery_answers_typed_json(bakery: Path, tmp_path: Path) -> None:
    with flask_run(bakery, log=tmp_path / "server.log") as (url, _):
        for step in ("train_sales/main", "train_sales/save", "order/load"):
            post(f"{url}/pipelines/{step}", {"pipeline_input": None})
        day = {"date": "2024-06-08", "temperature": 15, "holiday": False}
        answer = post(f"{url}/pipelines/order/main", {"pipeline_input": [day]})
    (found,) = answer["pipeline_output"]  # type: ignore[misc]
    assert found["date"] == "2024-06-08"
    assert found["bread"] > 80


def test_the_bakery_says_which_field_of_its_input_is_wrong(bakery: Path, tmp_path: Path) -> None:
    with flask_run(bakery, log=tmp_path / "server.log") as (url, _):
        for step in ("train_sales/main", "train_sales/save", "order/load"):
            post(f"{url}/pipelines/{step}", {"pipeline_input": None})
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(f"{url}/pipelines/order/main", {"pipeline_input": [{"date": "tomorrow", "temperature": 1}]})
        problem = json.load(refused.value)
    assert refused.value.code == 422
    assert "date" in problem["detail"]


def test_every_node_of_the_bakery_runs_once_and_in_an_order_that_works(bakery: Path) -> None:
    code = """
from bakery import Journal, train_sales
from chariots.pipelines import Pipeline
from chariots.pipelines.runners import SequentialRunner
journal = Journal()
SequentialRunner().run(Pipeline(train_sales.pipeline_nodes, "again", pipeline_callbacks=[journal]))
print(journal.nodes)
"""
    wanted = ["again/saleshistory", "again/features", "again/bread_sales", "again/cake_sales"]
    assert run_python("-c", code, cwd=bakery) == f"{wanted}\n"
