"""Does the workflow for GitHub Actions do what it says, step by step?"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from chariots.checking.markdown import MARKER
from tests.checking.editions import deploy, edition, train
from tests.checking.project import write_project
from tests.cli.programs import environment
from tests.frame.tree import ROOT
from tests.op_store.support import file_store

WORKFLOW = ROOT / "examples/github-actions/chariots-check.yml"

# Stands for GitHub's own program: keeps the comments of the pull request in files, and says what it was asked for.
GH = """#!/bin/sh
echo "$@" >> asked
method=GET body=
for word in "$@"; do
  case "$previous" in --method) method=$word ;; --field) body=${word#body=@} ;; esac
  previous=$word
done
case "$method" in
  GET) if [ -f posted.md ]; then echo 77; fi ;;
  POST) cp "$body" posted.md ;;
  PATCH) cp "$body" patched.md ;;
esac
"""


def workflow() -> Any:
    """The workflow, parsed. (YAML takes the key ``on`` for a truth value.)"""
    return yaml.safe_load(WORKFLOW.read_text())


def steps() -> dict[str, dict[str, Any]]:
    """The steps that have a name."""
    return {step["name"]: step for step in workflow()["jobs"]["check"]["steps"] if "name" in step}


def run(name: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the script of one step as a runner does."""
    (step,) = [step for title, step in steps().items() if title.startswith(name)]
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "gh").write_text(GH)
    (tools / "gh").chmod(0o755)
    (tools / "chariots").write_text('#!/bin/sh\nexec "$PYTHON" -m chariots "$@"\n')
    (tools / "chariots").chmod(0o755)
    given: Mapping[str, str] = {
        **environment(),
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        **variables,
    }
    assert set(step["env"]) <= {*variables, "CHARIOTS_OP_STORE_TOKEN"}
    script = folder / "step.sh"
    script.write_text(step["run"])
    return subprocess.run(
        ["bash", "-e", str(script)], cwd=folder, env=given, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of the project, and beside it a store that another edition of it was trained in."""
    store = file_store(tmp_path / "store").client()
    train(store, edition())
    deploy(store, edition())
    return write_project(tmp_path / "checkout")


def test_the_workflow_never_gives_a_secret_to_the_code_of_a_fork() -> None:
    found = workflow()
    assert found[True] == "pull_request"
    assert "head.repo.full_name == github.repository" in found["jobs"]["check"]["if"]
    assert found["permissions"] == {"contents": "read", "pull-requests": "write"}


def test_no_step_pastes_what_a_person_wrote_into_a_script() -> None:
    assert [step["run"] for step in workflow()["jobs"]["check"]["steps"] if "${{" in step.get("run", "")] == []


def test_the_check_step_keeps_the_exit_code_and_the_reports(checkout: Path) -> None:
    done = run("Hold", checkout, APP="shop.app:app", CHARIOTS_CHECK_AGAINST=str(checkout.parent / "store"))
    assert done.returncode == 0, done.stderr
    assert (checkout / "output").read_text() == "code=1\n"
    assert (checkout / "summary.md").read_text().startswith(MARKER)
    assert {path.name for path in (checkout / "chariots-check").iterdir()} == {
        "comment.md",
        "pipelines.svg",
        "report.json",
    }
    assert run("Fail", checkout, CODE="1").returncode == 1
    assert run("Fail", checkout, CODE="0").returncode == 0


def test_a_check_that_could_not_be_made_fails_the_job_without_a_comment(checkout: Path) -> None:
    done = run("Hold", checkout, APP="shop.app:app", CHARIOTS_CHECK_AGAINST=str(checkout.parent / "nowhere"))
    assert done.returncode == 0
    assert "could not be checked" in done.stderr
    assert (checkout / "output").read_text() == "code=2\n"
    assert list((checkout / "chariots-check").iterdir()) == []


def test_one_comment_is_written_and_then_kept_up_to_date(tmp_path: Path) -> None:
    (tmp_path / "chariots-check").mkdir()
    comment = tmp_path / "chariots-check/comment.md"
    about = {"GH_TOKEN": "t", "REPOSITORY": "me/shop", "NUMBER": "12"}
    comment.write_text(f"{MARKER}\nfirst\n")
    assert run("Write", tmp_path, **about).returncode == 0
    comment.write_text(f"{MARKER}\nsecond\n")
    assert run("Write", tmp_path, **about).returncode == 0
    assert (tmp_path / "posted.md").read_text() == f"{MARKER}\nfirst\n"
    assert (tmp_path / "patched.md").read_text() == f"{MARKER}\nsecond\n"
    asked = (tmp_path / "asked").read_text()
    assert MARKER in asked
    assert "repos/me/shop/issues/comments/77" in asked
