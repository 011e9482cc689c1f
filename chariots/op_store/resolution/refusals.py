"""How is it told why versions may not run together? (no database, no HTTP)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chariots.errors import nearest
from chariots.op_store.resolution.compatibility import LEVELS, Choice, Key, key_of
from chariots.pipelines.store import Cause, FieldChange, Level, NodeQuery, Refusal, StoredVersion
from chariots.versioning import Version

__all__ = ["Known", "field_changes", "refused_edge", "refused_node"]

_MOST_SHOWN = 5  # versions in a sentence


@dataclass(frozen=True, slots=True)
class Known:
    """A version and what the store keeps beside it.

    Attributes:
        stored: the version.
        fields: the declared fields of the code that saved it.
        fingerprint: the fingerprint of that code.
        parents: what it was trained with: the number of the op -> the digests of its versions.
    """

    stored: StoredVersion
    fields: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    parents: Mapping[int, frozenset[Key]] = field(default_factory=dict)


def refused_node(
    choice: Choice, newest: Known | None, retrain: Sequence[str] = (), known: Iterable[str] = ()
) -> Refusal | None:
    """Tells why a node has no version to load, where it needs one.

    Args:
        choice: the node, with what it would load.
        newest: the newest version of its op, whatever code made it; None if the op was never saved.
        retrain: the pipelines that have saved the op, the latest first.
        known: the names of all ops in the store, for a suggestion.

    Returns:
        the refusal, or None if nothing is wrong.
    """
    query = choice.query
    name, level = query.name, query.mismatch_on
    if query.role not in ("load", "optional") or choice.chosen is not None:
        return None
    if choice.pinned is not None:
        sentence = (
            f"node {name!r} is pinned to the version number {choice.pinned}, which is not a saved version of "
            f"it that the running code ({level} version {_code(query.code_version, level)}) can use; "
            "load without the pin."
        )
        return Refusal(name, "pin", sentence, running_with=query.version, retrain=retrain)
    if newest is not None:
        changes = code_changes(newest, query)
        sentence = (
            f"node {name!r} has saved versions, but its code changed since: the newest, "
            f"{_described(newest.stored)}, was saved by code of {level} version "
            f"{_code(newest.stored.code_version, level)} and the running code has {_code(query.code_version, level)}"
            f"{_told(changes)}; retrain and save it with this code, or run the code that saved it."
        )
        stored = newest.stored
        return Refusal(
            name,
            "code",
            sentence,
            trained_with=[stored.version],
            running_with=query.version,
            changes=changes,
            retrain=retrain,
            trained_with_numbers=[stored.id],
        )
    if query.role == "optional":
        return None
    sentence = (
        f"node {name!r} was never trained and saved: the op store holds no version of it; run and save the "
        f"pipeline that trains it.{nearest(name, (other for other in known if other != name))}"
    )
    return Refusal(name, "missing", sentence, retrain=retrain)


def refused_edge(
    upstream: Choice,
    downstream: Choice,
    met: bool,
    trained_with: Sequence[Known],
    running: Known | None,
    retrain: Sequence[str] = (),
) -> Refusal:
    """Tells why two neighbours may not run together.

    Args:
        upstream: the node whose output is read.
        downstream: the node that reads it.
        met: whether any version of one was ever validated with any version of the other.
        trained_with: versions of the upstream op that are valid for the downstream one, the newest first.
        running: the version of the upstream op that would run; None if it is plain code.
        retrain: the pipelines that have saved the downstream op, the latest first.

    Returns:
        the refusal.
    """
    reader, source, level = downstream.query.name, upstream.query.name, upstream.query.mismatch_on
    latest = trained_with[0] if trained_with else None
    cause, changes = _cause(latest, running, upstream.query)
    keys = dict.fromkeys(_short(known.stored.version, level) for known in trained_with)
    seen = f"{', '.join(list(keys)[:_MOST_SHOWN])}{' and others' if len(keys) > _MOST_SHOWN else ''}"
    if seen:
        validated = f"it was with {level} version {seen}"
    elif met:
        validated = "only other versions of the two were saved together"
    else:
        validated = "no version of the two was saved together"
    sentence = (
        f"node {reader!r} ({_described_node(downstream)}) was never validated with node {source!r} "
        f"({_described_node(upstream)}): {validated}{_told(changes)}; retrain {reader!r} on the present {source!r} and "
        f"save, or go back to the {source!r} it was trained with."
    )
    shown = trained_with[:_MOST_SHOWN]
    return Refusal(
        node=reader,
        cause=cause,
        sentence=sentence,
        upstream=source,
        trained_with=[known.stored.version for known in shown],
        running_with=upstream.version,
        changes=changes,
        retrain=retrain,
        trained_with_numbers=[known.stored.id for known in shown],
        running_number=None if upstream.chosen is None else upstream.chosen.id,
    )


def field_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FieldChange]:
    """Lists the declared fields that differ, in the form of `VersionRecord.fields`.

    Args:
        before: the fields of the code that saved a version.
        after: the fields of the code that runs.

    Returns:
        the differences, by order of name.
    """
    changes = []
    for name in sorted({*before, *after}):
        old, new = _declared(before, name), _declared(after, name)
        if (old.get("hash"), old.get("affects")) != (new.get("hash"), new.get("affects")):
            affects: Level = (new or old).get("affects", "major")
            changes.append(FieldChange(name, affects, _value(old), _value(new)))
    return changes


def code_changes(before: Known, after: NodeQuery) -> list[FieldChange]:
    """What differs between the code that saved a version and the code that runs.

    Args:
        before: the version.
        after: the node that runs.

    Returns:
        the declared fields that differ; where none does although the versions of the code do, the code itself.
    """
    changes = field_changes(before.fields, after.fields)
    if changes or before.stored.code_version is None:
        return changes
    return _code_itself(before.stored.code_version, after.code_version, before.fingerprint, after.fingerprint)


def _cause(before: Known | None, after: Known | None, query: NodeQuery) -> tuple[Cause, list[FieldChange]]:
    """What made the upstream op another than the one the reader was trained with."""
    if before is None:
        return "upstream", []
    if after is None:
        return "code", code_changes(before, query)
    changes = field_changes(before.fields, after.fields)
    if not changes and None not in (before.stored.code_version, after.stored.code_version):
        changes = _code_itself(
            str(before.stored.code_version), str(after.stored.code_version), before.fingerprint, after.fingerprint
        )
    if changes:
        return "code", changes
    both = before.parents.keys() & after.parents.keys()
    replaced = any(before.parents[op].isdisjoint(after.parents[op]) for op in both)
    return ("upstream" if replaced else "data"), []


def _code_itself(before: str, after: str, old: str | None, new: str | None) -> list[FieldChange]:
    old_version, new_version = Version.parse(before), Version.parse(after)
    for level in LEVELS:
        if getattr(old_version, level) != getattr(new_version, level):
            return [FieldChange("code", level, _fingerprint(old), _fingerprint(new))]
    return []


def _declared(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = fields.get(name)
    return found if isinstance(found, Mapping) else {}


def _value(declared: Mapping[str, Any]) -> str | None:
    return str(declared["value"]) if "value" in declared else None


def _fingerprint(text: str | None) -> str:
    return "unknown" if text is None else text[:10]


def _told(changes: Sequence[FieldChange]) -> str:
    if not changes:
        return ""
    words = [f"{change.name}: {change.before} -> {change.after} ({change.affects})" for change in changes]
    return f" (changed: {', '.join(words)})"


def _described_node(choice: Choice) -> str:
    return f"code {_short(choice.query.version)}" if choice.chosen is None else _described(choice.chosen)


def _described(stored: StoredVersion) -> str:
    return f"version {_short(stored.version)}, number {stored.id}"


def _short(version: str, level: Level = "patch") -> str:
    """The first digits of the digests, as many as a printed `Version` shows."""
    digests = [digest[:5] for digest in version.partition("_")[0].split(".")]
    return ".".join(key_of(digests, level))


def _code(version: str | None, level: Level) -> str:
    return "unknown" if version is None else _short(version, level)
