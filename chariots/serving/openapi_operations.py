"""How is one operation described in OpenAPI, with everything that may go wrong?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["operation"]

_JSON = "application/json"
_WHAT_MAY_GO_WRONG = {
    "400": "The body is not JSON.",
    "404": "There is nothing of that name.",
    "409": "What is asked for contradicts what is there, or the server lacks what is needed: an op store, or workers.",
    "410": "The result of the job was kept for a time, and is gone.",
    "413": "The body is too large.",
    "419": "The pipeline is not loaded, or its versions do not fit together.",
    "422": "The input, or an option, does not have the form it has to have.",
    "500": "An op of the pipeline failed; the problem carries its stack.",
    "503": "The op store or the workers do not answer.",
}


def operation(
    summary: str,
    answer: Mapping[str, Any],
    failures: Sequence[str],
    body: Mapping[str, Any] | None = None,
    body_required: bool = True,
    *,
    statuses: Mapping[str, str] | None = None,
    media_type: str = _JSON,
) -> dict[str, Any]:
    """Describes an operation.

    Args:
        summary: what it does, in a line.
        answer: the schema of what it answers.
        failures: the statuses it may fail with.
        body: the schema of what it takes, if it takes anything.
        body_required: whether it does nothing without.
        statuses: what each status of success means; 200 alone where it is None.
        media_type: what the answer is.
    """
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    content = {media_type: {"schema": answer}}
    described: dict[str, Any] = {
        "summary": summary,
        "responses": {
            **{
                status: {"description": words, "content": content}
                for status, words in (statuses or {"200": "The answer."}).items()
            },
            **{status: {"description": _WHAT_MAY_GO_WRONG[status], "content": problem} for status in failures},
        },
    }
    if body is not None:
        described["requestBody"] = {"required": body_required, "content": {_JSON: {"schema": body}}}
    return described
