"""What did a request send, and how is a large input passed on without being read?

Python objects take many times the room of their JSON. An input that only travels on to a worker is therefore found in
the body and cut out of it; the worker reads it, and checks it there against the hints of the ops.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import request

from chariots import schema, web
from chariots.errors import InputError
from chariots.schema.places import printable

if TYPE_CHECKING:
    from chariots.schema.forms import Form

__all__ = ["LARGE", "Body", "checked_members", "read_object"]

LARGE = 2**20  # bytes; below, reading costs less than it would to do without
_PIECE = 2**20


@dataclass(frozen=True, slots=True)
class Body:
    """The object that a request sent.

    Attributes:
        members: its members by name, as Python values.
        raw: the JSON of the input, where it was left as it came; then it is not among the members.
        form: how it was sent; None for JSON.
    """

    members: dict[str, Any]
    raw: bytes | None = None
    form: Form | None = None


def read_object(input_key: str, *, may_stay_raw: bool = False, if_said: bytes = b"") -> Body:
    """Reads the JSON object in the body of the current request; an empty body counts as an empty object.

    Args:
        input_key: which member is the input.
        may_stay_raw: whether a large input is to be left as it came.
        if_said: what has to be somewhere in the body for that.

    Raises:
        MalformedRequestError: when the body is not JSON, or not whole.
        BodyTooLargeError: when it is larger than the application accepts (as the HTTP exception 413).
        InputError: when it is JSON, and not an object.
    """
    text = web.read_body(keep=not may_stay_raw or (request.content_length or LARGE) < LARGE)
    if may_stay_raw and len(text) > LARGE and _says(text, if_said):
        found = _split(text, input_key)
        if found is not None:
            return found
    return Body(checked_members(schema.loads(text) if text else {}, input_key))


def checked_members(sent: Any, input_key: str) -> dict[str, Any]:
    """Lets an object pass whose members have names.

    Args:
        sent: what a body holds.
        input_key: which member is the input.

    Raises:
        InputError: if it is none.
    """
    if type(sent) is dict and all(type(name) is str for name in sent):
        return sent
    got = printable(sent)[:40] if type(sent) is dict else schema.dumps(sent)[:40].decode("utf-8", "ignore")
    raise InputError(
        f'the body should be a JSON object such as {{"{input_key}": ...}}, not {got}. '
        f"Put what you sent under {input_key!r}.",
        errors=[{"loc": [], "expected": "an object", "got": type(sent).__name__}],
    )


def _says(text: bytes, word: bytes) -> bool:
    """Whether a word is somewhere in a text; letters are looked for first, many times faster, and numbers have none."""
    return all(word[at : at + 1] in text for at in range(len(word))) and word in text


def _split(text: bytes, input_key: str) -> Body | None:
    """Cuts the input out of a body; None where the body must be read as a whole, or cannot be read at all."""
    import msgspec  # only for large bodies

    try:
        parts = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return None
    value = parts.pop(input_key, None)
    if value is None or not _is_utf8(memoryview(value)):
        return None
    members = {name: schema.loads(bytes(part)) for name, part in parts.items()}
    raw = bytes(value)
    return Body(members, raw) if len(raw) > LARGE else Body({**members, input_key: schema.loads(raw)})


def _is_utf8(text: memoryview) -> bool:
    """Whether a text is UTF-8, which msgspec does not look at in what it passes over."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(text), _PIECE):
            decoder.decode(text[start : start + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
