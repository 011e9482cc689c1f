"""Which hooks around a request may be passed by, because for this request they would do nothing?

A service may answer its commonest requests beneath Flask's dispatch. It may do so only if no hook of the application
would have had its say. A hook of ours says here for which requests that is so; a hook of anybody else always counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["all_bypassed", "bypassed_when", "is_foreign"]

Hook = TypeVar("Hook", bound=Callable[..., Any])

_MARK = "chariots_bypassed_when"


def bypassed_when(judge: Callable[[WSGIEnvironment], bool]) -> Callable[[Hook], Hook]:
    """Says for which requests a hook would do nothing; it may then not be called.

    Args:
        judge: gets the WSGI environment of a request, quickly and without changing anything.

    Returns:
        a decorator for functions that are given to ``before_request``, ``after_request`` or ``teardown_request``.
    """

    def mark(hook: Hook) -> Hook:
        setattr(hook, _MARK, judge)
        return hook

    return mark


def is_foreign(hook: Callable[..., Any]) -> bool:
    """Whether a hook is one that always counts.

    Args:
        hook: what Flask would call.
    """
    return not hasattr(hook, _MARK)


def all_bypassed(hooks: Iterable[Callable[..., Any]], environ: WSGIEnvironment) -> bool:
    """Whether none of some hooks would do anything for a request.

    Args:
        hooks: what Flask would call.
        environ: of the request.
    """
    for hook in hooks:
        judge = getattr(hook, _MARK, None)
        if judge is None or not judge(environ):
            return False
    return True
