"""How does an op say how far it is, and to whom?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Reporter", "is_wanted", "progress", "redirected", "reporting_to"]

Reporter = Callable[[float, "float | None", str], None]

_reporter: ContextVar[Reporter | None] = ContextVar("chariots_progress", default=None)


def progress(current: float, total: float | None = None, message: str = "") -> None:
    """Says how far the op that calls this is.

    Whoever waits for a job sees it; where nobody does, as in a plain call, this costs next to nothing and does nothing.
    Call it as often as you like: what comes faster than it can be shown is left out.

    >>> from chariots.pipelines import progress
    >>> for epoch in range(3):
    ...     progress(epoch, 3, "training")

    Args:
        current: how much is done.
        total: how much there is to do; None where nobody knows.
        message: what is being done, for people.
    """
    report = _reporter.get()
    if report is not None:
        report(current, total, message)


def is_wanted() -> bool:
    """Whether anybody would hear of progress here; for frameworks that must be asked to tell."""
    return _reporter.get() is not None


@contextmanager
def reporting_to(report: Reporter) -> Iterator[None]:
    """While this lasts, `progress` in this context calls a function.

    Args:
        report: called with what `progress` was given.
    """
    token = _reporter.set(report)
    try:
        yield
    finally:
        _reporter.reset(token)


def redirected(make: Callable[[Reporter | None], Reporter]) -> Callable[[], None]:
    """From now on, `progress` in this context calls another function.

    Args:
        make: gets the function that it has called so far, or None, and returns the other one.

    Returns:
        puts back the former one, where the other is still the one that is called.
    """
    before = _reporter.get()
    now = make(before)
    _reporter.set(now)

    def put_back() -> None:
        if _reporter.get() is now:
            _reporter.set(before)

    return put_back
