"""How does JSON become the type a signature declares, and what is said when it does not fit?"""

from __future__ import annotations

import contextlib
import functools
import types
import typing
from typing import Any, NoReturn

import pydantic

from chariots.errors import InputError
from chariots.schema.builders import FormError
from chariots.schema.decode import loads
from chariots.schema.encode import dumps
from chariots.schema.handlers import Handler, handler_of, with_handlers
from chariots.schema.places import describe, place

__all__ = ["adapter", "Adapter"]

_MOST_FINDINGS = 20
_MOST_SENTENCES = 3
_NATIVE = (dict, list, str, int, float, bool, type(None))


def adapter(hint: Any) -> Adapter:
    """Gives the adapter of a type hint; the same one each time.

    Args:
        hint: any hint; ``Any``, and hints that pydantic cannot use, leave values as they are.

    Returns:
        an adapter.
    """
    try:
        return _adapter(hint)
    except TypeError:  # not hashable, as Annotated with a list in it
        return Adapter(hint)


class Adapter:
    """Turns JSON values into one Python type and back.

    Attributes:
        hint: the type hint it was made for.
        typed: whether values are checked at all.
    """

    def __init__(self, hint: Any) -> None:
        self.hint = hint
        self._direct = handler_of(hint)
        self._inner = _only_handler(hint)
        is_open = hint is Any or hint is object  # whatever comes fits, as it is
        self._pydantic = None if self._direct is not None or is_open else _type_adapter(hint)
        self.typed = self._direct is not None or self._pydantic is not None

    def decode(self, value: Any, where: tuple[str | int, ...] = ()) -> Any:
        """Builds the declared type from a JSON value.

        Args:
            value: what `loads` returned, or an array or a data frame that came as one.
            where: the place of the value in the request, for messages.

        Returns:
            an instance of the hint; the value itself where there is no usable hint.

        Raises:
            InputError: when the value does not fit; ``extra["errors"]`` lists place, expectation and finding.
        """
        if self._direct is not None:
            try:
                return self._direct.build(value)
            except FormError as error:
                inside, found, _ = _existing(error.where, value)
                _complain([_finding(inside, error.expected, error.got or describe(found))], where)
        if self._pydantic is None:
            return value
        if self._inner is not None and type(value) not in _NATIVE:
            with contextlib.suppress(FormError):
                return self._inner.build(value)  # an array or a table that was sent as one
        text = _written(value, where)
        try:
            # Strict, and from JSON: "5" is no number, but a list may become a tuple and text a date.
            return self._pydantic.validate_json(text, strict=True)
        except pydantic.ValidationError as error:
            _complain(_findings(error, value if type(value) in _NATIVE else loads(text)), where)

    def encode(self, value: Any) -> Any:
        """Brings a Python value into the form a client sees: dicts, lists, text, numbers, booleans, None.

        Args:
            value: anything `dumps` can write.

        Returns:
            the value after a trip through JSON.

        Raises:
            TypeError: as `dumps`.
        """
        return loads(dumps(value))

    def json_schema(self, ref_template: str = "#/$defs/{model}") -> dict[str, Any]:
        """Describes accepted JSON (JSON Schema 2020-12).

        Args:
            ref_template: where references point to; the definitions themselves come under ``$defs``.

        Returns:
            the schema; an empty one, which accepts everything, where values are not checked.
        """
        if self._direct is not None:
            return dict(self._direct.schema)
        if self._pydantic is None:
            return {}
        try:
            return self._pydantic.json_schema(ref_template=ref_template)
        except pydantic.errors.PydanticUserError:
            return {}


_adapter = functools.lru_cache(maxsize=1024)(Adapter)


def _only_handler(hint: Any) -> Handler | None:
    """The handler of X in ``X | None``."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return None
    members = [member for member in typing.get_args(hint) if member is not type(None)]
    return handler_of(members[0]) if len(members) == 1 else None


def _written(value: Any, where: tuple[str | int, ...]) -> bytes:
    """A value as JSON, which pydantic reads; the values of other forms may have none."""
    try:
        return dumps(value)
    except TypeError as error:
        _complain([_finding((), "something with a form in JSON", describe(value))], where, error)


def _type_adapter(hint: Any) -> pydantic.TypeAdapter[Any] | None:
    try:
        found: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(with_handlers(hint))
    except Exception:  # noqa: BLE001  # hints are the user's: whatever pydantic cannot use stays untyped
        return None
    # A name inside of the hint may still be unknown, which pydantic would only say at the first value.
    return found if getattr(found, "pydantic_complete", True) else None


def _finding(inside: tuple[str | int, ...], expected: str, got: str) -> dict[str, Any]:
    return {"loc": list(inside), "expected": expected, "got": got}


def _findings(error: pydantic.ValidationError, value: Any) -> list[dict[str, Any]]:
    """Rewords what pydantic found; the alternatives of a union at one place become one finding."""
    merged: dict[tuple[str | int, ...], dict[str, Any]] = {}
    told: dict[tuple[str | int, ...], list[str]] = {}  # each of them may be an "a or b" itself
    for item in error.errors(include_url=False, include_input=False):
        context = item.get("ctx", {}) if item["type"] == "chariots" else {}
        inside, found, missing = _existing((*item["loc"], *context.get("where", ())), value)
        expected, got = _expectation(item["type"], item["msg"]), context.get("got")
        if item["type"] == "missing" and missing is not None:
            inside, got = (*inside, missing), "nothing"
        alternatives = told.setdefault(inside, [])
        if expected not in alternatives:
            alternatives.append(expected)
        entry = merged.setdefault(inside, _finding(inside, expected, got or describe(found)))
        entry["expected"] = " or ".join(alternatives)
        if len(merged) >= _MOST_FINDINGS:
            break
    return list(merged.values())


def _existing(loc: tuple[str | int, ...], value: Any) -> tuple[tuple[str | int, ...], Any, str | int | None]:
    """Follows a pydantic location; its names of union members and validators do not exist in the value.

    Returns:
        the parts that exist, what is there, and the last part if that one does not exist.
    """
    kept: list[str | int] = []
    missing: str | int | None = None
    for part in loc:
        missing = None
        inside_list = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if inside_list or (isinstance(value, dict) and part in value):
            value = value[part]
            kept.append(part)
        else:
            missing = part
    return tuple(kept), value, missing


def _expectation(kind: str, message: str) -> str:
    if kind == "missing":
        return "a value"
    if kind == "json_invalid":
        return "JSON with fewer levels of nesting"
    return message.removeprefix("Input should be ").removeprefix("Value error, ")


def _complain(findings: list[dict[str, Any]], where: tuple[str | int, ...], cause: Exception | None = None) -> NoReturn:
    for finding in findings:
        finding["loc"] = [*where, *finding["loc"]]
    shown = findings[:_MOST_SENTENCES]
    sentences = [f"{place(one['loc'])} should be {one['expected']}, not {one['got']}" for one in shown]
    more = f" (and {len(findings) - len(shown)} more)" if len(findings) > len(shown) else ""
    raise InputError(f"{'; '.join(sentences)}{more}. Correct the input and send it again.", errors=findings) from cause
