"""Who is saving, on which machine, and from which state of the code?"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from importlib import metadata
from pathlib import Path

from chariots.op_store.checks import LONGEST_NAME
from chariots.pipelines.store import Origin

__all__ = ["present_origin"]

COMMIT = "CHARIOTS_GIT_COMMIT"
VERSION = "CHARIOTS_CODE_VERSION"

_REMEMBERED_SECONDS = 30.0  # asking git takes some ten milliseconds, and a training may save many times a second
_GIT_SECONDS = 10.0
# A repository may name programs for git to run; none of them is run for a look at its state.
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks")

_remembered: dict[Path, tuple[float, Origin]] = {}


def present_origin(folder: str | os.PathLike[str] | None = None) -> Origin:
    """Tells who this process runs for, where, and with which code.

    The user's name is that of the environment or of the system; the commit is that of the git repository around
    a folder, with ``-dirty`` behind it where a file that git tracks was changed; the version is that of the
    project around the folder, from its ``pyproject.toml`` or from what an installation left there. Where the code
    travels without its repository, as in a container, the environment variables ``CHARIOTS_GIT_COMMIT`` and
    ``CHARIOTS_CODE_VERSION`` say both, and come first. Hooks are not run. What is found stands for half a minute.

    Args:
        folder: where the code is; the working directory if not given.

    Returns:
        what is known; None for what is not.
    """
    path = Path(folder if folder is not None else _working_directory()).absolute()
    now = time.monotonic()
    known = _remembered.get(path)
    if known is None or now - known[0] > _REMEMBERED_SECONDS:
        # No lock, which a process forked meanwhile would find held for ever: two threads may both look.
        known = (now, _look(path))
        _remembered.clear()
        _remembered[path] = known
    return Origin(
        who=_shown(known[1].who),
        host=_shown(known[1].host),
        git_commit=_shown(os.environ.get(COMMIT) or known[1].git_commit),
        code_version=_shown(os.environ.get(VERSION) or known[1].code_version),
    )


def _shown(text: str | None) -> str | None:
    """What of a text the store keeps: no more than of any other name."""
    kept = "".join(filter(str.isprintable, text or ""))[:LONGEST_NAME]
    return kept or None


def _look(folder: Path) -> Origin:
    return Origin(who=_user(), host=socket.gethostname() or None, git_commit=_commit(folder), code_version=_of(folder))


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was removed
        return Path("/")


def _user() -> str | None:
    import getpass  # as `tomllib` below: only who saves needs it

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no variable names it, and the system has no entry for the number
        return str(os.getuid()) if hasattr(os, "getuid") else None


def _commit(folder: Path) -> str | None:
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if not commit:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules")
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *arguments: str) -> str | None:
    """What git answers; None where there is no git, no repository, or no answer."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [*_GIT, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None


def _of(folder: Path) -> str | None:
    """The version of the project around a folder: the nearest folder above that describes one."""
    for place in (folder, *folder.parents):
        version = _declared(place / "pyproject.toml") or _installed(place)
        if version is not None:
            return version
    return None


def _declared(file: Path) -> str | None:
    import tomllib

    try:
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):  # none there, or not one that can be read
        return None
    if not isinstance(project, dict):
        return None
    version, name = project.get("version"), project.get("name")
    if version is None and isinstance(name, str):
        try:
            version = metadata.version(name)
        except (metadata.PackageNotFoundError, ValueError):
            return None
    return version if isinstance(version, str) else None


def _installed(place: Path) -> str | None:
    """What ``pip install -e`` or a build left beside the code."""
    try:
        files = sorted([*place.glob("*.egg-info/PKG-INFO"), *place.glob("src/*.egg-info/PKG-INFO")])
        text = files[0].read_text(encoding="utf-8", errors="replace") if files else ""
    except OSError:
        return None
    found = re.search(r"^Version: (\S+)\s*$", text, re.MULTILINE)
    return found.group(1) if found else None
