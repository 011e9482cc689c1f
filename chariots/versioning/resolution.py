"""Which part of the project does a name in a module stand for?"""

from __future__ import annotations

import ast
import builtins
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from chariots.versioning.modules import Item, Mutation
from chariots.versioning.project import Module, Project, attributes_of
from chariots.versioning.scopes import ImportBinding, Use

__all__ = ["Names", "Part", "Target"]

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_Path = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Part:
    """A piece of the project that counts as a whole.

    Attributes:
        key: what tells it from other parts.
        module: where it stands.
        syntax: its canonical form.
        uses: the names it reads.
        live: the class or function itself, where values from the functions around it count.
        node: its definition, where ``live`` is given.
    """

    key: Any
    module: Module
    syntax: bytes
    uses: tuple[Use, ...]
    live: Any = None
    node: Any = None


Target = Part | str
"""What a name stands for: a part of the project, or words for anything that is not."""


class Names:
    """Resolves names by reading source, without running any."""

    def __init__(self, project: Project, live: Callable[[Any], list[Target]]) -> None:
        """Prepares to resolve names.

        Args:
            project: where to look for modules.
            live: gives the targets of a live value, for names that no source tells about.
        """
        self._project = project
        self._live = live
        self._touched: dict[tuple[str, str], set[str]] = {}

    def use(self, module: Module, use: Use) -> list[Target]:
        """What a name that is read in a module stands for."""
        if use.imported is not None:
            return self._imported(module, use.imported, use.path, set())
        return self.resolve(module, use.name, use.path, set())

    def resolve(self, module: Module, name: str, path: _Path, seen: set[Any]) -> list[Target]:
        """What a name at the top level of a module stands for.

        Args:
            module: the module.
            name: the name.
            path: attributes read from it.
            seen: what is being resolved already, since modules may import one another in circles.

        Returns:
            the parts and other things that decide about its value; empty for builtins and unknown names.
        """
        if module.namespace is not None:
            return self._in_session(module, name, path)
        if (module.file, name, path) in seen:
            return []
        seen.add((module.file, name, path))
        items = module.table.bindings.get(name, [])
        if not items:
            return self._unbound(module, name, path, seen)
        changes = [change.item for change in module.table.mutations.get(name, []) if _applies(change, items, path)]
        changes += self._changed_by_calls(module, name, items)
        targets: list[Target] = []
        if changes or any(item.imported is None or item.guards for item in items):
            targets.append(_definition(module, name, [*items, *changes]))
        for item in items:
            if item.imported is not None:
                targets += self._imported(module, item.imported, path, seen)
        return targets

    def _imported(self, module: Module, binding: ImportBinding, path: _Path, seen: set[Any]) -> list[Target]:
        """What an import stands for, wherever it leads."""
        source = module.absolute(binding)
        return self._member(source, path if binding.attribute is None else (binding.attribute, *path), seen)

    def _member(self, name: str, path: _Path, seen: set[Any]) -> list[Target]:
        """What attributes of a module stand for."""
        module = self._project.find(name)
        if module is None or not path:
            return [self.module(".".join([name, *path]))]
        inner = f"{name}.{path[0]}"
        if module.is_package and not _binds(module, path[0]) and self._project.find(inner) is not None:
            return self._member(inner, path[1:], seen)
        return self.resolve(module, path[0], path[1:], seen)

    def _unbound(self, module: Module, name: str, path: _Path, seen: set[Any]) -> list[Target]:
        """What a name stands for that a module does not bind itself."""
        outside: list[Target] = []
        for star in reversed(module.table.stars):
            source = module.absolute(star)
            inner = self._project.find(source)
            if inner is None:
                if name in attributes_of(sys.modules.get(source)):
                    return ["external " + ".".join([source, name, *path])]
                if source not in sys.modules:
                    outside.append("external " + ".".join([source, "*", name, *path]))
            elif _offers(inner, name):
                found = self.resolve(inner, name, path, seen)
                if found:
                    return found
        if outside or hasattr(builtins, name):
            return outside
        # Made while the module ran: by a __getattr__, or put into globals().
        maker = module.table.bindings.get("__getattr__")
        value = attributes_of(sys.modules.get(module.name)).get(name)
        made = self._live(value) if isinstance(value, (type, types.FunctionType)) else []
        return [*([_definition(module, "__getattr__", maker)] if maker else []), *made]

    def _in_session(self, module: Module, name: str, path: _Path) -> list[Target]:
        """What a name stands for in a session: only the live value tells which cell bound it last."""
        namespace = module.namespace or {}
        if name not in namespace:
            return []
        value = namespace[name]
        if isinstance(value, types.ModuleType):
            return self._member(value.__name__, path, set())
        return self._live(value)

    def module(self, name: str) -> Target:
        """What a module stands for that is used as a value: everything in it, or its name."""
        module = self._project.find(name)
        if module is None:
            return f"external {name}"
        reads = tuple(Use(name) for name in sorted(module.table.bindings))
        return Part(("module", module.file), module, b"module", reads)

    def _changed_by_calls(self, module: Module, name: str, items: list[Item]) -> Iterator[Item]:
        """Statements that fill a value through a function of the same module, such as ``@register("x")``."""
        if all(isinstance(item.pieces[0], _DEFINITIONS) or item.imported is not None for item in items):
            return
        for function, calls in module.table.calls.items():
            if name in self._globals_of(module, function):
                yield from calls

    def _globals_of(self, module: Module, function: str) -> set[str]:
        """The names that a function of a module reads."""
        key = (module.file, function)
        if key not in self._touched:
            items = module.table.bindings.get(function, [])
            defined = [item for item in items if isinstance(item.pieces[0], _DEFINITIONS)]
            self._touched[key] = {use.name for item in defined for use in item.reads}
        return self._touched[key]


def _binds(module: Module, name: str) -> bool:
    """Whether a package gives a name a value of its own; ``from . import name`` only gives it the module."""
    itself = (module.name, name)
    items = module.table.bindings.get(name, [])
    return any(
        item.imported is None or (module.absolute(item.imported), item.imported.attribute) != itself for item in items
    )


def _definition(module: Module, name: str, items: Iterable[Item]) -> Part:
    """The statements that decide about a name, in the order in which they stand."""
    ordered = [item for _, item in sorted({item.position: item for item in items}.items())]
    key = (module.file, name, tuple(item.position for item in ordered))
    reads = dict.fromkeys(use for item in ordered for use in item.reads)
    return Part(key, module, b"".join([item.syntax for item in ordered]), tuple(reads))


def _applies(change: Mutation, items: list[Item], path: _Path) -> bool:
    """Whether a statement that changes a name may change what was read from it."""
    imports = [item.imported for item in items if item.imported is not None]
    if not imports:
        defined = all(isinstance(item.pieces[0], _DEFINITIONS) for item in items)
        return not (defined and change.how == "argument")
    if change.how == "argument" or any(mine != other for mine, other in zip(change.path, path, strict=False)):
        return False
    # Calling a function of an imported module says nothing about the module; setting an attribute on it does.
    return bool(change.path) or change.how == "target" or any(binding.attribute for binding in imports)


def _offers(module: Module, name: str) -> bool:
    """Whether a star import of a module brings a name along."""
    if module.table.exported is not None:
        return name in module.table.exported
    return not name.startswith("_")
