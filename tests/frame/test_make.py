"""Does `make` help a person whose machine is not ready?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.frame.tree import ROOT

SCRIPT = ROOT / "tools" / "make_venv.sh"


def make_venv(python: str, folder: Path, path: str) -> subprocess.CompletedProcess[str]:
    """Asks for an environment on a machine with only these programs."""
    return subprocess.run(
        ["/bin/sh", SCRIPT, python, folder],
        env={"PATH": path, "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def program(folder: Path, name: str, script: str) -> Path:
    """Writes an executable shell script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs that is all there is on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def test_an_old_python_is_refused_with_a_way_out(machine: Path, tmp_path: Path) -> None:
    program(machine, "python3", 'case "$1" in --version) echo "Python 3.9.2" ;; *) exit 1 ;; esac')
    tried = make_venv("python3", tmp_path / "venv", path=str(machine))
    assert tried.returncode == 1
    assert "needs Python 3.11 or later; there is Python 3.9.2." in tried.stderr
    assert "make PYTHON=" in tried.stderr


def test_no_python_at_all_is_refused_with_a_way_out(machine: Path, tmp_path: Path) -> None:
    tried = make_venv("python3", tmp_path / "venv", path=str(machine))
    assert tried.returncode == 1
    assert "there is no 'python3' on this machine" in tried.stderr


def test_a_newer_python_beside_an_old_one_is_found(machine: Path, tmp_path: Path) -> None:
    program(machine, "python3", "exit 1")
    program(machine, "python3.11", f'exec "{sys.executable}" "$@"')
    made = make_venv("python3", tmp_path / "venv", path=f"{machine}:/usr/bin:/bin")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "venv" / "bin" / "python").exists()


def test_a_missing_venv_module_is_named_and_leaves_nothing_behind(machine: Path, tmp_path: Path) -> None:
    program(machine, "python3", 'case "$1" in -m) mkdir -p "$3"; exit 1 ;; *) exit 0 ;; esac')
    tried = make_venv("python3", tmp_path / "venv", path=f"{machine}:/usr/bin:/bin")
    assert tried.returncode == 1
    assert "python3-venv" in tried.stderr
    assert not (tmp_path / "venv").exists()


def test_the_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    helped = subprocess.run(["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True).stdout
    assert [target for target in phony.split() if not re.search(rf"^  make {target} ", helped, re.MULTILINE)] == []
