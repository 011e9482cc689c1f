"""Under which name can another process import this app?

A job names its app, as ``"module:attribute"``; it never carries it. The name is found by looking for a module
that holds the very object, and read back by importing that module, once per worker process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from chariots.errors import ConflictError
from chariots.workers.app_loading import load_app

if TYPE_CHECKING:
    from chariots.serving import PipelinesServer

__all__ = ["CONFIG_KEY", "VARIABLE", "find", "find_or", "find_where", "load"]

CONFIG_KEY = "CHARIOTS_APP"
VARIABLE = "CHARIOTS_WORKER_APP"  # what a server calls its app, for the workers that it starts

_loaded: dict[str, PipelinesServer] = {}
_found: WeakKeyDictionary[PipelinesServer, str] = WeakKeyDictionary()


def find(app: PipelinesServer) -> str:
    """Names an app for another process.

    Args:
        app: the app. ``app.config["CHARIOTS_APP"]`` decides where it is set; otherwise every imported module
            is searched for an attribute that is this object.

    Returns:
        ``"module:attribute"``.

    Raises:
        ConflictError: if no importable module holds the app; the message says what to do.
    """
    told = app.config.get(CONFIG_KEY)
    if told:
        return str(told)
    found = _found.get(app)
    if found is None or not _is_there(app, found):  # to look through all modules takes 20 ms
        found = find_where(lambda value: value is app, first=app.import_name)
    if found is not None:
        _found[app] = found
        return found
    location = getattr(app, "location", None)  # set by `chariots serve module:function`
    if location:
        return str(location)
    raise ConflictError(
        f"a worker was to run a pipeline of app {app.import_name!r}, but a worker is another process, and "
        f"no module that it could import holds this app{_why_not(app)}. Assign the app to a name at the top "
        "of a module and start the server from there (`chariots serve module:app`), or say where a worker "
        f'finds it: app.config["{CONFIG_KEY}"] = "module:app".'
    )


def _is_there(app: PipelinesServer, reference: str) -> bool:
    module, _, attribute = reference.partition(":")
    return getattr(sys.modules.get(module), attribute, None) is app


def find_or(app: PipelinesServer, otherwise: str) -> str:
    """Names an app as a server does that queues jobs for it; see `find`.

    Args:
        app: the app.
        otherwise: the name where none can be found.
    """
    try:
        return find(app)
    except ConflictError:
        return otherwise


def find_where(is_wanted: Callable[[Any], bool], first: str = "") -> str | None:
    """Searches the imported modules for an attribute.

    Args:
        is_wanted: tells the wanted value from all others.
        first: the module that is preferred when several hold the value.

    Returns:
        ``"module:attribute"``, or None if no importable module holds it.
    """
    found = [
        (module.__name__ != first, module.__name__.count("."), module.__name__, attribute)
        for module in _importable_modules()
        for attribute, value in list(vars(module).items())
        if is_wanted(value)
    ]
    if not found:
        return None
    *_, module_name, attribute = min(found)
    return f"{module_name}:{attribute}"


def load(reference: str) -> PipelinesServer:
    """Imports the app a job names; the second time in one process it is already there.

    Args:
        reference: ``"module:attribute"``; the attribute may be dotted, or a function that makes the app.

    Returns:
        the app.

    Raises:
        UnknownNameError: if there is no such module or attribute, or what is there is not an app.
    """
    app = _loaded.get(reference)
    if app is None:
        app = _loaded[reference] = load_app(reference)
    return app


def _importable_modules() -> Iterator[ModuleType]:
    for name, module in list(sys.modules.items()):
        # A module that runs as a script is __main__, which another process cannot import; one that was
        # entered under a second name is met under its own.
        if name != "__main__" and isinstance(module, ModuleType) and module.__name__ == name:
            yield module


def _why_not(app: PipelinesServer) -> str:
    main = sys.modules.get("__main__")
    names = [name for name, value in vars(main).items() if value is app] if main else []
    if not names:
        return " (it was made inside a function, or its name was given to something else)"
    path = getattr(main, "__file__", None)
    if path is None:
        return f" (it is {names[0]!r} of a notebook or an interactive session)"
    return f" (it is {names[0]!r} of {Path(path).name}, which runs as a script)"
