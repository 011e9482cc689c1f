"""Does a save know who saves, where, and with which code, whatever the surroundings?"""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from pathlib import Path

import pytest

from chariots.op_store import BaseOpStoreClient, origin
from chariots.op_store.origin import present_origin
from tests.op_store.support import save_pair


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found for another test does not stand for this one, nor does a repository around the tests."""
    monkeypatch.setattr(origin, "_remembered", {})
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)


def git(folder: Path, *arguments: str) -> str:
    """Runs git in a folder; returns what it says."""
    settings = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *settings, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "app.py").write_text("1\n")
    git(folder, "add", "app.py")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_the_user_and_the_machine_are_told() -> None:
    found = present_origin()
    assert (found.who, found.host) == (getpass.getuser(), socket.gethostname())


def test_the_commit_is_that_of_the_repository_around_a_folder(repository: Path) -> None:
    (repository / "deep").mkdir()
    assert present_origin(repository / "deep").git_commit == git(repository, "rev-parse", "HEAD")


def test_a_changed_file_makes_the_commit_dirty(repository: Path) -> None:
    (repository / "app.py").write_text("2\n")
    assert present_origin(repository).git_commit == git(repository, "rev-parse", "HEAD") + "-dirty"


def test_a_file_that_git_does_not_track_makes_nothing_dirty(repository: Path) -> None:
    (repository / "model.bin").write_bytes(b"1")
    assert present_origin(repository).git_commit == git(repository, "rev-parse", "HEAD")


def test_a_repository_without_commits_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert present_origin(tmp_path).git_commit is None


def test_outside_of_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert present_origin(tmp_path).git_commit is None


def test_where_git_is_not_installed_there_is_no_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert present_origin(repository).git_commit is None


def test_programs_that_a_repository_names_are_not_run(repository: Path, tmp_path: Path) -> None:
    marker, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(program))
    hooks = repository / ".git" / "hooks"
    for name in ("post-index-change", "reference-transaction", "fsmonitor-watchman"):
        (hooks / name).write_bytes(program.read_bytes())
        (hooks / name).chmod(0o755)
    os.utime(repository / "app.py", (1, 1))  # git has to look at it again
    present_origin(repository)
    assert not marker.exists()


def test_a_look_at_a_repository_changes_nothing_in_it(repository: Path) -> None:
    os.utime(repository / "app.py", (1, 1))
    before = (repository / ".git" / "index").read_bytes()
    present_origin(repository)
    assert (repository / ".git" / "index").read_bytes() == before


def test_the_environment_says_the_commit_and_the_version_first(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARIOTS_GIT_COMMIT", "abc123")
    monkeypatch.setenv("CHARIOTS_CODE_VERSION", "7.1")
    found = present_origin(repository)
    assert (found.git_commit, found.code_version) == ("abc123", "7.1")


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        ("pyproject.toml", '[project]\nname = "app"\nversion = "1.2"\n', "1.2"),
        ("pyproject.toml", '[project]\nname = "pytest"\ndynamic = ["version"]\n', pytest.__version__),
        ("pyproject.toml", '[project]\nname = "nobody-has-this"\ndynamic = ["version"]\n', None),
        ("pyproject.toml", "not toml", None),
        ("pyproject.toml", "project = 3\n", None),
        ("app.egg-info/PKG-INFO", "Name: app\nVersion: 3.4.5\n\nVersion: 9\n", "3.4.5"),
        ("src/app.egg-info/PKG-INFO", "Name: app\nVersion: 3.4.6\n", "3.4.6"),
    ],
)
def test_the_version_of_the_code_is_that_of_the_project(
    tmp_path: Path, name: str, text: str, version: str | None
) -> None:
    file = tmp_path / "project" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    inside = tmp_path / "project" / "app" / "ops"
    inside.mkdir(parents=True)
    assert present_origin(inside).code_version == version


def test_what_is_found_stands_for_a_while(repository: Path) -> None:
    first = present_origin(repository)
    (repository / "app.py").write_text("2\n")
    assert present_origin(repository) == first


def test_what_cannot_be_printed_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "a\nb\u202e" + "c" * 300)
    assert present_origin(tmp_path).who == "ab" + "c" * 253


def test_a_folder_that_is_gone_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert present_origin().git_commit is None


def test_every_kind_of_client_says_who_saves(
    client: BaseOpStoreClient, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    numbers = save_pair(client, 1)
    found = client.version(numbers["pca"]).origin
    assert found == present_origin(repository)
    assert found.git_commit == git(repository, "rev-parse", "HEAD")
