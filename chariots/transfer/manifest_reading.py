"""What does the text of a manifest say, and which member of it is wrong?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from chariots.errors import InputError, nearest
from chariots.transfer.manifest import (
    KINDS,
    LARGEST_FILE,
    LARGEST_JSON,
    NEVER,
    TAG,
    AzureResolution,
    GcsResolution,
    HttpResolution,
    Manifest,
    Pointer,
    Resolution,
    S3Resolution,
)
from chariots.transfer.model_repo import ModelRepo

__all__ = ["read"]

LARGEST_YAML: Final = 32 * 2**20  # bytes; YAML is read a hundred times slower


def read(raw: bytes, name: str) -> Manifest:
    """Reads a manifest.

    Args:
        raw: JSON or YAML.
        name: what it is called in messages.

    Raises:
        InputError: if it is not a manifest; the message names the pointer and the member.
    """
    told = _parsed(raw, name)
    if isinstance(told, list):
        told = {"pointers": told}
    if not isinstance(told, dict) or not {"pointers", "models"} & told.keys():
        raise InputError(
            f"{name} is no manifest: it holds {_what(told)}, where an object with a list of 'pointers' was "
            "expected; write one with create_manifest"
        )
    pointers = _list(told.get("pointers"), f"{name}: pointers")
    models = _list(told.get("models"), f"{name}: models")
    return Manifest(
        tuple(_pointer(one, f"{name}: pointers[{number}]") for number, one in enumerate(pointers)),
        tuple(_model(one, f"{name}: models[{number}]") for number, one in enumerate(models)),
    )


def _parsed(raw: bytes, name: str) -> Any:
    if len(raw) > LARGEST_JSON:
        raise InputError(f"{name} has more than {LARGEST_JSON >> 20} MiB, which no manifest needs; split it")
    import msgspec

    is_json = raw.lstrip()[:1] in (b"{", b"[")
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        if is_json and isinstance(error, RecursionError):
            raise InputError(f"{name} is nested deeper than any manifest; it was not read") from error
        reason: Exception = error
    if len(raw) <= LARGEST_YAML:
        import yaml

        try:
            text = raw.decode()
            # An alias multiplies what it stands for; a file of a kilobyte could fill the memory.
            if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=_loader())):
                raise InputError(f"{name} uses aliases of YAML, which no manifest needs; write them out")
            return yaml.load(text, Loader=_loader())
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            reason = reason if is_json else error
    raise InputError(f"{name} is neither JSON nor YAML: {str(reason)[:300]}; correct it") from reason


def _loader() -> Any:
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _what(told: Any) -> str:
    return "nothing" if told is None else f"a {type(told).__name__}"


def _list(told: Any, where: str) -> list[Any]:
    if told is None:
        return []
    if not isinstance(told, list):
        raise InputError(f"{where} holds {_what(told)}, where a list was expected; correct it")
    return told


def _text(told: Mapping[str, Any], member: str, where: str, default: str | None = None) -> str:
    text = default if (found := told.get(member)) is None else found
    if not isinstance(text, str):
        raise InputError(
            f"{where}.{member} is missing" if text is None else f"{where}.{member} is {_what(text)}, no text"
        )
    return text


def _count(told: Mapping[str, Any], member: str, where: str, least: int = 0) -> int:
    number = told.get(member)
    if isinstance(number, float) and math.isfinite(number) and number == int(number):
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= LARGEST_FILE:
        raise InputError(f"{where}.{member} is {str(number)[:40]}, which it cannot be; correct it")
    return number


def _pointer(told: Any, where: str) -> Pointer:
    if not isinstance(told, dict):
        raise InputError(f"{where} is {_what(told)}, where a pointer was expected: an object with a 'resolution'")
    file_name = _text(told, "file_name", where)
    where = f"{where} ({file_name[:100]!r})"
    given = _text(told, "hash", where)
    return Pointer(
        resolution=_resolution(told.get("resolution"), f"{where}.resolution"),
        uid=_text(told, "uid", where, given),
        file_name=file_name,
        hashtype=_text(told, "hashtype", where, "etag"),
        hash=given,
        size=_count(told, "size", where),
        runtime_secret_name=_text(told, "runtime_secret_name", where, "hf_access_token"),
    )


def _resolution(told: Any, where: str) -> Resolution:
    if not isinstance(told, dict):
        raise InputError(f"{where} is {_what(told)}, where an object was expected, such as one with a 'url'")
    tag = told.get(TAG, told.get("type"))
    if tag is None:
        # Without a tag, the members tell.
        tag = next((tag for tag, member in _MARKS if member in told), None)
    kind = KINDS.get(str(tag).lower())
    if kind is None:
        known = ", ".join(KINDS)
        raise InputError(
            f"{where} is of the kind {tag!r}, which is not known.{nearest(str(tag), KINDS)} Known: {known}"
        )
    if kind is HttpResolution:
        expires = told.get("expiration_timestamp")
        return HttpResolution(
            _text(told, "url", where),
            NEVER if expires is None else _count(told, "expiration_timestamp", where, -LARGEST_FILE),
        )
    if kind is S3Resolution:
        region = told.get("region")
        return S3Resolution(
            _text(told, "bucket_name", where), _text(told, "key", where), None if region is None else str(region)
        )
    texts = {one.name: _text(told, one.name, where) for one in fields(kind)}
    return AzureResolution(**texts) if kind is AzureResolution else GcsResolution(**texts)


_MARKS: Final = (("http", "url"), ("azure", "container_name"), ("s3", "key"), ("gcs", "path"))


def _model(told: Any, where: str) -> ModelRepo:
    if not isinstance(told, dict):
        raise InputError(f"{where} is {_what(told)}, where a repository was expected: an object with a 'repo_id'")
    known = {one.name for one in fields(ModelRepo)}
    unknown = next((str(name) for name in told if name not in known), None)
    if unknown is not None:
        raise InputError(f"{where}.{unknown} is not known.{nearest(unknown, known)} Known: {', '.join(sorted(known))}")
    try:
        return ModelRepo(**{name: value for name, value in told.items() if value is not None})
    except TypeError as error:
        raise InputError(f"{where}: {error}; correct it") from error
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
