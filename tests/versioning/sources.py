"""A project in a temporary folder that can be edited and imported afresh."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from chariots.versioning import code_fingerprint


class Sources:
    """A few source files, written to a folder and imported from there."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder
        self.files = {name: textwrap.dedent(text) for name, text in files.items()}

    def edited(self, file: str, before: str, after: str) -> Sources:
        """The same files with one place changed."""
        assert self.files[file].count(before) == 1, f"{before!r} must be in {file} once"
        return Sources(self.folder, {**self.files, file: self.files[file].replace(before, after)})

    def write(self) -> None:
        """Writes every file."""
        for name, text in self.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def written(self) -> Sources:
        """The same files, on disk."""
        self.write()
        return self

    def fingerprint(self, target: str) -> str | None:
        """Writes the files, imports the module of ``module:name`` afresh and fingerprints what it names."""
        self.write()
        module, _, name = target.partition(":")
        with self.imported(module) as loaded:
            value: object = loaded
            for part in name.split("."):
                value = getattr(value, part)
            return code_fingerprint(value)

    @contextmanager
    def imported(self, module: str) -> Iterator[ModuleType]:
        """The module, imported from the folder as it is now; forgotten again afterwards."""
        before, writes = set(sys.modules), sys.dont_write_bytecode
        sys.path.insert(0, str(self.folder))
        # Bytecode is matched to its source by size and second, which edits in a test share.
        sys.dont_write_bytecode = True
        importlib.invalidate_caches()
        try:
            yield importlib.import_module(module)
        finally:
            sys.dont_write_bytecode = writes
            sys.path.remove(str(self.folder))
            for name in [name for name in set(sys.modules) - before if self._holds(sys.modules[name])]:
                del sys.modules[name]

    def _holds(self, module: ModuleType) -> bool:
        known = vars(module)
        places = [known.get("__file__") or "", *known.get("__path__", [])]
        return any(place.startswith(str(self.folder)) for place in places)
