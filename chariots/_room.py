"""How does code that is called from deep inside run as fast as any other? (room for frames, taken once)

CPython keeps the frames of a thread in pieces of 16 KiB. It asks the system for a piece when a call has no room in the
last one, and gives it back when that call is over. Where a loop happens to stand at the edge of a piece, each of its
calls asks and gives back: importing scikit-learn beneath a web server's dozens of frames did that 25,000 times, which
was a fifth of the start. A piece is as large as the frame it is made for needs, so that one frame that claims to need
much leaves room for all that it calls; of that memory, only what frames reach is ever touched.

Source: ``push_chunk`` and ``_PyThreadState_PopFrame`` in CPython's ``Python/pystate.c``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

__all__ = ["with_room"]

# Slots of 8 bytes. A piece has a power of two of bytes, and this is just more than one of them holds: nearly half of
# the piece, 256 KiB, is left for the frames of what is called, which is about as much as Python's limit of 1,000 needs.
_CLAIMED: Final = 2**15 + 1

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def with_room(work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
    """Calls a function so that no call beneath it has to ask for memory to keep its frame in.

    Args:
        work: the function; it runs in this thread.
        *args: for it.
        **kwargs: for it.

    Returns:
        what it returns.
    """
    return work(*args, **kwargs)


with_room.__code__ = with_room.__code__.replace(co_stacksize=_CLAIMED)
