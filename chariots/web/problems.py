"""How does a failure become a problem body, and a problem body an exception again? (RFC 9457)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chariots import errors
from chariots.errors import BackendError, ChariotsError, RemoteTraceback
from chariots.web.remote import remote_stack, render_stack

__all__ = ["PROBLEM_TYPE", "problem_of", "error_from_problem"]

PROBLEM_TYPE = "application/problem+json"
_PREFIX = "urn:chariots:"
_STANDARD = ("type", "title", "status", "detail")

_BY_STATUS: dict[int, type[ChariotsError]] = {
    400: errors.MalformedRequestError,
    401: errors.UnauthorizedError,
    403: errors.ForbiddenError,
    404: errors.UnknownNameError,
    409: errors.ConflictError,
    413: errors.BodyTooLargeError,
    419: errors.VersionError,
    422: errors.InputError,
    502: errors.UnreachableError,
    503: errors.UnreachableError,
    504: errors.UnreachableError,
}


def problem_of(exc: BaseException) -> dict[str, Any]:
    """Makes the problem body of an exception, without the request id.

    Args:
        exc: a `ChariotsError`, an HTTP exception of werkzeug, or any other exception.

    Returns:
        ``type``, ``title``, ``status``, ``detail`` and further members; for failures of code (500) the
        ``remote_stack``: of what a `ChariotsError` was raised from, or of the exception itself.
    """
    if isinstance(exc, ChariotsError):
        problem = exc.problem()
        # Not for a 503: which line of a library met the closed door helps nobody who reads the sentence.
        if exc.status == 500 and "remote_stack" not in problem and exc.__cause__ is not None:
            problem["remote_stack"] = remote_stack(exc.__cause__)
        return problem
    code = getattr(exc, "code", None)
    if isinstance(code, int) and hasattr(exc, "get_response"):
        title = str(getattr(exc, "name", "Error"))
        detail = str(getattr(exc, "description", None) or title)
        return {"type": "about:blank", "title": title, "status": code, "detail": detail}
    stack = remote_stack(exc)
    message = f": {stack['message']}" if stack["message"] else ""
    return {
        "type": f"{_PREFIX}{ChariotsError.slug}",
        "title": ChariotsError.title,
        "status": 500,
        "detail": f"{stack['class']}{message}",
        "remote_stack": stack,
    }


def error_from_problem(problem: Mapping[str, Any], status: int | None = None) -> ChariotsError:
    """Turns a problem body back into the exception it came from.

    Args:
        problem: the decoded body; any shape is tolerated.
        status: the HTTP status it came with.

    Returns:
        the child of `ChariotsError` that the problem's type names, or else its status. Its ``extra`` holds
        the further members. If the body carries a remote stack, the exception has it as its cause, so that
        an uncaught one prints the remote traceback above the local one.
    """
    slug = str(problem.get("type", "")).removeprefix(_PREFIX)
    number = status if status is not None else problem.get("status")
    code = number if isinstance(number, int) and not isinstance(number, bool) else 500
    extra = {str(name): value for name, value in problem.items() if name not in _STANDARD}
    detail = str(problem.get("detail") or problem.get("title") or f"The server answered {code}.")
    error = _class_for(slug, code)(detail)
    error.extra = extra
    error.status = code
    stack = extra.get("remote_stack")
    if isinstance(stack, Mapping) and stack:
        error.__cause__ = RemoteTraceback(render_stack(stack))
    return error


def _class_for(slug: str, status: int) -> type[ChariotsError]:
    for kind in _kinds(ChariotsError):
        if kind.slug == slug and kind is not ChariotsError:
            return kind
    return _BY_STATUS.get(status) or (BackendError if status >= 500 else ChariotsError)


def _kinds(kind: type[ChariotsError]) -> Iterator[type[ChariotsError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _kinds(child)
