"""How often is an object store asked again, and what is said when it does not answer?"""

from __future__ import annotations

import importlib
import os
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from chariots.errors import StoreError, StoreFullError, StoreUnavailableError
from chariots.transfer.origins import ChangedError, PassingError
from chariots.web import RetryPolicy, deadline

__all__ = [
    "attempt",
    "is_of_library",
    "knows_no_place",
    "last_words",
    "library",
    "may_pass",
    "refusal",
    "refuse_after_fork",
    "status_of",
]

Answer = TypeVar("Answer")

# As many attempts as the deadline has room for.
_POLICY = RetryPolicy(attempts=100_000, base=0.1, maximum=5.0)
_STATUS = re.compile(r"status code: (\d{3})")
_WORTH_ANOTHER_TRY = (408, 425, 429)
_FULL = re.compile(r"QuotaExceeded|StorageFull|InsufficientStorage|AccountLimitExceeded")
_NO_PLACE = re.compile(r"NoSuchBucket|ContainerNotFound|ContainerBeingDeleted")
_RACE = re.compile(r"ConditionalRequestConflict")  # S3 has not decided yet which of two writers was first
_LONGEST = 400  # characters of a service's own words that a message repeats

# The threads of the library live in the process that first used it; after a fork it would wait for them for ever.
_used_by: int | None = None


def library(extra: str) -> Any:
    """The library that speaks with object stores.

    Args:
        extra: what to install to get it.

    Raises:
        ImportError: if it is not installed.
    """
    try:
        return importlib.import_module("obstore")
    except ImportError as error:
        raise ImportError(
            "an object store was to be used, but the library that speaks with it is not installed; run "
            f"`pip install 'chariots[{extra}]'`"
        ) from error


def attempt(action: Callable[[], Answer], doing: str, seconds: float | None) -> Answer:
    """Does something with an object store, again and again while it fails in a way that may pass.

    Args:
        action: what to do; it may be done several times.
        doing: what was to be done, for the message: ``the object 'a' was to be read from the bucket 'b'``.
        seconds: how long to go on; the deadline of the request at hand may shorten it. None for a single attempt.

    Returns:
        what the action returned.

    Raises:
        FileNotFoundError: if there is no such object.
        StoreFullError: if a quota is used up.
        StoreUnavailableError: if the service does not answer, does not let us in, or has no such bucket; or if the
            object was replaced while it was read.
        AlreadyExistsError: of the library, at once.
    """
    refuse_after_fork(doing)
    failures = importlib.import_module("obstore").exceptions
    started, pauses = time.monotonic(), _POLICY.delays()
    with deadline.scope(seconds):
        for tried, pause in enumerate(pauses, 1):
            try:
                return action()
            except FileNotFoundError as error:
                if knows_no_place(error):
                    raise refusal(error, doing) from error
                raise FileNotFoundError(f"{doing}, but there is no such object; check the name and the root") from error
            except ChangedError as error:
                raise StoreUnavailableError(
                    f"{doing}, but it was replaced meanwhile, so that what has come is of no use; try again"
                ) from error
            except (failures.BaseError, NotImplementedError, PassingError) as error:
                if isinstance(error, failures.AlreadyExistsError) and not _RACE.search(str(error)):
                    raise
                left = deadline.remaining()
                if seconds is None:
                    raise refusal(error, doing) from error
                if not may_pass(error, failures) or (left is not None and left <= pause):
                    spent = time.monotonic() - started
                    raise refusal(error, doing, f"{_times(tried)} in {spent:.1f} s") from error
            except BaseException as error:
                if not _is_panic(error):  # that is no Exception, so that it would end a thread of a server
                    raise
                raise refusal(error, doing) from error
            time.sleep(pause)
    raise AssertionError("a deadline ends before so many attempts")


def refusal(error: BaseException, doing: str, tried: str = "") -> StoreError:
    """Makes the failure that callers know from one of the library.

    Args:
        error: what the library raised.
        doing: what was to be done.
        tried: how often and how long, where it was tried more than once.

    Returns:
        the failure to raise.
    """
    words = last_words(error)
    if status_of(error) == 507 or _FULL.search(words):
        return StoreFullError(
            f"{doing}, but the service has no room left: {words}; make room or raise the quota, then try again "
            "(nothing was left behind)"
        )
    if _NO_PLACE.search(words):
        return StoreUnavailableError(
            f"{doing}, but the service knows no such bucket or container; make it, or correct its name: {words}"
        )
    if type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError") or status_of(error) in (401, 403):
        return StoreUnavailableError(
            f"{doing}, but the service does not allow it: {words}; check the credentials and their rights"
        )
    counted = f"after {tried} it still failed" if tried else "it failed"
    return StoreUnavailableError(
        f"{doing}, but {counted}: {words}; check that the service is up and its address is right, then try again "
        "(nothing was changed)"
    )


def last_words(error: BaseException) -> str:
    """What the library said, on one short line and without what may be secret in an address."""
    text = str(error).partition("\n\nDebug source:")[0]
    text = re.sub(r"(https?://[^\s?]*)\?\S*", r"\1", text)
    if "error sending request" in text:
        cause = re.search(r'message: "([^"]+)"|\bTimedOut\b', str(error))
        text += f" ({cause.group(1) or 'timed out'})" if cause else ""
    text = " ".join(re.sub(r"<[^<>]+>", " ", text).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def status_of(error: BaseException) -> int | None:
    """The HTTP status that the service answered with, if it answered."""
    found = _STATUS.search(str(error))
    return int(found.group(1)) if found else None


def is_of_library(error: BaseException) -> bool:
    """Tells whether a failure is one of the library.

    Args:
        error: what was raised.
    """
    failures = importlib.import_module("obstore").exceptions
    return isinstance(error, failures.BaseError | FileNotFoundError | NotImplementedError) or _is_panic(error)


def _is_panic(error: BaseException) -> bool:
    # The library panics where it can make no request of an address; the class of that cannot be imported.
    return type(error).__name__ == "PanicException"


def knows_no_place(error: BaseException) -> bool:
    """Tells whether the service has no bucket or container of that name.

    Args:
        error: what the library raised.
    """
    return _NO_PLACE.search(str(error)) is not None


def may_pass(error: BaseException, failures: Any) -> bool:
    """Tells whether asking again may help: no answer, or one that the server itself was not happy with.

    Args:
        error: what was raised.
        failures: the exceptions of the library.
    """
    if isinstance(error, failures.AlreadyExistsError | PassingError):
        return True
    if not isinstance(error, failures.GenericError | failures.JoinError):
        return False
    status = status_of(error)
    return status is None or status >= 500 or status in _WORTH_ANOTHER_TRY


def _times(tried: int) -> str:
    return "one attempt" if tried == 1 else f"{tried} attempts"


def refuse_after_fork(doing: str) -> None:
    """Makes sure that this process is the one that used the library first.

    Args:
        doing: what was to be done, for the message.

    Raises:
        StoreUnavailableError: if it is a fork of that one.
    """
    global _used_by
    if _used_by is None:
        _used_by = os.getpid()
    if _used_by != os.getpid():
        raise StoreUnavailableError(
            f"{doing}, but this process was forked from one that had used an object store already, which its library "
            "does not survive; fork first, or start processes with the method 'spawn'"
        )
