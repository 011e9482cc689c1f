"""Might the code that a pipeline runs look at Flask's request?

Nothing tells for certain. What can be seen is what the ops and callbacks of a pipeline refer to: the names in their
methods, what those stand for, and so on through the functions and classes of the user's, in whatever module. What hides
deeper shows when it runs: outside of a request, Flask raises a `RuntimeError` at the first look.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import PurePath
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

import flask
from werkzeug.local import LocalProxy

from chariots.pipelines.choosing_nodes import ChoosingNode
from chariots.pipelines.nodes import Node, laid_out
from chariots.versioning.live import bound_arguments, captured, unwrapped
from chariots.versioning.project import is_installed

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.runners import BaseRunner

__all__ = ["is_about_context", "looks_at_flask"]

_KNOWN: Final = sys.stdlib_module_names | {"chariots"}  # whose code does not
_HARMLESS: Final = (flask.Flask, flask.Blueprint)
_LARGE: Final = 1_000  # a collection of more is data, and no code


def looks_at_flask(pipeline: Pipeline, runner: BaseRunner) -> bool:
    """Whether some code of the user's in a pipeline uses Flask, as far as can be seen.

    Args:
        pipeline: the pipeline.
        runner: who runs it.
    """
    return _Search([*_objects(pipeline, runner), *_keys(pipeline)]).finds_flask()


def is_about_context(error: Exception) -> bool:
    """Whether an exception says that Flask was asked for a request where there is none."""
    return type(error) is RuntimeError and str(error).startswith("Working outside of ")


def _objects(pipeline: Pipeline, runner: BaseRunner) -> list[Any]:
    """The objects whose code runs along with a pipeline."""
    objects: list[Any] = [runner, *pipeline.callbacks]
    waiting: list[Any] = list(pipeline.pipeline_nodes)
    while waiting:
        node = waiting.pop()
        objects.append(node)
        waiting.extend(getattr(node, "alternatives", ()))
        nested = getattr(node, "nested", None)
        if nested is not None:
            objects.extend(nested.callbacks)
            waiting.extend(nested.pipeline_nodes)
        elif hasattr(node, "op"):
            objects.extend((node.op, *node.op.callbacks))
    return objects


def _keys(pipeline: Pipeline) -> Iterator[Any]:
    """The functions and objects that are asked where a node chooses."""
    for node in pipeline.graph_nodes:
        yield from node.asks if isinstance(node, ChoosingNode) else ()
        for one in laid_out([node]):
            if isinstance(one, Node) and one.nested is not None:
                yield from _keys(one.nested)


class _Search:
    """Follows what code refers to.

    Args:
        roots: where to begin.
    """

    def __init__(self, roots: list[Any]) -> None:
        self._waiting = roots
        self._met: dict[int, Any] = {}  # kept, so that no other object is given the same id
        # Whatever is in one package with the ops is the user's as much as they are, wherever it is installed.
        self._tops = {_top(one) for root in roots for one in (root, *type(root).__mro__)} - _KNOWN

    def finds_flask(self) -> bool:
        """Whether something of Flask, or of an extension of Flask, can be reached."""
        while self._waiting:
            value = self._waiting.pop()
            if id(value) in self._met:
                continue
            self._met[id(value)] = value
            if _is_of_flask(value):
                return True
            self._waiting.extend(self._parts(value))
        return False

    def _parts(self, value: Any) -> Iterator[Any]:
        """What a value consists of, or refers to."""
        kind = type(value)  # to ask the value itself might run its code
        yield from bound_arguments(value)
        functions = list(unwrapped(value))
        if functions:
            for function in functions:
                yield from self._named(function)
        elif issubclass(kind, type):
            for base in value.__mro__:
                yield from list(vars(base).values()) if self._is_of_user(base) else ()
        elif issubclass(kind, dict | list | tuple | set | frozenset):
            if len(value) <= _LARGE:
                yield from list(value.values() if issubclass(kind, dict) else value)  # others may change it meanwhile
        elif not issubclass(kind, ModuleType):
            yield kind
            if any(self._is_of_user(base) for base in kind.__mro__):
                yield from list(getattr(value, "__dict__", {}).values())

    def _named(self, function: FunctionType) -> Iterator[Any]:
        """What the names in a function stand for, in its module and in those that it names."""
        if not self._is_of_user(function):
            return
        names = {name for code in _codes(function.__code__) for name in code.co_names}
        if any(_is_name_of_flask(name) for name in names):  # imported within the function
            yield flask
        namespaces = [function.__globals__]
        for namespace in namespaces:  # they become more
            for value in [namespace[name] for name in names if name in namespace]:
                yield value
                leads_on = type(value) is ModuleType and value.__name__.partition(".")[0] not in _KNOWN
                if leads_on and all(vars(value) is not one for one in namespaces):
                    namespaces.append(vars(value))
        yield from (value for _, value in captured(function))

    def _is_of_user(self, value: Any) -> bool:
        """Whether a class or a function is of the user's own code, so that it is worth looking into."""
        top = _top(value)
        if top in _KNOWN:
            return False
        file = getattr(sys.modules.get(str(value.__module__)), "__file__", None)
        return top in self._tops or not file or not is_installed(PurePath(file))


def _is_of_flask(value: Any) -> bool:
    kind = type(value)
    if kind is LocalProxy:
        return True
    if issubclass(kind, ModuleType):
        return _is_name_of_flask(value.__name__)
    return issubclass(kind, FunctionType | type) and value not in _HARMLESS and _is_name_of_flask(_top(value))


def _is_name_of_flask(name: str) -> bool:
    """Whether a module, or what has its name, is of Flask or of an extension of it."""
    top = name.partition(".")[0]
    return top == "flask" or top.startswith("flask_")


def _top(value: Any) -> str:
    """The name of the package that a class, a function or the class of an object is in."""
    return str(getattr(value, "__module__", "")).partition(".")[0]


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and those within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
