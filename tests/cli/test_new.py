"""Does a new project hold what its answers ask for, and are answers that cannot work refused?"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chariots import __version__
from chariots.cli import main

# A project can be made without git, so what it does with git is tested where there is one (on CI always).
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

ALWAYS = [
    "AUTHORS.rst",
    "LICENSE",
    "MANIFEST.in",
    "Makefile",
    "README.rst",
    "requirements.txt",
    "requirements_dev.txt",
    "setup.cfg",
    "setup.py",
    "docs/Makefile",
    "docs/authors.rst",
    "docs/conf.py",
    "docs/index.rst",
    "docs/installation.rst",
    "docs/make.bat",
    "docs/modules.rst",
    "notebooks/example_notebook.ipynb",
    "tests/test_server.py",
    "tests/test_flowers.py",
    "flowers/__init__.py",
    "flowers/app.py",
    "flowers/ops/__init__.py",
    "flowers/pipelines/__init__.py",
    "flowers/ops/data_ops/__init__.py",
    "flowers/ops/feature_ops/__init__.py",
    "flowers/ops/model_ops/__init__.py",
]
WITH_IRIS = [
    "flowers/ops/data_ops/download_iris.py",
    "flowers/ops/feature_ops/from_array.py",
    "flowers/ops/feature_ops/x_y_split.py",
    "flowers/ops/model_ops/iris_pca.py",
    "flowers/ops/model_ops/iris_rf.py",
    "flowers/pipelines/train_iris.py",
    "flowers/pipelines/pred_iris.py",
]


def made(folder: Path, **answers: object) -> Result:
    """Makes a project from answers in a file."""
    (folder / "answers.json").write_text(json.dumps({"project_name": "flowers", **answers}))
    return CliRunner().invoke(main, ["new", "-c", str(folder / "answers.json"), "-o", str(folder)])


def files(project: Path) -> set[str]:
    return {
        str(path.relative_to(project))
        for path in project.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(project).parts
    }


@needs_git
def test_the_defaults_make_a_project_with_a_command_and_a_repository(tmp_path: Path) -> None:
    shown = made(tmp_path)
    assert shown.exit_code == 0, shown.output
    assert files(tmp_path / "flowers") == {*ALWAYS, ".gitignore", "flowers/cli.py"}
    assert (tmp_path / "flowers/.git").is_dir()
    assert (tmp_path / "flowers/flowers_local/data").is_dir()
    assert (tmp_path / "flowers/flowers_local/ops").is_dir()


def test_the_iris_example_brings_ops_and_pipelines(tmp_path: Path) -> None:
    assert made(tmp_path, use_iris_example="y", use_git="n").exit_code == 0
    assert files(tmp_path / "flowers") == {*ALWAYS, *WITH_IRIS, "flowers/cli.py"}


def test_without_a_command_nothing_speaks_of_one(tmp_path: Path) -> None:
    shown = made(tmp_path, use_cli="n")
    project = tmp_path / "flowers"
    assert not (project / "flowers/cli.py").exists()
    assert "cli" not in (project / "setup.py").read_text()
    assert "chariots serve flowers.app:flowers_app" in shown.output
    assert "chariots serve flowers.app:flowers_app" in (project / "README.rst").read_text()


def test_without_git_on_the_machine_a_project_is_made_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    shown = made(tmp_path)
    assert shown.exit_code == 0, shown.output
    assert not (tmp_path / "flowers/.git").exists()
    assert (tmp_path / "flowers/setup.py").is_file()


def test_without_git_there_is_neither_repository_nor_gitignore(tmp_path: Path) -> None:
    made(tmp_path, use_git=False)
    assert not (tmp_path / "flowers/.git").exists()
    assert not (tmp_path / "flowers/.gitignore").exists()


@needs_git
@pytest.mark.parametrize(("answer", "ignored"), [("y", False), ("n", True)])
def test_notebooks_and_local_data_are_ignored_as_asked(tmp_path: Path, answer: str, ignored: bool) -> None:
    made(tmp_path, include_ipynb_in_git=answer)
    project = tmp_path / "flowers"
    (project / "flowers_local/data/secret.csv").write_text("a,b")
    seen = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert ("example_notebook.ipynb" not in seen) is ignored
    assert "secret.csv" not in seen
    assert "flowers/app.py" in seen


@needs_git
def test_no_repository_is_started_inside_another_one(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert made(tmp_path).exit_code == 0
    assert not (tmp_path / "flowers/.git").exists()
    assert (tmp_path / "flowers/.gitignore").exists()


@pytest.mark.parametrize(
    ("choice", "first", "identifier"),
    [
        ("MIT license", "MIT License", "MIT"),
        ("BSD license", "BSD 3-Clause License", "BSD-3-Clause"),
        ("ISC license", "ISC License", "ISC"),
        ("Apache Software License 2.0", "Apache License", "Apache-2.0"),
        ("GNU General Public License v3", "GNU GENERAL PUBLIC LICENSE", "GPL-3.0-only"),
        ("Not open source", "Copyright (c)", None),
    ],
)
def test_the_license_is_the_chosen_one(tmp_path: Path, choice: str, first: str, identifier: str | None) -> None:
    made(tmp_path, open_source_license=choice, use_git="n")
    project = tmp_path / "flowers"
    assert (project / "LICENSE").read_text().strip().startswith(first)
    setup = (project / "setup.py").read_text()
    assert (f'license="{identifier}"' in setup) if identifier else ("license=" not in setup)


def test_answers_are_taken_as_they_stand(tmp_path: Path) -> None:
    awkward = {
        "author": 'Zoë O\'Hara "Z" \\ {{x}} {% y %}',
        "author_email": "zoe@example.com",
        "project_short_description": 'It\'s "fine"\\n — ok',
    }
    assert made(tmp_path, use_git="n", **awkward).exit_code == 0
    project = tmp_path / "flowers"
    arguments = {
        keyword.arg: keyword.value.value
        for node in ast.walk(ast.parse((project / "setup.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if isinstance(keyword.value, ast.Constant)
    }
    assert arguments["author"] == awkward["author"]
    assert arguments["description"] == awkward["project_short_description"]
    assert awkward["author"] in (project / "AUTHORS.rst").read_text(encoding="utf-8")


@pytest.mark.parametrize("iris", ["y", "n"])
def test_every_file_is_what_its_name_says(tmp_path: Path, iris: str) -> None:
    made(tmp_path, use_iris_example=iris, use_git="n")
    project = tmp_path / "flowers"
    for path in project.rglob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"))
    notebook = json.loads((project / "notebooks/example_notebook.ipynb").read_text(encoding="utf-8"))
    assert [cell["cell_type"] for cell in notebook["cells"]] == ["markdown", "code", "code"]
    assert not [name for name in files(project) if "cookiecutter" in (project / name).read_text(encoding="utf-8")]


def test_the_project_asks_for_the_release_it_was_made_with(tmp_path: Path) -> None:
    made(tmp_path, use_git="n")
    assert f"chariots>={__version__}" in (tmp_path / "flowers/requirements.txt").read_text().splitlines()


def test_the_questions_are_asked_with_their_defaults(tmp_path: Path) -> None:
    answers = "\n".join(["flowers", *[""] * 8]) + "\n"
    shown = CliRunner().invoke(main, ["new", "-o", str(tmp_path)], input=answers)
    assert shown.exit_code == 0, shown.output
    assert "use_iris_example" in shown.output
    assert files(tmp_path / "flowers") == {*ALWAYS, ".gitignore", "flowers/cli.py"}


def test_no_input_takes_every_default(tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["new", "--no-input", "-o", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    assert (tmp_path / "iris/iris/app.py").exists()


@pytest.mark.parametrize("name", ["3x", "my-project", "../evil", "", "a b"])
def test_a_name_that_python_cannot_import_is_refused(tmp_path: Path, name: str) -> None:
    shown = made(tmp_path, project_name=name)
    assert shown.exit_code == 1
    assert f"names the project {name!r}, which Python cannot import" in shown.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["answers.json"]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"project_name": "class"}, "a word of Python itself"),
        ({"project_name": "docs"}, "there is a module of that name already"),
        ({"project_name": "json"}, "there is a module of that name already"),
        ({"use_cli": "perhaps"}, "use_cli was answered with 'perhaps'; answer y or n."),
    ],
)
def test_the_template_refuses_by_itself_what_cannot_work(
    tmp_path: Path, answers: dict[str, str], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shown = made(tmp_path, **answers)
    assert shown.exit_code == 1
    assert told in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["answers.json"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"project_nme": "x"}', "answers 'project_nme', which is no question. Did you mean 'project_name'?"),
        ('{"open_source_license": "MIT licence"}', "which is no choice. Did you mean 'MIT license'?"),
        ('{"author": 3}', "answers 'author' with 3; write text in quotes"),
        ("[]", "holds a list; write an object"),
        ("{", "is not JSON"),
    ],
)
def test_a_file_of_answers_that_makes_no_sense_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "answers.json").write_text(text)
    shown = CliRunner().invoke(main, ["new", "-c", str(tmp_path / "answers.json"), "-o", str(tmp_path)])
    assert shown.exit_code == 1
    assert told in shown.stderr


def test_a_project_is_never_written_over_another(tmp_path: Path) -> None:
    made(tmp_path)
    shown = made(tmp_path)
    assert shown.exit_code == 1
    assert "exists already" in shown.stderr
    assert (tmp_path / "flowers/setup.py").exists()


def test_nothing_is_written_into_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert made(tmp_path, use_git="n").exit_code == 0
    assert list(home.iterdir()) == []


def test_a_module_in_the_shared_temporary_folder_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    for name in ("keyword", "shutil", "subprocess", "pathlib"):
        (shared / f"{name}.py").write_text("raise SystemExit('taken for the standard library')\n")
    monkeypatch.setattr("tempfile.tempdir", str(shared))
    assert made(tmp_path).exit_code == 0
    assert (tmp_path / "flowers" / "setup.py").is_file()
