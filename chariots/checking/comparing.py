"""What changed in the ops of an app since they were trained?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from chariots.checking.report import OpCheck
from chariots.op_store.baseline import KnownVersion
from chariots.pipelines.store import FieldChange, Level, NodeQuery
from chariots.versioning import Version

__all__ = ["changed_fields", "changed_levels", "compare_op"]

LEVELS: tuple[Level, ...] = get_args(Level)


def compare_op(
    node: NodeQuery, known: Sequence[KnownVersion], live: Collection[int], declared: Sequence[NodeQuery] = ()
) -> OpCheck:
    """Holds the running code of an op against the version that serves, or else the newest one.

    Args:
        node: the op as the running code declares it.
        known: the versions that the store has, the newest first.
        live: the numbers of the versions that serve.
        declared: the op as the code that was last saved or served declared it, pipeline by pipeline; this is what
            counts for an op without a state, which has no version that serves.

    Returns:
        what changed.
    """
    if node.role == "code" and declared:
        found = [_compared(node, before.code_version, before.fields, before.fingerprint) for before in declared]
        return next((check for check in found if check.state != "same"), found[0])
    told = [version for version in known if version.code_version is not None]
    before = next((version for version in told if version.id in live), told[0] if told else None)
    if before is None:
        return OpCheck(node.name, "unknown" if known else "new")
    check = _compared(node, before.code_version, before.fields, before.fingerprint)
    return replace(check, number=before.id, is_live=before.id in live)


def _compared(node: NodeQuery, code_version: str | None, fields: Mapping[str, Any], fingerprint: str | None) -> OpCheck:
    levels = changed_levels(node.code_version, code_version)
    changes = changed_fields(fields, node.fields)
    moved = None not in (fingerprint, node.fingerprint) and fingerprint != node.fingerprint
    return OpCheck(
        name=node.name,
        state="changed" if levels or changes else "moved" if moved else "same",
        levels=levels,
        changes=changes,
        fingerprints=(fingerprint, node.fingerprint),
    )


def changed_levels(running: str, stored: str | None) -> tuple[Level, ...]:
    """The subversions in which two versions differ.

    Args:
        running: the text of the version of the running code.
        stored: the text of the stored one; None where it is not known, and then all of them may differ.
    """
    if stored is None:
        return LEVELS
    now, then = Version.parse(running), Version.parse(stored)
    return tuple(level for level in LEVELS if getattr(now, level) != getattr(then, level))


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FieldChange]:
    """The declared fields that differ, in the order in which the running class declares them.

    Args:
        before: the fields of the stored version: name -> ``value``, ``affects``, ``hash``.
        after: the fields of the running class, in the same form.

    Returns:
        one change for each field whose value or subversion is another.
    """
    found = []
    for name in _in_order(after, before):
        then, now = before.get(name), after.get(name)
        if _content(then) == _content(now):
            continue
        affects = str((now or then or {}).get("affects"))
        old, new = _value(then), _value(now)
        if old == new and then is not None and then.get("affects") != affects:
            old = f"{old} (counted as {then.get('affects')})"
        elif old == new:
            new = f"{new} (differs in what is not shown)"
        found.append(FieldChange(name, next((level for level in LEVELS if level == affects), "major"), old, new))
    return found


def _in_order(*mappings: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def _content(field: Mapping[str, Any] | None) -> tuple[Any, Any] | None:
    return None if field is None else (field.get("hash"), field.get("affects"))


def _value(field: Mapping[str, Any] | None) -> str | None:
    return None if field is None else str(field.get("value"))
