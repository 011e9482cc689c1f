"""Does ``chariots check`` answer, before a merge, what a change does to what is trained and live?"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.checking.project import train, write_project
from tests.cli.programs import CHARIOTS, chariots, started

SERVE = [*CHARIOTS, "op-store", "serve", "--path", "store", "--port", "0"]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A served store in which the first edition of the project is trained and live: its URL and its folder."""
    folder = tmp_path_factory.mktemp("live")
    with started(SERVE, folder) as (url, _):
        train(write_project(folder / "first"), url)
        yield url, folder


def check(
    folder: Path, against: str | Path, *options: str, app: str = "shop.app:app", **variables: str
) -> subprocess.CompletedProcess[str]:
    return chariots(folder, "check", app, "--against", str(against), *options, **variables)


def facts(folder: Path) -> list[str]:
    """Everything that the database of the store in a folder holds."""
    with closing(sqlite3.connect(folder / "store/db.sqlite")) as connection:
        return list(connection.iterdump())


def test_the_code_that_was_trained_is_harmless(tmp_path: Path, live: tuple[str, Path]) -> None:
    before = facts(live[1])
    shown = check(write_project(tmp_path / "same"), live[0])
    assert (shown.returncode, shown.stderr) == (0, "the shop opens\n")
    assert "Harmless" in shown.stdout
    assert "predict: goes on with what it serves" in shown.stdout
    assert "unchanged: texts, clean, embedding, intent" in shown.stdout
    assert facts(live[1]) == before


def test_a_changed_field_that_breaks_live_models_says_what_to_train_in_which_order(
    tmp_path: Path, live: tuple[str, Path]
) -> None:
    folder = write_project(tmp_path / "next", ops=('"dimensions": 128', '"dimensions": 256'))
    shown = check(folder, live[0], "--markdown", "comment.md", "--svg", "check.svg", "--json", "check.json")
    assert shown.returncode == 1
    tree = shown.stdout
    assert "predict would refuse to load" in tree
    assert "parameters.dimensions: 128 -> 256 (major)" in tree
    assert "1. run and save train_embedding (trains embedding)" in tree
    assert "2. load, run and save train_intent (trains intent)" in tree
    assert "then load predict" in tree

    comment = (folder / "comment.md").read_text()
    assert comment.startswith("<!-- chariots check -->\n\n### :x: chariots check\n")
    assert "`parameters.dimensions: 128 -> 256 (major)`" in comment

    picture = ElementTree.parse(folder / "check.svg").getroot()
    broken = [group.findtext("{*}title") for group in picture.findall(".//{*}g[@class='broken']")]
    assert "intent was not trained with this embedding" in broken

    found = json.loads((folder / "check.json").read_text())
    assert found["harmless"] is False
    assert [step["pipeline"] for step in found["steps"]] == ["train_embedding", "train_intent"]
    state = {pipeline["name"]: pipeline["state"] for pipeline in found["pipelines"]}
    assert state["predict"] == "refuses"


def test_a_minor_change_is_shown_and_harmless(tmp_path: Path, live: tuple[str, Path]) -> None:
    shown = check(write_project(tmp_path / "next", ops=('"slow"', '"fast"')), live[0])
    assert shown.returncode == 0
    assert "embedding: changed (minor), harmless" in shown.stdout
    assert "speed: 'slow' -> 'fast' (minor)" in shown.stdout


def test_code_that_moved_without_a_bump_warns_and_counts_only_when_strict(
    tmp_path: Path, live: tuple[str, Path]
) -> None:
    folder = write_project(tmp_path / "next", helpers=("text * 1.0", "text * 2.0"))
    shown = check(folder, live[0])
    assert shown.returncode == 0
    assert "clean: code moved, nothing bumped" in shown.stdout
    assert "The code of 'clean' is not what it was" in shown.stdout
    assert check(folder, live[0], "--strict").returncode == 1


def test_plain_code_upstream_of_a_live_model_counts(tmp_path: Path, live: tuple[str, Path]) -> None:
    shown = check(write_project(tmp_path / "next", ops=("VersionedField(100,", "VersionedField(50,")), live[0])
    assert shown.returncode == 1
    assert "limit: 100 -> 50 (major)" in shown.stdout
    assert "1. run and save train_embedding" in shown.stdout


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, live: tuple[str, Path]) -> None:
    folder = write_project(tmp_path / "next")
    shown = check(folder, live[0], "--svg", "none/pipelines.svg")
    assert shown.returncode == 2
    assert "the report was to be written to none/pipelines.svg, and the file system refused" in shown.stderr


def test_json_on_standard_output_is_nothing_but_json(tmp_path: Path, live: tuple[str, Path]) -> None:
    shown = check(write_project(tmp_path / "same"), live[0], "--json", "-")
    assert json.loads(shown.stdout)["harmless"] is True


def test_a_terminal_that_lacks_a_letter_does_not_change_the_outcome(tmp_path: Path, live: tuple[str, Path]) -> None:
    folder = write_project(tmp_path / "next", ops=('"slow"', '"schön"'))
    shown = check(folder, live[0], PYTHONIOENCODING="ascii")
    assert shown.returncode == 0
    assert "speed: 'slow' -> 'sch\\xf6n' (minor)" in shown.stdout


def test_a_folder_is_checked_without_being_changed(tmp_path: Path, live: tuple[str, Path]) -> None:
    shutil.copytree(live[1] / "store", tmp_path / "store")
    before = facts(tmp_path)
    folder = write_project(tmp_path / "next", ops=("VersionedField(2,", "VersionedField(3,"))
    shown = check(folder, tmp_path / "store")
    assert shown.returncode == 1
    assert "1. load, run and save train_intent (trains intent)" not in shown.stdout
    assert "1. run and save train_intent (trains intent)" in shown.stdout
    assert facts(tmp_path) == before


def test_one_pipeline_can_be_judged_alone(tmp_path: Path, live: tuple[str, Path]) -> None:
    folder = write_project(tmp_path / "next", ops=('"dimensions": 128', '"dimensions": 256'))
    assert check(folder, live[0], "--pipeline", "train_embedding").returncode == 0
    unknown = check(folder, live[0], "--pipeline", "predicts")
    assert unknown.returncode == 2
    assert "Did you mean 'predict'?" in unknown.stderr


@pytest.mark.parametrize(
    ("against", "edit", "said"),
    [
        ("http://127.0.0.1:9", ("", ""), "127.0.0.1:9"),
        ("nowhere", ("", ""), "the store in the folder nowhere was asked for, and there is no such folder"),
        ("ftp://store", ("", ""), "only stores at http:// and https:// and folders can be"),
        ("shop", ("", ""), "it holds no db.sqlite"),
        ("URL", ("pipelines = [", "import sys; sys.exit(0); pipelines = ["), "sys.exit(0)"),
        ("URL", ("pipelines = [", "raise KeyError('x'); pipelines = ["), "KeyError"),
        ("URL", ("pipelines = [", "pipelines = [("), "SyntaxError"),
    ],
)
def test_what_cannot_be_checked_is_told_apart_from_what_is_refused(
    tmp_path: Path, live: tuple[str, Path], against: str, edit: tuple[str, str], said: str
) -> None:
    folder = write_project(tmp_path / "next", app=edit)
    shown = check(folder, live[0] if against == "URL" else against)
    assert shown.returncode == 2, shown.stdout + shown.stderr
    assert said in shown.stderr
    assert "shop.app:app could not be checked" in shown.stderr
    assert shown.stdout == ""
