"""What can go wrong, and what does each failure look like to a person and over HTTP? (RFC 9457)

Every failure that chariots itself reports is a `ChariotsError`. Its children carry the HTTP status they travel
under, and also inherit from the builtin exception a careful caller would catch without knowing chariots.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

__all__ = [
    "ChariotsError",
    "VersionError",
    "NotLoadedError",
    "BackendError",
    "RemoteTraceback",
    "UnknownNameError",
    "ExpiredError",
    "InputError",
    "MalformedRequestError",
    "BodyTooLargeError",
    "MediaTypeError",
    "NotAcceptableError",
    "MissingExtraError",
    "ConflictError",
    "NoWorkerPoolError",
    "JobTimeoutError",
    "AlreadySavedError",
    "UnreachableError",
    "OverloadedError",
    "TooManyRequestsError",
    "DeadlinePassedError",
    "NodeTimeoutError",
    "WorkerLostError",
    "StoreError",
    "DamagedError",
    "StoreFullError",
    "StoreUnavailableError",
    "UntrustedError",
    "ForbiddenError",
    "UnauthorizedError",
    "nearest",
    "VERSION_HINT",
]

VERSION_HINT = (
    "the pipeline you requested cannot be loaded because of version incompatibility"
    "HINT: retrain and save/reload in order to have a loadable version"
)


_CLOSELY = 100  # names that are compared letter by letter


def nearest(name: str, known: Iterable[str]) -> str:
    """Words a suggestion for a name that is not known.

    Args:
        name: what was asked for.
        known: every name that would have been accepted.

    Returns:
        ``" Did you mean 'x'?"`` with a leading space, or an empty string where nothing is close.
    """
    import difflib  # once somebody errs

    likely = list(known)
    if len(likely) > _CLOSELY:
        # A close look takes a millisecond where names are long, and thousands of them would keep a server busy.
        glance = difflib.SequenceMatcher(None, "", name)

        def at_most(other: str) -> float:
            glance.set_seq1(other)
            return glance.quick_ratio()

        likely = heapq.nlargest(_CLOSELY, likely, at_most)
    close = difflib.get_close_matches(name, likely, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


class ChariotsError(Exception):
    """Any failure that chariots itself reports.

    Attributes:
        status: the HTTP status this failure travels under.
        slug: the last part of the problem's ``type`` URI; one word for one kind of failure.
        title: the kind of failure, the same for every occurrence.
        extra: further members of the problem body (RFC 9457, section 3.2).
    """

    status = 500
    slug = "internal-error"
    title = "Internal error"

    def __init__(self, message: str = "", **extra: Any) -> None:
        super().__init__(message)
        self.extra = extra

    @property
    def detail(self) -> str:
        """The sentence for this occurrence."""
        return str(self.args[0]) if self.args else ""

    def problem(self) -> dict[str, Any]:
        """The body of an ``application/problem+json`` answer, without the request id."""
        return {
            "type": f"urn:chariots:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.extra,
        }


class VersionError(ChariotsError, TypeError):
    """Raised when a pipeline would run a version that was never validated with its neighbours."""

    status = 419
    slug = "version-incompatibility"
    title = "Version incompatibility"

    @staticmethod
    def handle() -> tuple[str, int]:
        """The documented text and status of a refused load, as a Flask view may return them.

        Returns:
            the hint that clients of chariots 0.2 show, and 419.
        """
        return VERSION_HINT, VersionError.status


class NotLoadedError(VersionError):
    """Raised when a pipeline is asked for predictions before its trained ops were loaded."""

    slug = "not-loaded"
    title = "Pipeline not loaded"


class RemoteTraceback(Exception):
    """The stack of a failure in another process, shown as the cause of the local exception."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text.rstrip()}\n"""'


class BackendError(ChariotsError, ImportError, ValueError):
    """Raised in a client when a pipeline failed on the server; its cause shows the remote stack."""

    slug = "op-failed"
    title = "An op of the pipeline failed"


class UnknownNameError(ChariotsError, ValueError):
    """Raised when a pipeline, op, version or job that does not exist is asked for."""

    status = 404
    slug = "unknown-name"
    title = "Unknown name"


class ExpiredError(UnknownNameError):
    """Raised when the result of a job is asked for that was kept for a time, and is gone."""

    status = 410
    slug = "expired"
    title = "Expired"


class InputError(ChariotsError, ValueError):
    """Raised when an input does not have the declared form; ``extra['errors']`` lists where and why."""

    status = 422
    slug = "invalid-input"
    title = "Invalid input"


class MalformedRequestError(ChariotsError, ValueError):
    """Raised when a request body is not what its content type promises."""

    status = 400
    slug = "malformed-request"
    title = "Malformed request"


class BodyTooLargeError(ChariotsError, ValueError):
    """Raised when a request body is larger than the server accepts."""

    status = 413
    slug = "body-too-large"
    title = "Body too large"


class MediaTypeError(ChariotsError, ValueError):
    """Raised when a request is sent in a form that cannot be used for what it asks."""

    status = 415
    slug = "unsupported-media-type"
    title = "Unsupported media type"


class NotAcceptableError(ChariotsError, ValueError):
    """Raised when an answer has no form among those that the request accepts."""

    status = 406
    slug = "not-acceptable"
    title = "Not acceptable"


class MissingExtraError(MediaTypeError, ImportError):
    """Raised when a form or a setting needs a library that is not installed; the message names the extra with it."""

    slug = "missing-extra"
    title = "Missing extra"


class ConflictError(ChariotsError, ValueError):
    """Raised when a request contradicts what is already there."""

    status = 409
    slug = "conflict"
    title = "Conflict"


class NoWorkerPoolError(ConflictError):
    """Raised when a call asks for a worker and the server has no pool."""

    slug = "no-worker-pool"
    title = "No worker pool"


class JobTimeoutError(ChariotsError, TimeoutError):
    """Raised for a job that took longer than it may."""

    status = 504
    slug = "job-timeout"
    title = "Job timeout"


class AlreadySavedError(ConflictError):
    """Raised when another attempt has saved under a key before; ``extra['attempt']`` says which."""

    slug = "already-saved"
    title = "Already saved"


class UnreachableError(ChariotsError, ConnectionError):
    """Raised in a client when the server did not answer in time or not at all."""

    status = 503
    slug = "unreachable"
    title = "Unreachable"


class OverloadedError(UnreachableError):
    """Raised when so many requests wait already that a server takes no more; nothing was begun."""

    slug = "overloaded"
    title = "Overloaded"


class TooManyRequestsError(ChariotsError, ConnectionError):
    """Raised when a client asks for more than it may; ``extra['retry_after']`` says when it may again, in seconds."""

    status = 429
    slug = "too-many-requests"
    title = "Too many requests"


class DeadlinePassedError(ChariotsError, TimeoutError):
    """Raised when the time that a request was given has passed before it was begun."""

    status = 504
    slug = "deadline-passed"
    title = "Deadline passed"


class NodeTimeoutError(ChariotsError, TimeoutError):
    """Raised when a node of a pipeline took longer than the timeout it was given."""

    slug = "node-timeout"
    title = "A node took too long"


class WorkerLostError(ChariotsError, RuntimeError):
    """Raised when the process that ran a node, or the machine it was on, is gone; the node may be tried again."""

    slug = "worker-lost"
    title = "The worker of a node is gone"


class StoreError(ChariotsError, ValueError):
    """Raised when the op store could not keep or return what it was asked for.

    Clients of chariots 0.2 catch whatever a server answers with a 500 as a `ValueError`.
    """

    slug = "store-failed"
    title = "Op store failure"


class DamagedError(StoreError):
    """Raised when bytes are not those that were saved: their SHA-256 is another."""

    status = 422
    slug = "damaged"
    title = "Damaged bytes"


class StoreFullError(StoreError):
    """Raised when the disk, the bucket or the quota of the op store is full; nothing of the save is left behind."""

    status = 507
    slug = "store-full"
    title = "Op store full"


class StoreUnavailableError(StoreError):
    """Raised when the op store's database or the place of its bytes cannot be reached at the moment."""

    status = 503
    slug = "store-unavailable"
    title = "Op store unavailable"


class UntrustedError(ChariotsError, PermissionError):
    """Raised when bytes are not of a trusted format, or not signed by a trusted key; they are never read then."""

    status = 403
    slug = "untrusted"
    title = "Untrusted bytes"


class ForbiddenError(ChariotsError, PermissionError):
    """Raised when a request's token does not allow what it asks for, or it comes from where none may come."""

    status = 403
    slug = "forbidden"
    title = "Forbidden"


class UnauthorizedError(ForbiddenError):
    """Raised when a request brings no token, or an unknown one, where one is needed."""

    status = 401
    slug = "unauthorized"
    title = "Unauthorized"
