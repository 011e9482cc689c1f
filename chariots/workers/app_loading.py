"""Which app does the text "module:app" mean?"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from chariots.errors import UnknownNameError, nearest

if TYPE_CHECKING:
    from chariots.serving import PipelinesServer

__all__ = ["is_app", "load_app", "only_looking", "stand_in_folder"]

# Where stores of apps go that are only looked at; None where apps are made to be used.
_stand_in: ContextVar[Path | None] = ContextVar("chariots_stand_in", default=None)

_ENTRY_POINT = "execute_pipeline"  # what makes an object an app, on a floor that must not know servers


def is_app(value: object) -> bool:
    """Whether a value is a pipelines server."""
    return not isinstance(value, type) and hasattr(value, _ENTRY_POINT)


@contextmanager
def only_looking() -> Iterator[None]:
    """While this lasts, the apps that are made ask no op store and load nothing: somebody only looks at their code."""
    with tempfile.TemporaryDirectory(prefix="chariots-look-") as folder:
        token = _stand_in.set(Path(folder))
        try:
            yield
        finally:
            _stand_in.reset(token)


def stand_in_folder() -> Path | None:
    """Where an app that is only looked at may put what it would keep in its own folder; None for any other app."""
    return _stand_in.get()


def load_app(location: str) -> PipelinesServer:
    """Imports a module and returns the pipelines server in it.

    The current folder is importable, as it is for ``flask run``.

    Args:
        location: ``"module:app"``; ``"module"`` alone where the module holds one server;
            ``"module:create_app"`` or ``"module:create_app()"`` where a function makes it.

    Returns:
        the server, its ``location`` set to the text.

    Raises:
        UnknownNameError: if there is no such module or name, what is there is not a pipelines server, or the module
            holds several and none was named.
    """
    module_name, _, attribute = location.strip().partition(":")
    module = _import(module_name.removesuffix(".py").replace("/", "."), location)
    found = _named(module, attribute.removesuffix("()"), location) if attribute else _only_app(module, location)
    if callable(found) and not is_app(found) and not isinstance(found, type):
        found = found()
    if not is_app(found):
        raise UnknownNameError(
            f"app {location!r} was asked for, but that is {_kind(found)}. "
            "Name a PipelinesServer or Chariots object, or a function that returns one."
        )
    app: PipelinesServer = found
    app.location = location
    return app


def _kind(found: object) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else f"a {type(found).__name__}"


def _import(module_name: str, location: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        if not all(part.isidentifier() for part in module_name.split(".")):
            raise ModuleNotFoundError(f"{module_name!r} is not the name of a module", name=module_name)
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not _is_part(error.name, module_name):
            raise  # the module is there; what it imports is not
        raise UnknownNameError(
            f"app {location!r} was asked for, but there is no module {module_name!r} in {here} nor installed. "
            "Write module:app, and start from the folder that holds the module."
        ) from error


def _is_part(missing: str, module_name: str) -> bool:
    return module_name == missing or module_name.startswith(missing + ".")


def _named(module: ModuleType, attribute: str, location: str) -> Any:
    found: Any = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            known = [name for name, value in vars(module).items() if is_app(value)]
            listed = f" Its apps are: {', '.join(known)}." if known else " It holds no pipelines server."
            raise UnknownNameError(
                f"app {location!r} was asked for, but module {module.__name__!r} has no {attribute!r}."
                f"{nearest(attribute, known)}{listed}"
            ) from error
    return found


def _only_app(module: ModuleType, location: str) -> Any:
    # One app under two names is still one app.
    found = {id(value): name for name, value in vars(module).items() if is_app(value)}
    if len(found) == 1:
        return getattr(module, next(iter(found.values())))
    for factory in ("create_app", "make_app"):
        if not found and callable(getattr(module, factory, None)):
            return getattr(module, factory)
    if found:
        raise UnknownNameError(
            f"app {location!r} was asked for, but the module holds several: {', '.join(found.values())}. "
            f"Name one, for example {module.__name__}:{next(iter(found.values()))}."
        )
    raise UnknownNameError(
        f"app {location!r} was asked for, but the module holds no PipelinesServer. "
        f"Create one there, or name where it is: {module.__name__}:name."
    )
