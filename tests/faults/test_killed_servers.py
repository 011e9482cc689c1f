"""What is left after a server was killed in the middle of its work? Something whole that serves at once."""

from __future__ import annotations

import json
import shutil
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.faults.counting import counted, rounds
from tests.frame.serving import flask_run
from tests.frame.tree import ROOT

ROUNDS = rounds(20)
FLOWER = [[5.1, 3.5, 1.4, 0.2]]
MILLISECOND = 0.001


def post(url: str, body: object = None) -> Any:
    """Posts JSON and returns what the answer holds."""
    request = urllib.request.Request(url, json.dumps(body or {}).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def predict(url: str) -> Any:
    """Asks for the species of one flower, and in which versions."""
    answer = post(f"{url}/pipelines/pred_iris/main", {"pipeline_input": FLOWER})
    return answer["pipeline_output"], answer["versions"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The iris example, trained, saved and loaded once."""
    root = tmp_path_factory.mktemp("trained")
    folder = Path(shutil.copytree(ROOT / "examples" / "iris", root / "iris"))
    with flask_run(folder, log=root / "server.log") as (url, _):
        post(f"{url}/pipelines/train_iris/main")
        post(f"{url}/pipelines/train_iris/save")
        post(f"{url}/pipelines/pred_iris/load")
    return folder


@pytest.fixture
def iris(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained example, to do harm to."""
    return Path(shutil.copytree(trained, tmp_path / "iris"))


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_save_that_was_cut_short_is_there_as_a_whole_or_not_at_all(iris: Path, tmp_path: Path, number: int) -> None:
    with counted("kill -9 of a pipelines server that saves what it trained"):
        with flask_run(iris, log=tmp_path / "before.log") as (url, server):
            _, old = predict(url)
            trained = post(f"{url}/pipelines/train_iris/main")["versions"]
            new = {node: trained[node] for node in old}
            saving = threading.Thread(target=_ignore_the_cut, args=(f"{url}/pipelines/train_iris/save",))
            saving.start()
            saving.join(timeout=3 * number * MILLISECOND)  # a different moment in every round
            server.kill()
            saving.join()
        with flask_run(iris, log=tmp_path / "after.log") as (url, _):
            assert predict(url) == ([0], old)
            post(f"{url}/pipelines/pred_iris/load")
            value, versions = predict(url)
        assert value == [0]
        assert versions in (old, new)


def test_two_servers_share_one_store_and_survive_each_other(iris: Path, tmp_path: Path) -> None:
    with flask_run(iris, log=tmp_path / "second.log") as (second, _):
        with flask_run(iris, log=tmp_path / "first.log") as (first, server):
            trained = post(f"{first}/pipelines/train_iris/main")["versions"]
            post(f"{first}/pipelines/train_iris/save")
            server.kill()
        post(f"{second}/pipelines/pred_iris/load")
        value, versions = predict(second)
    assert value == [0]
    assert versions == {node: trained[node] for node in versions}


def _ignore_the_cut(url: str) -> None:
    try:
        post(url)
    except (OSError, urllib.error.URLError, ValueError):
        return  # the server was killed while it answered, which is what this test is about
