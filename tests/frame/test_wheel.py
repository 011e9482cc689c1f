"""Does the wheel carry everything, and does it work where nothing else of ours is?"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.frame.tree import ROOT, project_files

# `make test` keeps the wheels of what the core needs here, at the versions the other tests ran with.
WHEELS = Path(sys.prefix) / "wheels"
OPTIONAL = ["keras", "jax", "redis", "rq", "skops", "safetensors", "google.cloud.storage"]


def clean_environment() -> dict[str, str]:
    """The environment of a person who has just opened a terminal: nothing points at our checkout."""
    dropped = ("PYTHON", "VIRTUAL_ENV", "CHARIOTS", "FLASK", "KERAS", "COV")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)}


def run(*command: str | Path, cwd: Path) -> str:
    """Runs a command that has to succeed.

    Returns:
        what it printed.
    """
    environment = {**clean_environment(), "TMPDIR": str(cwd)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the project's files so that old build folders play no part."""
    source = tmp_path_factory.mktemp("source")
    for path in project_files():
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source, cwd=source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The files inside the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of an environment that was empty before the wheel was installed into it."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=True, symlinks=True)
    from_where = ["--no-index", f"--find-links={WHEELS}"] if WHEELS.is_dir() else []
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run(*pip, "--no-compile", *from_where, wheel, cwd=folder)
    return folder / "bin"


def test_the_wheel_carries_every_source_file(names: set[str]) -> None:
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in project_files()
        if path.is_relative_to(ROOT / "chariots") and path.suffix == ".py"
    }
    assert sources - names == set()


def test_the_wheel_carries_the_whole_template(names: set[str]) -> None:
    template = {
        f"chariots/{path.relative_to(ROOT).as_posix()}"
        for path in project_files()
        if path.is_relative_to(ROOT / "cookiecutter_template")
    }
    assert template
    assert template - names == set()


def test_the_wheel_carries_the_migrations(names: set[str]) -> None:
    folder = "chariots/op_store/migrations/"
    assert {f"{folder}env.py", f"{folder}script.py.mako"} <= names
    assert any(name.startswith(f"{folder}versions/0001") for name in names)


def test_the_wheel_says_that_it_is_typed_and_under_which_license(names: set[str]) -> None:
    assert "chariots/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_every_extra_that_a_text_names_exists(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        offered = set(re.findall(r"^Provides-Extra: (.+)$", archive.read(metadata).decode(), re.MULTILINE))
    named = {
        extra
        for path in project_files()
        if path.suffix in {".py", ".md", ".rst", ".txt"}
        for group in re.findall(r"\bchariots\[([a-z0-9,]+)\]", path.read_text(encoding="utf-8"))
        for extra in group.split(",")
    }
    assert named - offered == set()


def test_the_wheel_carries_nothing_else(names: set[str]) -> None:
    outside = {name for name in names if not name.startswith("chariots/") and ".dist-info/" not in name}
    assert outside == set()


def test_everything_the_installed_package_needs_came_with_it(environment: Path, tmp_path: Path) -> None:
    run(environment / "python", "-m", "pip", "--disable-pip-version-check", "check", cwd=tmp_path)


def test_the_core_installs_without_the_optional_parts(environment: Path, tmp_path: Path) -> None:
    code = (
        "import importlib.util as u, json\n"
        "def there(name):\n"
        "    parent = name.rpartition('.')[0]\n"
        "    return (not parent or there(parent)) and u.find_spec(name) is not None\n"
        f"print(json.dumps([name for name in {OPTIONAL!r} if there(name)]))"
    )
    assert json.loads(run(environment / "python", "-c", code, cwd=tmp_path)) == []


def test_the_installed_package_is_the_one_that_runs(environment: Path, tmp_path: Path) -> None:
    where = run(environment / "python", "-c", "import chariots; print(chariots.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(environment.parent)


def test_the_demo_runs_from_the_installed_package(environment: Path, tmp_path: Path) -> None:
    said = run(environment / "chariots", "demo", cwd=tmp_path)
    assert "predict" in said.lower()


def test_a_project_can_be_created_from_the_installed_package(environment: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({"project_name": "flowers", "use_git": "n", "use_iris_example": "y"}))
    run(environment / "chariots", "new", "-c", answers, cwd=tmp_path)
    assert (tmp_path / "flowers" / "flowers" / "app.py").is_file()
