"""Why does the Hugging Face hub not show a repository, and what can one do?"""

from __future__ import annotations

import http.client
from typing import Final

from chariots.errors import (
    ChariotsError,
    ForbiddenError,
    TooManyRequestsError,
    UnauthorizedError,
    UnknownNameError,
    UnreachableError,
)
from chariots.transfer.model_repo import ModelRepo
from chariots.web.attempts import retry_after
from chariots.web.replies import Reply

__all__ = ["refusal"]

_TOKENS: Final = "/settings/tokens"


def refusal(reply: Reply, repo: ModelRepo, endpoint: str, has_token: bool) -> ChariotsError:
    """Makes the failure that an answer stands for.

    Args:
        reply: the answer, which is not the wanted one.
        repo: the repository that was asked for.
        endpoint: the address of the hub.
        has_token: whether a token was shown.

    Returns:
        the failure to raise; its message says what to do.
    """
    status = reply.status
    code = next((text for name, text in reply.headers.items() if name.lower() == "x-error-code"), "")[:40]
    where = f"the repository {repo.repo_id!r} at {endpoint}"
    answered = f"(answered with {status}{f' {code}' if code.isalnum() else ''})"
    secret = repr(repo.runtime_secret_name)
    token = (
        f"the secret {secret} holds no token that opens it: give it one that does, see {endpoint}{_TOKENS}"
        if has_token
        else f"no token was shown: put one into the secret {secret} or into HF_TOKEN, see {endpoint}{_TOKENS}"
    )
    if code == "GatedRepo":
        return ForbiddenError(
            f"{where} is gated {answered}: ask for access on {endpoint}/{repo.repo_id} with the account of the token; "
            f"{token}"
        )
    if code == "RevisionNotFound":
        return UnknownNameError(
            f"{where} has no revision {(repo.revision or 'main')[:200]!r} {answered}; "
            "give a branch, a tag or a whole commit that it has"
        )
    if status == 401:
        # The hub says this of repositories that there are not, so that nobody finds out which ones are private.
        return UnauthorizedError(f"{where} does not exist or is private {answered}: check its name; {token}")
    if status == 403:
        return ForbiddenError(f"{where} may not be read {answered}: {token}")
    if status in (404, 410):
        return UnknownNameError(
            f"{where} does not exist, has no revision {(repo.revision or 'main')[:200]!r}, or is private {answered}: "
            f"check name and revision; {token}"
        )
    if status == 429:
        seconds = retry_after(reply.headers)
        return TooManyRequestsError(
            f"{where} was asked for too often {answered}; try again{f' in {seconds:.0f} s' if seconds else ' later'}"
            f"{'' if has_token else f', or with a token: {token}'}",
            retry_after=seconds,
        )
    phrase = http.client.responses.get(status, "")
    return UnreachableError(
        f"{where} could not be looked up: the answer was {status} {phrase}".rstrip()
        + "; check HF_ENDPOINT, or try again"
    )
