"""How does an error leave the process in which it was raised, and still be the same error?

It is pickled where that works. Where something on it cannot be pickled, that is left behind; where even its class
cannot, its place is taken by a class of the same name with the nearest base that everybody has. Its frames come as
text, which Python shows above it as it shows any cause.
"""

from __future__ import annotations

import builtins
import pickle
import traceback
from dataclasses import dataclass
from typing import Any

import cloudpickle

from chariots.errors import RemoteTraceback

__all__ = ["PackedError", "pack_error"]


@dataclass(frozen=True, slots=True)
class PackedError:
    """An error on its way.

    Attributes:
        data: how it is made again, pickled.
        stack: what Python would have printed of it where it was raised.
    """

    data: bytes
    stack: str

    def unpack(self) -> BaseException:
        """Makes the error again; its cause shows the frames that it came through."""
        error = _made_again(*pickle.loads(self.data))  # noqa: S301  # from a process that runs what this one sends
        error.__cause__ = RemoteTraceback(self.stack)
        return error


def pack_error(error: BaseException) -> PackedError:
    """Packs an error, whatever is on it.

    Args:
        error: the error, as it was caught; its frames and causes are taken off it, for they travel as text.
    """
    stack = "".join(traceback.format_exception(error))
    error.__traceback__ = error.__cause__ = error.__context__ = None
    for attempt in (_whole, _without_what_cannot_go, _of_a_class_like_it):
        try:
            data = cloudpickle.dumps(attempt(error))
            again = _made_again(*pickle.loads(data))  # noqa: S301  # written in the line before
            if type(again).__name__ == type(error).__name__ and str(again) == str(error):
                return PackedError(data, stack)
        except Exception:  # noqa: BLE001  # what pickling somebody's class may raise has no end; the last cannot
            continue
    return PackedError(pickle.dumps((RuntimeError, None, (f"{type(error).__name__}: {error}",), {})), stack)


_Form = tuple[Any, BaseException | None, tuple[Any, ...], dict[str, Any]]


def _whole(error: BaseException) -> _Form:
    return type(error), error, (), {}


def _without_what_cannot_go(error: BaseException) -> _Form:
    args = tuple(arg if _can_go(arg) else repr(arg) for arg in error.args)
    return type(error), None, args, {name: value for name, value in vars(error).items() if _can_go(value)}


def _of_a_class_like_it(error: BaseException) -> _Form:
    base = next(kind for kind in type(error).__mro__ if vars(builtins).get(kind.__name__) is kind)
    _, _, args, state = _without_what_cannot_go(error)
    return (type(error).__name__, base, type(error).__module__), None, args, state


def _made_again(kind: Any, error: BaseException | None, args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    if error is not None:
        return error
    if isinstance(kind, tuple):
        name, base, module = kind
        kind = type(name, (base,), {"__module__": module})
    made: BaseException = kind.__new__(kind, *args)
    made.args = args  # its own constructor may take others than it keeps, and is not called
    vars(made).update(state)
    return made


def _can_go(value: Any) -> bool:
    try:
        pickle.loads(cloudpickle.dumps(value))  # noqa: S301  # written in the same breath
    except Exception:  # noqa: BLE001
        return False
    return True
