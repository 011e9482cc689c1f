"""How are the forms other than JSON described in OpenAPI?"""

from __future__ import annotations

from typing import Any

from chariots.schema.forms import FORMS, JSON
from chariots.serving.streams import EVENTS, LINES

__all__ = ["with_other_forms"]

_STREAMS = {
    LINES: "A line {pipeline_output} for each value of a generator; the last line has versions, or error.",
    EVENTS: "An event named output for each value of a generator; the last one is named done, or problem.",
}
_FAILURES = {
    "406": "The output has none of the forms that are accepted.",
    "415": "The input came in a form that cannot be used here.",
}


def with_other_forms(operation: dict[str, Any]) -> dict[str, Any]:
    """Adds the forms other than JSON to the description of a call.

    Args:
        operation: describes a call that is sent and answered as JSON.

    Returns:
        the same operation, with what else may be sent and answered, and how that may fail.
    """
    asked = operation["requestBody"]["content"]
    responses = operation["responses"]
    answered = responses["200"]["content"]
    problem = next(words["content"] for status, words in responses.items() if status >= "400")
    for form in FORMS:
        for content in (asked, answered):
            content[form.media_type] = {"schema": content[JSON]["schema"] if form.is_object else _binary(form.holds)}
    for stream, words in _STREAMS.items():
        answered[stream] = {"schema": {"description": words}}
    responses |= {status: {"description": words, "content": problem} for status, words in _FAILURES.items()}
    return operation


def _binary(holds: str) -> dict[str, Any]:
    # Bytes that are no text have no type in JSON Schema; OpenAPI 3.1 leaves it out.
    return {"description": f"{holds[0].upper()}{holds[1:]}.", "format": "binary"}
