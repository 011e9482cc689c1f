"""What can several processes share that is the same in all of them? (the code of libraries, imported before they part)

Each process of a server runs the user's code for itself, for that may open files, start threads and use models, none of
which survives a fork. What it imports can be told from its source. Libraries that are known to do nothing when they are
imported are imported once, by the process that makes the others; their memory is then shared until it is written to.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import sys
from collections.abc import Iterable, Iterator
from importlib.util import resolve_name
from pathlib import Path
from typing import Final

__all__ = ["import_early", "part_from_others"]

HARMLESS: Final = frozenset(
    {"alembic", "chariots", "flask", "flask_migrate", "flask_sqlalchemy", "joblib", "msgspec", "numpy", "orjson"}
    | {"pandas", "pydantic", "scipy", "sklearn", "sqlalchemy", "werkzeug", "yaml"}
)
"""Packages whose import starts no thread and uses no other processor."""

HARMFUL: Final = ("chariots.ml.keras",)  # it imports a backend, and those start threads
MOST_FILES: Final = 500  # of the user's, that are looked at


def import_early(app: str, always: Iterable[str] = ()) -> None:
    """Imports what an application would import, as far as it is harmless; runs none of the application's own code.

    Args:
        app: where the application is, as ``"module:app"``.
        always: further modules.
    """
    wanted = dict.fromkeys(always)
    for name in _imported(app.partition(":")[0]):
        if name.partition(".")[0] in HARMLESS and not name.startswith(HARMFUL):
            wanted[name] = None
    for name in wanted:
        # Whatever is wrong with it is told by the process that needs it.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    # The collector would write to every object, and so have each process copy it.
    gc.collect()
    gc.freeze()


def part_from_others() -> None:
    """Gives this process, which was just made, random numbers of its own; those of Python part by themselves."""
    numbers = sys.modules.get("numpy.random")
    if numbers is not None:
        numbers.seed()


def _imported(module: str) -> Iterator[str]:
    """The absolute names in the import statements of a module, and of those of the user's that it imports."""
    waiting, seen = [module], {module}
    while waiting and len(seen) < MOST_FILES:
        name = waiting.pop()
        file = _file(name)
        if file is None:
            continue
        is_package = file.name == "__init__.py"
        for found in _names(file, name if is_package else name.rpartition(".")[0]):
            yield found
            if found not in seen and found.partition(".")[0] not in HARMLESS | sys.stdlib_module_names:
                seen.add(found)
                waiting.append(found)


def _names(file: Path, package: str) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # whoever imports it is told
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            try:
                base = resolve_name("." * statement.level + (statement.module or ""), package)
            except ImportError:
                continue  # it leads out of its package, and whoever imports it is told
            yield base
            yield from (f"{base}.{alias.name}" for alias in statement.names)  # each may be a module


def _file(name: str) -> Path | None:
    """The source of a module, found without importing the packages that it is in."""
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    for folder in sys.path:
        place = Path(folder or ".", *parts)
        for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if "site-packages" not in file.parts and file.is_file():
                return file
    return None
