"""Which modules belong to the project of a class, and what is their source?

A project is everything in the same top-level package, and every other module found under the folder that
package (or script) stands in. What is installed, the standard library and chariots itself are not part of it.
"""

from __future__ import annotations

import importlib.util
import linecache
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from chariots.versioning.modules import Table, table_of
from chariots.versioning.scopes import ImportBinding

__all__ = [
    "Module",
    "Project",
    "attributes_of",
    "is_installed",
    "is_standard",
    "is_typed_in",
    "real_name",
    "source_of_file",
    "typed_in",
]

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_STANDARD = Path(os.__file__).parent


@dataclass(frozen=True, eq=False)
class Module:
    """The source of one module, notebook cell or interactive statement.

    Attributes:
        name: the name it is imported under.
        file: where its source was read from, or what Python calls it.
        source: the text.
        is_package: whether it is the ``__init__`` of a package.
        namespace: the live names of an interactive session, whose source is in many pieces; None for a file,
            whose names are read from its text.
    """

    name: str
    file: str
    source: str
    is_package: bool = False
    namespace: Mapping[str, Any] | None = None
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", table_of(self.source))

    def absolute(self, binding: ImportBinding) -> str:
        """The full name of the module that an import statement of this one names."""
        if not binding.level:
            return binding.module
        parts = self.name.split(".")
        kept = len(parts) - binding.level + self.is_package
        return ".".join([*parts[: max(kept, 0)], *([binding.module] if binding.module else [])])


class Project:
    """The modules that belong together with one class or function."""

    def __init__(self, name: str, file: str) -> None:
        """Draws the line around a project.

        Args:
            name: the module that the class or function was defined in.
            file: the file of that module.
        """
        self._name = real_name(name)
        self._file = file
        self._top = self._name.partition(".")[0]
        self._root = _root_of(self._name, file)
        self._modules: dict[str, Module | None] = {}

    @property
    def files(self) -> list[str]:
        """The files of the modules that were looked at so far."""
        return [module.file for module in self._modules.values() if module is not None]

    def find(self, name: str) -> Module | None:
        """The module of that name, where it belongs to the project and has source."""
        if name not in self._modules:
            self._modules[name] = self._found(name)
        return self._modules[name]

    def module_of_file(self, name: str, file: str, namespace: Mapping[str, Any]) -> Module | None:
        """The module in which live code was defined, where it belongs to the project and has source.

        Args:
            name: the ``__module__`` of the class or function.
            file: the file name that its code carries.
            namespace: its globals, for code that was typed in.
        """
        name = real_name(name)
        if not is_typed_in(file):
            module = self.find(name)
            if module is not None and _same_file(module.file, file):
                return module
            if not self._holds(name, file):
                return None
        source = source_of_file(file, namespace)
        if source is None:
            return None
        return Module(name, file, source, namespace=namespace if is_typed_in(file) else None)

    def _found(self, name: str) -> Module | None:
        origin, folders = _origin(name)
        if origin is None:
            # A package without __init__ has no source, and its modules still belong to it.
            held = [folder for folder in folders or () if self._holds(name, folder)]
            return Module(name, held[0], "", is_package=True) if held else None
        if not self._holds(name, origin):
            return None
        loaded = sys.modules.get(name)
        source = source_of_file(origin, attributes_of(loaded))
        return None if source is None else Module(name, origin, source, folders is not None)

    def _holds(self, name: str, file: str) -> bool:
        """Whether a module belongs to the project."""
        top = name.partition(".")[0]
        if _same_file(file, self._file):
            return True
        if top == "chariots":
            return False
        if top == self._top and top != "__main__":
            return True
        return not is_installed(self._root) and _is_under(file, self._root)


def typed_in() -> list[str]:
    """The names under which the pieces of this session are known, the latest first."""
    return [file for file in reversed(list(linecache.cache)) if is_typed_in(file)]


def real_name(name: str) -> str:
    """The name a module would be imported under, also where it is the program that runs."""
    main = sys.modules.get("__main__") if name == "__main__" else None
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return PurePath(file).stem if file else name


def attributes_of(module: Any) -> Mapping[str, Any]:
    """What a loaded module holds by now, without waking the ``__getattr__`` of one that loads on demand."""
    return getattr(module, "__dict__", {})


def is_standard(function: Any) -> bool:
    """Whether a function comes with Python."""
    top = str(function.__module__).partition(".")[0]
    file = function.__code__.co_filename
    return top in sys.stdlib_module_names and (file.startswith("<frozen") or is_installed(PurePath(file)))


def source_of_file(file: str, namespace: Mapping[str, Any]) -> str | None:
    """Reads the source that code was compiled from.

    Files are read anew each time: ``linecache`` keeps what it once saw as long as size and second stay the
    same.

    Args:
        file: the file name that the code carries.
        namespace: the globals of the code, whose loader knows sources that are in no file.

    Returns:
        the text, or None where there is none.
    """
    try:
        return importlib.util.decode_source(Path(file).read_bytes())
    except (OSError, ValueError, SyntaxError):
        pass
    loader: Any = namespace.get("__loader__")
    if not is_typed_in(file) and hasattr(loader, "get_source"):
        try:
            source: str | None = loader.get_source(namespace.get("__name__"))
        except (ImportError, OSError):
            return None
        return source
    return "".join(linecache.getlines(file)) or None


def is_typed_in(file: str) -> bool:
    """Whether code comes from a session: ``<stdin>``, ``<doctest ...>``, or a cell, which is in no file."""
    return file.startswith("<") or (not Path(file).exists() and file in linecache.cache)


def _origin(name: str) -> tuple[str | None, list[str] | None]:
    """The file of a module and, for a package, its folders; without importing anything."""
    loaded: Any = sys.modules.get(name)
    if loaded is None and name == real_name("__main__"):
        loaded = sys.modules.get("__main__")
    known = attributes_of(loaded)
    if known.get("__file__"):
        return _source_path(str(known["__file__"])), _folders(known.get("__path__"))
    spec = _spec(name)
    if spec is None:
        return None, None
    origin = _source_path(str(spec.origin)) if spec.has_location else None
    return origin, _folders(spec.submodule_search_locations)


def _folders(path: Iterable[str] | None) -> list[str] | None:
    return None if path is None else list(path)


def _spec(name: str) -> Any:
    """How a module would be found, asked of the finders one by one: ``find_spec`` imports the parents."""
    parent, _, _ = name.rpartition(".")
    path: list[str] | None = None
    if parent:
        loaded = sys.modules.get(parent)
        locations = attributes_of(loaded).get("__path__")
        if locations is None:
            locations = getattr(_spec(parent), "submodule_search_locations", None)
        if locations is None:
            return None
        path = list(locations)
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = find(name, path) if find is not None else None
        if spec is not None:
            return spec
    return None


def _source_path(file: str) -> str:
    return file[:-1] if file.endswith(".pyc") else file


def _root_of(name: str, file: str) -> Path:
    """The folder from which a module is imported."""
    if is_typed_in(file):
        return Path.cwd()
    path = Path(file).resolve()
    parts = name.split(".")
    steps = parts if path.stem == "__init__" else parts[:-1]
    root = path.parent
    for part in reversed(steps):
        if root.name != part:
            return path.parent
        root = root.parent
    return root


def is_installed(path: PurePath) -> bool:
    """Whether a file came with an installed package, or with Python."""
    return bool(_INSTALLED.intersection(path.parts)) or path == _STANDARD or _STANDARD in path.parents


def _is_under(file: str, root: Path) -> bool:
    path = Path(file).resolve()
    return path.is_relative_to(root) and not is_installed(path)


def _same_file(first: str, second: str) -> bool:
    return first == second or Path(first).resolve() == Path(second).resolve()
