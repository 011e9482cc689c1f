"""What does a live class, function or value consist of, and what does each part of it refer to?"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any

from chariots.versioning.content import content_hash
from chariots.versioning.content_objects import qualified_name
from chariots.versioning.live import bound_arguments, captured, code_file, enclosing_names, find_node, home, unwrapped
from chariots.versioning.project import Module, Project, real_name
from chariots.versioning.resolution import Names, Part, Target
from chariots.versioning.scopes import bound_names, uses
from chariots.versioning.syntax import dump

__all__ = ["Graph"]

# How far into nested values the search for functions and classes goes.
_DEPTH = 6
_COLLECTIONS = (list, tuple, set, frozenset)


class Graph:
    """The parts of one project and what they refer to."""

    def __init__(self, project: Project) -> None:
        """Starts with nothing read.

        Args:
            project: which modules count.
        """
        self._project = project
        self._names = Names(project, self.live)
        self._active: list[int] = []
        self._kept: list[Any] = []

    def references(self, part: Part) -> Iterator[tuple[str, list[Target]]]:
        """Everything that a part refers to.

        Args:
            part: the part.

        Yields:
            a label and the targets it stands for, in the order of the source.
        """
        for use in part.uses:
            if not use.enclosing:
                yield ".".join([use.name, *use.path]), self._names.use(part.module, use)
        for label, value in _taken(part):
            yield label, self.live(value)

    def live(self, value: Any) -> list[Target]:
        """What a live value consists of.

        Args:
            value: anything.

        Returns:
            parts of the project, and words for everything else.
        """
        if id(value) in self._active or len(self._active) > _DEPTH:
            return [f"deep {qualified_name(type(value))}"]
        self._active.append(id(value))
        try:
            return list(self._consists_of(value))
        finally:
            self._active.pop()

    def _consists_of(self, value: Any) -> Iterator[Target]:
        functions = list(unwrapped(value))
        if isinstance(value, type):
            yield self._definition(value)
        elif isinstance(value, types.ModuleType):
            yield self._names.module(real_name(value.__name__))
        elif functions:
            for function in functions:
                yield from self._function(function)
            for item in bound_arguments(value):
                yield from self.live(item)
        elif isinstance(value, (Mapping, *_COLLECTIONS)) and _holds_code(value):
            yield f"collection {qualified_name(type(value))}"
            for item in _items(value):
                yield from self.live(item)
        else:
            yield from self._data(value)

    def _function(self, function: types.FunctionType) -> Iterator[Target]:
        target = self._definition(function)
        yield target
        if isinstance(target, str):
            # Not of the project itself, but it may hold functions that are.
            for _, item in captured(function):
                yield from self.live(item)

    def _data(self, value: Any) -> Iterator[Target]:
        """A value by its content; one of a class of the project also by that class."""
        builtin = type(value).__module__ == "builtins"
        owner = None if builtin else self._definition(type(value))
        if isinstance(owner, Part):
            yield owner
        try:
            yield f"data {content_hash(value)}"
        except TypeError:
            yield f"object {qualified_name(type(value))}"
            if isinstance(owner, Part):
                for name, item in sorted(getattr(value, "__dict__", {}).items()):
                    yield name
                    yield from self.live(item)

    def _definition(self, target: Any) -> Target:
        """The part of the project that a class or function is, or its name where it is none."""
        place = code_file(target)
        name, qualified = home(target)
        module = self._project.module_of_file(name, *place) if place is not None else None
        part = None
        if module is not None:
            part = self._top_level(module, target) or self._nested(module, target)
        return part or f"external {name}:{qualified}"

    def _top_level(self, module: Module, target: Any) -> Part | None:
        """The definition of what stands at the top level of a file; for a method, that of its class."""
        name = home(target)[1]
        outer, _, inner = name.partition(".")
        if module.namespace is not None or "<" in name or (inner and isinstance(target, type)):
            return None
        found = self._names.resolve(module, outer, (), set()) if outer in module.table.bindings else []
        return found[0] if found and isinstance(found[0], Part) else None

    def _nested(self, module: Module, target: Any) -> Part | None:
        """The definition of what stands inside something else, or was typed into a session."""
        node: Any = find_node(module.source, target)
        if node is None:
            return None
        self._kept.append(target)  # so that no other object is given its id
        reads = tuple(uses([node], enclosing_names(module.source, node)))
        return Part((module.file, id(target)), module, dump(node), reads, target, node)


def _taken(part: Part) -> Iterator[tuple[str, Any]]:
    """The values that a nested class or function took from the functions around it."""
    target, node = part.live, part.node
    around = frozenset(use.name for use in part.uses if use.enclosing)
    if isinstance(target, types.FunctionType):
        read = {f"default {place}" for place in _defaults_reading(node, around)}
        for label, value in captured(target):
            if label in read or not label.startswith("default "):
                yield label, value
    elif isinstance(target, type) and around:
        for base in target.__bases__:
            yield f"base {base.__name__}", base
        for statement in node.body:
            if any(use.enclosing for use in uses([statement], around)):
                for name in sorted(bound_names([statement])):
                    private = name.startswith("__") and not name.endswith("__")
                    name = f"_{target.__name__.lstrip('_')}{name}" if private else name
                    if name in vars(target):
                        yield name, vars(target)[name]


def _defaults_reading(node: Any, around: frozenset[str]) -> Iterator[int | str]:
    """The default arguments of a function that read names from around it: their places, or their keywords."""
    for place, default in enumerate(node.args.defaults):
        if any(use.enclosing for use in uses([default], around)):
            yield place
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if default is not None and any(use.enclosing for use in uses([default], around)):
            yield argument.arg


def _items(value: Any) -> list[Any]:
    """What a collection holds, in an order that does not depend on the process."""
    if isinstance(value, Mapping):
        return [item for pair in value.items() for item in pair]
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=_place)
    return list(value)


def _place(item: Any) -> tuple[str, int, str]:
    """What a member of a set is sorted by."""
    if isinstance(item, (type, types.FunctionType)):
        line = item.__code__.co_firstlineno if isinstance(item, types.FunctionType) else 0
        return qualified_name(item), line, ""
    try:
        return "", 0, content_hash(item)
    except TypeError:
        return qualified_name(type(item)), 0, ""


def _holds_code(value: Any, depth: int = _DEPTH) -> bool:
    """Whether there are functions, classes or modules somewhere in a collection."""
    if isinstance(value, (type, types.FunctionType, types.MethodType, types.ModuleType)):
        return True
    if depth == 0 or not isinstance(value, (Mapping, *_COLLECTIONS)):
        return bool(next(unwrapped(value), None))
    return any(_holds_code(item, depth - 1) for item in _items_unordered(value))


def _items_unordered(value: Any) -> list[Any]:
    return [*value, *value.values()] if isinstance(value, Mapping) else list(value)
