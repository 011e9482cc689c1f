"""Do the files themselves keep the rules of the house: floors, length, and nothing of one machine?"""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.frame.tree import ROOT, project_files

MOST_LINES = 400
FILES = project_files()
SOURCES = [path for path in FILES if path.suffix == ".py" and path.is_relative_to(ROOT / "chariots")]


def relative(path: Path) -> str:
    """The path as a reader of the repository knows it."""
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str:
    """The text of a file, with whatever is not UTF-8 replaced."""
    return path.read_text(encoding="utf-8", errors="replace")


def test_rooms_import_only_from_floors_below_their_own() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_source_file_can_be_read_in_a_sitting(path: Path) -> None:
    assert len(text_of(path).splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_source_file_says_what_it_answers(path: Path) -> None:
    tree = ast.parse(text_of(path))
    assert ast.get_docstring(tree) or not tree.body


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_source_file_leaves_work_for_later(path: Path) -> None:
    assert re.findall(r"\b(?:TODO|FIXME|XXX|HACK)\b", text_of(path)) == []


def machine_words() -> dict[str, str]:
    """Collects what only this machine knows: its folders, and where its pip fetches from."""
    words = {str(ROOT): "the folder of this checkout", str(Path.home()) + "/": "the home of this user"}
    configured = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    for line in configured.stdout.splitlines():
        key, _, value = line.partition("=")
        if key.rpartition(".")[2] in {"index-url", "extra-index-url", "find-links"}:
            for word in value.strip("'\"").replace("\\n", " ").split():
                words[word] = f"where pip looks on this machine ({key})"
    return words


def mentions(text: str, word: str) -> bool:
    """Whether a text holds a word; a folder only where its path begins, not in its middle."""
    return re.search((r"(?<![\w./])" if word.startswith("/") else "") + re.escape(word), text) is not None


def test_no_file_names_a_folder_or_a_host_of_this_machine() -> None:
    # Written in pieces, so that this file does not contain what it looks for.
    hosts = ["pypi" + ".org", "files.pythonhosted" + ".org", "registry.npm" + "js"]
    wanted = {**machine_words(), **dict.fromkeys(hosts, "the host of a registry")}
    found = [
        f"{relative(path)}: {meaning}"
        for path in FILES
        for text in [text_of(path)]
        for word, meaning in wanted.items()
        if mentions(text, word)
    ]
    assert found == []


def test_nothing_that_is_built_is_part_of_the_project() -> None:
    built = [relative(path) for path in FILES if path.suffix in {".pyc", ".so", ".whl", ".sqlite", ".rdb"}]
    assert built == []


def test_tox_and_setup_agree_about_the_pythons() -> None:
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    tested = set(re.findall(r"py(3\d+)", tox["tox"]["envlist"]))
    named = re.findall(r"Python :: 3\.(\d+)", text_of(ROOT / "setup.py"))
    assert tested == {f"3{minor}" for minor in named}


def test_the_changelog_speaks_of_this_version() -> None:
    from chariots import __version__

    assert f"## {__version__}" in text_of(ROOT / "CHANGELOG.md")
