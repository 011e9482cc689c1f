"""In which forms, other than JSON, may a value cross a boundary?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chariots.schema import arrow_tables, messages, npy

__all__ = ["FORMS", "JSON", "Form", "form_of_media_type", "form_named"]

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write values as bytes.

    Attributes:
        name: one word, for arguments.
        media_type: for the header ``Content-Type``.
        holds: what can be written in it, for messages.
        is_object: whether it holds the same object as JSON; otherwise it is the value alone.
        loads: reads it.
        dumps: writes it.
    """

    name: str
    media_type: str
    holds: str
    is_object: bool
    loads: Callable[[bytes], Any]
    dumps: Callable[[Any], bytes]


FORMS = (
    Form("npy", npy.MEDIA_TYPE, "one array", False, npy.loads, npy.dumps),
    Form("arrow", arrow_tables.MEDIA_TYPE, "one table", False, arrow_tables.loads, arrow_tables.dumps),
    Form("msgpack", messages.MEDIA_TYPE, "what JSON can hold, and bytes", True, messages.loads, messages.dumps),
)
_ALIASES = {"application/x-msgpack": messages.MEDIA_TYPE, "application/vnd.msgpack": messages.MEDIA_TYPE}
_BY_TYPE = {form.media_type: form for form in FORMS}
_BY_TYPE.update({alias: _BY_TYPE[kind] for alias, kind in _ALIASES.items()})


def form_of_media_type(media_type: str | None) -> Form | None:
    """Finds the form that a header names.

    Args:
        media_type: the header ``Content-Type``, parameters included; None where there is none.

    Returns:
        the form; None for JSON and for everything unknown.
    """
    return None if media_type is None else _BY_TYPE.get(media_type.partition(";")[0].strip().lower())


def form_named(name: str) -> Form | None:
    """Finds a form by its name.

    Args:
        name: ``"npy"``, ``"arrow"``, ``"msgpack"`` or ``"json"``.

    Returns:
        the form; None for ``"json"``.

    Raises:
        ValueError: if there is none of that name.
    """
    if name == "json":
        return None
    for form in FORMS:
        if form.name == name:
            return form
    names = ", ".join(repr(known) for known in ("json", *(form.name for form in FORMS)))
    raise ValueError(f"{name!r} was given as the form of a value, and there is none of that name. Give one of {names}.")
