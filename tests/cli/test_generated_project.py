"""Does a project fresh from the template install, pass its tests, start, train and predict?"""

from __future__ import annotations

import json
import site
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from chariots.cli import main
from chariots.serving import PipelinesClient
from tests.cli.programs import REPOSITORY, chariots, run, started

SETOSA = [[5.1, 3.5, 1.4, 0.2]]


def made(folder: Path, **answers: str) -> Path:
    """Makes a project from answers."""
    (folder / "answers.json").write_text(json.dumps({"project_name": "flowers", **answers}))
    shown = CliRunner().invoke(main, ["new", "-c", str(folder / "answers.json"), "-o", str(folder)])
    assert shown.exit_code == 0, shown.output
    return folder / "flowers"


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """An environment of its own that sees this one's packages, so that nothing is fetched."""
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin/python"
    packages = subprocess.run(
        [str(python), "-c", "import site; print(site.getsitepackages()[0])"], check=True, capture_output=True, text=True
    ).stdout.strip()
    (Path(packages) / "shared.pth").write_text("\n".join([str(REPOSITORY), *site.getsitepackages()]) + "\n")
    return environment / "bin"


@pytest.fixture
def installed(tmp_path: Path, bin_folder: Path) -> Callable[..., Path]:
    """Makes a project from answers, and installs it."""

    def install(**answers: str) -> Path:
        project = made(tmp_path, **answers)
        pip = [bin_folder / "python", "-m", "pip", "--disable-pip-version-check", "install", "--no-index"]
        shown = run([*pip, "--no-deps", "--no-build-isolation", "--editable", "."], project)
        assert shown.returncode == 0, shown.stdout + shown.stderr
        return project

    return install


def test_the_iris_project_trains_serves_and_predicts(
    installed: Callable[..., Path], bin_folder: Path, tmp_path: Path
) -> None:
    project = installed(use_iris_example="y")
    tested = run(["make", "test", f"PYTHON={bin_folder / 'python'}"], project)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "6 passed" in tested.stdout
    assert "warning" not in tested.stdout

    trained = run([bin_folder / "flowers", "download_and_train"], project)
    assert trained.returncode == 0, trained.stderr
    assert (project / "flowers_local/db.sqlite").is_file()
    with started([bin_folder / "flowers", "start", "--port", "0"], tmp_path) as (url, _):
        assert PipelinesClient(url).call_pipeline("pred_iris", SETOSA).value == [0]
        before = PipelinesClient(url).pipeline_versions("pred_iris")
        again = run([bin_folder / "flowers", "download_and_train", "--url", url], project)
        assert again.returncode == 0, again.stderr
        after = PipelinesClient(url).pipeline_versions("pred_iris")
        assert after["irisrf"] > before["irisrf"]
        assert chariots(tmp_path, "call", "pred_iris", json.dumps(SETOSA), "--url", url).stdout == "[0]\n"


def test_the_empty_project_tests_starts_and_builds_its_documentation(
    installed: Callable[..., Path], bin_folder: Path, tmp_path: Path
) -> None:
    project = installed(open_source_license="ISC license")
    python = f"PYTHON={bin_folder / 'python'}"
    tested = run(["make", "test", python], project)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "3 passed" in tested.stdout
    built = run(["make", "docs", python, "SPHINXOPTS=-W -q"], project)
    assert built.returncode == 0, built.stdout + built.stderr
    assert (project / "docs/_build/html/index.html").is_file()
    with started([bin_folder / "flowers", "start", "--port", "0"], tmp_path) as (url, _):
        listed = PipelinesClient(url).send("GET", "/available_pipelines")
        assert (listed.status, listed.json()) == (200, [])
    cleaned = run(["make", "clean", python], project)
    assert cleaned.returncode == 0, cleaned.stderr
    assert not (project / "docs/_build").exists()


def test_the_iris_project_without_a_command_builds_its_documentation(tmp_path: Path) -> None:
    project = made(tmp_path, use_cli="n", use_iris_example="y")
    built = run(["make", "docs", f"PYTHON={sys.executable}", "SPHINXOPTS=-W -q"], project)
    assert built.returncode == 0, built.stdout + built.stderr
    assert "DownloadIris" in (project / "docs/_build/html/modules.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["y", "n"])
@pytest.mark.parametrize("iris", ["y", "n"])
def test_every_kind_of_project_is_in_good_style(tmp_path: Path, command: str, iris: str) -> None:
    project = made(tmp_path, use_cli=command, use_iris_example=iris)
    linted = run(["make", "lint", f"PYTHON={sys.executable}"], project)
    assert linted.returncode == 0, linted.stdout + linted.stderr
