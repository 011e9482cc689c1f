"""Does the README tell the truth? Its code runs, and its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.frame.serving import flask_run, person_environment
from tests.frame.tree import ROOT

PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md", "docs/architecture.md"]


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language in the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def typed_in(tmp_path: Path) -> Path:
    """A folder with the README's code blocks, each saved under the name in its first line."""
    for block in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", block)
        assert name is not None, "a code block of the README does not say which file it is"
        (tmp_path / name.group(1)).write_text(block, encoding="utf-8")
    return tmp_path


def test_the_thirty_seconds_of_the_readme_print_what_they_promise(typed_in: Path) -> None:
    client = typed_in / "client.py"
    promised = re.search(r"print\(response\.value\)  # (.+)", client.read_text(encoding="utf-8"))
    assert promised is not None
    with flask_run(typed_in, log=typed_in / "server.log") as (url, _):
        # The server of the test cannot have the default port; everything else is as printed.
        client.write_text(client.read_text(encoding="utf-8").replace("Client()", f"Client({url!r})"))
        said = subprocess.run(
            [sys.executable, "client.py"],
            cwd=typed_in,
            env=person_environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert said.returncode == 0, said.stderr
    value, version = said.stdout.splitlines()
    assert value == promised.group(1)
    assert re.fullmatch(r"[0-9a-f]{40}\.[0-9a-f]{40}\.[0-9a-f]{40}_.+", version)


def test_the_readme_says_how_to_start_its_server(typed_in: Path) -> None:
    assert any("$ flask run" in block for block in blocks("console"))
    assert (typed_in / "app.py").is_file()


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for line in re.findall(r"(?:`|\$ )make ([a-z -]+?)(?:`|\s\s|\s*#|$)", text, re.MULTILINE):
            for target in line.split():
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page}: make {target}"


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_to_a_file(page: str) -> None:
    folder = (ROOT / page).parent
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [target for target in targets if not any(folder.glob(target.rstrip("/") + "*"))] == []
