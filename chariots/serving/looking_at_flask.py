"""Might the code that a pipeline runs look at Flask's request?

Nothing tells for certain. What can be seen is whether the modules in which the ops and callbacks of a pipeline are
defined, or their own methods, use anything of Flask. What hides deeper shows when it runs: outside of a request, Flask
raises a `RuntimeError` at the first look.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import flask
from werkzeug.local import LocalProxy

from chariots.pipelines.choosing_nodes import ChoosingNode
from chariots.pipelines.nodes import Node, laid_out

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.runners import BaseRunner

__all__ = ["is_about_context", "looks_at_flask"]

_KNOWN = frozenset({"abc", "builtins", "chariots"})  # whose code does not
_HARMLESS = (flask.Flask, flask.Blueprint)


def looks_at_flask(pipeline: Pipeline, runner: BaseRunner) -> bool:
    """Whether some code of the user's in a pipeline uses Flask, as far as can be seen.

    Args:
        pipeline: the pipeline.
        runner: who runs it.
    """
    return any(_uses_flask(one) for one in (*_classes(pipeline, runner), *_keys(pipeline)))


def is_about_context(error: Exception) -> bool:
    """Whether an exception says that Flask was asked for a request where there is none."""
    return type(error) is RuntimeError and str(error).startswith("Working outside of ")


def _classes(pipeline: Pipeline, runner: BaseRunner) -> set[type]:
    """The classes, those of chariots left out, whose code runs along with a pipeline."""
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
    bases = {base for one in objects for base in type(one).__mro__}
    return {base for base in bases if base.__module__.partition(".")[0] not in _KNOWN}


def _keys(pipeline: Pipeline) -> Iterator[Any]:
    """The functions, or the classes of the objects, that are asked where a node chooses."""
    for node in pipeline.graph_nodes:
        for asked in node.asks if isinstance(node, ChoosingNode) else ():
            yield asked if isinstance(asked, FunctionType) else type(asked)
        for one in laid_out([node]):
            if isinstance(one, Node) and one.nested is not None:
                yield from _keys(one.nested)


def _uses_flask(kind: type | FunctionType) -> bool:
    module = sys.modules.get(kind.__module__)
    if module is None:
        return True  # nobody knows
    if any(_is_of_flask(value) for value in list(vars(module).values())):
        return True
    functions = (value for value in (kind, *vars(kind).values()) if isinstance(value, FunctionType))
    return any("flask" in code.co_names for function in functions for code in _codes(function.__code__))


def _is_of_flask(value: Any) -> bool:
    if type(value) is LocalProxy:
        return True
    if isinstance(value, ModuleType):
        return value.__name__.partition(".")[0] == "flask"
    if not isinstance(value, FunctionType | type) or value in _HARMLESS:
        return False
    return str(value.__module__).partition(".")[0] == "flask"


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and those within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
