"""What does a failure of a bucket mean for a transfer: try again, begin anew, or give up, and say what to do?"""

from __future__ import annotations

import re
from typing import Final

from chariots.errors import (
    ChariotsError,
    ForbiddenError,
    InputError,
    UnauthorizedError,
    UnknownNameError,
    UnreachableError,
)
from chariots.op_store.savers.attempts import knows_no_place, last_words, may_pass, status_of
from chariots.transfer.origins import PassingError
from chariots.transfer.sources.stores import Store

__all__ = ["failure_of", "final_failure_of"]

_CODE: Final = re.compile(r"<Code>\s*([A-Za-z0-9]{1,60})\s*</Code>")
# What services answer, some of them with 400 or 403, where the keys themselves are wrong.
_WRONG_KEYS: Final = re.compile(
    r"InvalidAccessKeyId|SignatureDoesNotMatch|AuthenticationFailed|ExpiredToken|InvalidToken|InvalidSecurity"
    r"|invalid_grant|NoAuthenticationInformation|AuthorizationHeaderMalformed|MissingSecurityHeader"
)
# Where there are no keys, the library asks services that only machines of a cloud have.
_NO_KEYS: Final = re.compile(
    r"169\.254\.169\.254|metadata\.google\.internal|[Mm]issing credentials|\bcredentials?\b.*not"
)
_REGION: Final = re.compile(
    r"PermanentRedirect|without LOCATION|IllegalLocationConstraint|incorrectly configured region"
)


def failure_of(error: BaseException, store: Store, name: str = "") -> Exception:
    """Says what a failure means for whoever fetches an object.

    Args:
        error: what the library raised.
        store: the bucket.
        name: the name of the object; empty for the bucket itself.

    Returns:
        `PassingError` if it may succeed later, and otherwise a child of `ChariotsError` whose message says what to do.
    """
    failures = store.library.exceptions
    if isinstance(error, FileNotFoundError) or not may_pass(error, failures) or _NO_KEYS.search(str(error)):
        return final_failure_of(error, store, name)
    return PassingError(f"{store.place.shown(name)} could not be read: {last_words(error)}")


def final_failure_of(error: BaseException, store: Store, name: str = "") -> ChariotsError:
    """Says what a failure means that does not pass, or has not passed for too long.

    Args:
        error: what the library raised.
        store: the bucket.
        name: the name of the object; empty for the bucket itself.
    """
    shown, text = store.place.shown(name), str(error)
    told = _CODE.search(text)
    status = status_of(error)
    code = told[1] if told else "" if status is None else str(status)
    answered = f" (answered with {code})" if code else ""
    if knows_no_place(error):
        return UnknownNameError(
            f"{shown} cannot be read: the service knows no such bucket or container{answered}; correct its name"
        )
    if isinstance(error, FileNotFoundError):
        return UnknownNameError(
            f"{shown} is not there{answered}: it was removed, or never was; make a new manifest, or correct the name"
        )
    if _REGION.search(text):
        return InputError(
            f"{shown} is in another region than was asked{answered}; correct the region in the manifest, in the "
            f"secret {store.secret_name!r} or in AWS_REGION"
        )
    wrong_keys = _WRONG_KEYS.search(text)
    if wrong_keys or _NO_KEYS.search(text) or status == 401 or type(error).__name__ == "UnauthenticatedError":
        what = (
            f"the keys in the secret {store.secret_name!r} are wrong or expired"
            if store.has_secret
            else _no_keys(store)
        )
        return UnauthorizedError(f"{shown} cannot be read{answered}: {what}")
    if status == 403 or type(error).__name__ == "PermissionDeniedError":
        whose = f"those of the secret {store.secret_name!r}" if store.has_secret else "those of the environment"
        return ForbiddenError(
            f"{shown} may not be read{answered}: the keys, {whose}, are wrong, or do not allow it; give them the "
            "right to read and to list"
        )
    if isinstance(error, store.library.exceptions.InvalidPathError):
        return InputError(
            f"{shown} cannot be read: the bucket holds an object whose name has an empty part, '.' or '..', which no "
            f"file can have: {last_words(error)}; rename it"
        )
    return UnreachableError(
        f"{shown} cannot be read: {last_words(error)}; check that the service is up and its address is right"
    )


def _no_keys(store: Store) -> str:
    return (
        f"there is no secret {store.secret_name!r}, and no usable keys in the environment; put the keys into the "
        "secret, or set AWS_SKIP_SIGNATURE, GOOGLE_SKIP_SIGNATURE or AZURE_SKIP_SIGNATURE to 'true' for public buckets"
    )
