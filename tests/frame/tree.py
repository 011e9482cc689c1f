"""Which files are part of the project, and where are they?"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {
    ".git",
    ".venv",
    ".bench-venv",
    ".tox",
    "build",
    "dist",
    "_build",
    "__pycache__",
    ".demo",
    ".hypothesis",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".import_linter_cache",
    "chariots.egg-info",
}


def project_files() -> list[Path]:
    """Lists the files that travel with the project.

    Returns:
        what git tracks or would track; where there is no git, everything outside build folders and caches.
    """
    git = shutil.which("git")
    if git is not None:
        command = [git, "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        asked = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        if asked.returncode == 0:
            names = [name for name in asked.stdout.decode().split("\0") if name]
            return sorted(path for path in (ROOT / name for name in names) if path.is_file())
    return sorted(
        path for path in ROOT.rglob("*") if path.is_file() and not NOT_OURS.intersection(path.relative_to(ROOT).parts)
    )
