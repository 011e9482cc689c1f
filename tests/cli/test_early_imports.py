"""Do the processes of a server share what is the same in all of them, and nothing else?"""

from __future__ import annotations

import importlib
import json
import sys
import urllib.request
from pathlib import Path

import pytest

from chariots.cli import early_imports, serve
from tests.cli.programs import CHARIOTS, started

APP = """
import sys
NAMES = ("sklearn.decomposition", "my_ops", "chariots.ml.keras", "chariots.workers.in_sql.store", "alembic")
WAS_THERE = {name: name in sys.modules for name in NAMES}
import os
import numpy
from my_ops import PCA
from chariots.pipelines import Pipeline, PipelinesServer
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp


def keras():
    import chariots.ml.keras


class Tell(BaseOp):
    def execute(self) -> dict:
        return {"pid": os.getpid(), "number": float(numpy.random.random()), **WAS_THERE}


app = PipelinesServer([Pipeline([Node(Tell(), [], "__pipeline_output__")], "tell")], import_name="my_app")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_app.py").write_text(APP)
    (tmp_path / "my_ops.py").write_text("from sklearn.decomposition import PCA\n")
    return tmp_path


def told(folder: Path, workers: int) -> list[dict[str, object]]:
    """What each process of a server says."""
    found: dict[object, dict[str, object]] = {}
    with started([*CHARIOTS, "serve", "my_app:app", "--port", "0", "--workers", str(workers)], folder) as (url, _):
        for _ in range(1000):
            if len(found) == workers:
                break
            request = urllib.request.Request(
                f"{url}/pipelines/tell/main", b"{}", {"Content-Type": "application/json", "Connection": "close"}
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                output = json.loads(answer.read())["pipeline_output"]
            found.setdefault(output["pid"], output)
    assert len(found) == workers
    return list(found.values())


def test_several_processes_share_libraries_and_run_the_code_of_the_user_each_for_itself(folder: Path) -> None:
    found = told(folder, 2)
    for output in found:
        assert output["sklearn.decomposition"]
        assert not output["my_ops"]
        assert not output["chariots.ml.keras"]  # whose backend starts threads
        assert output["chariots.workers.in_sql.store"]  # what every server needs, though the app does not name it
        assert not output["alembic"]  # what is needed where tables are to be made only
    assert found[0]["number"] != found[1]["number"]


def test_one_process_has_nothing_to_share(folder: Path) -> None:
    (output,) = told(folder, 1)
    assert not output["sklearn.decomposition"]


def imports_of(folder: Path, module: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    return set(early_imports._imported(module))


def test_imports_are_found_through_the_modules_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "mine"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('this is not to run')\n")
    (package / "app.py").write_text("from .deep import model\nfrom . import other\nimport mine.app\n")
    (package / "other.py").write_text("import pandas as pd, json\n")
    (package / "deep" / "__init__.py").write_text("from ..third import x\n")
    (package / "deep" / "model.py").write_text("def load():\n    from sklearn import svm\n")
    (package / "third.py").write_text("import broken\n")
    (tmp_path / "broken.py").write_text("import scipy\nthis is no Python\n")
    found = imports_of(tmp_path, "mine.app", monkeypatch)
    assert {"pandas", "sklearn.svm", "mine.third", "mine.other"} <= found
    assert "scipy" not in found


@pytest.mark.parametrize("module", ["no_such_module", "", "..", "a b", "mine/app"])
def test_what_cannot_be_found_is_left_to_whoever_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    assert imports_of(tmp_path, module, monkeypatch) == set()


def test_everything_that_every_server_needs_can_be_imported() -> None:
    for name in serve._OF_EVERY_SERVER:
        importlib.import_module(name)
