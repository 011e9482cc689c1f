"""How does a person read why a pipeline was not loaded, and what can be done?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from shlex import quote

from chariots.errors import VERSION_HINT, VersionError
from chariots.pipelines.store import Refusal, Resolution

__all__ = ["refused_load"]

_CAUSES = {
    "code": "what its code declares changed",
    "data": "the same code learned again",
    "upstream": "what it reads was replaced, or the two were never saved together",
    "missing": "it was never trained and saved",
    "pin": "the pinned version is none that the running code can use",
}


def refused_load(pipeline: str, resolution: Resolution, *, is_newer: bool = False) -> VersionError:
    """Makes the error for a load that is refused.

    Args:
        pipeline: the name of the pipeline.
        resolution: what the store said.
        is_newer: whether the pipeline goes on with versions that fit, and only newer ones are refused.

    Returns:
        the error; its text shows all broken links as a tree, ``extra["problems"]`` has a sentence for each, and
        ``extra["refusals"]`` the same taken apart.
    """
    refusals = resolution.passed_over if is_newer else resolution.refusals
    problems = [refusal.sentence for refusal in refusals] if is_newer else list(resolution.problems)
    if not refusals:  # a store that tells no more than sentences
        return VersionError("\n".join([VERSION_HINT, *problems]), problems=problems)
    if is_newer:
        head = f"pipeline {pipeline!r} keeps the versions it has; newer ones were saved, but do not fit together:"
    else:
        head = f"pipeline {pipeline!r} was not loaded, because not all of its ops fit together:"
    lines = [VERSION_HINT, head, *_tree(refusals), *_ways_out(pipeline, refusals)]
    return VersionError("\n".join(lines), problems=problems, refusals=[asdict(refusal) for refusal in refusals])


def _tree(refusals: Sequence[Refusal]) -> list[str]:
    nodes: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        nodes.setdefault(refusal.node, []).append(refusal)
    lines = []
    for node, broken in nodes.items():
        lines.append(node)
        for position, refusal in enumerate(broken):
            is_last = position == len(broken) - 1
            lines.append(f"{'└─' if is_last else '├─'} {_title(refusal)}")
            lines += [f"{'   ' if is_last else '│  '}{line}" for line in _leaves(refusal)]
    return lines


def _title(refusal: Refusal) -> str:
    if refusal.upstream is not None:
        return f"does not fit {refusal.upstream!r}"
    return {"missing": "has no saved version", "pin": "cannot run the pinned version"}.get(
        refusal.cause, "has no version saved by this code"
    )


def _leaves(refusal: Refusal) -> list[str]:
    leaves = []
    if refusal.trained_with:
        numbers: Sequence[int | None] = refusal.trained_with_numbers or [None] * len(refusal.trained_with)
        shown = [_version(*pair) for pair in zip(refusal.trained_with, numbers, strict=False)]
        leaves.append(f"{'trained with' if refusal.upstream else 'newest saved'}: {', '.join(shown)}")
    elif refusal.upstream is not None:
        leaves.append("trained with: no version that the store knows of")
    if refusal.running_with is not None:
        leaves.append(f"runs now: {_version(refusal.running_with, refusal.running_number)}")
    leaves += [
        f"changed: {change.name}: {_shown(change.before)} -> {_shown(change.after)} ({change.affects})"
        for change in refusal.changes
    ]
    whose = refusal.upstream or refusal.node
    leaves.append(f"cause: {refusal.cause} ({whose!r}: {_CAUSES[refusal.cause]})")
    return [f"{'└─' if leaf is leaves[-1] else '├─'} {leaf}" for leaf in leaves]


def _ways_out(pipeline: str, refusals: Sequence[Refusal]) -> list[str]:
    which = dict.fromkeys(
        " or ".join(map(repr, refusal.retrain)) or f"the pipeline that trains {refusal.node!r}" for refusal in refusals
    )
    lines = ["ways out:", f"- retrain: load, run and save {', '.join(which)}; then load {pipeline!r} again"]
    if all(refusal.cause == "missing" for refusal in refusals):
        return lines
    asked = quote(pipeline)
    versionless = {refusal.node for refusal in refusals if refusal.upstream is None}
    return [
        *lines,
        f"- roll back or pin: `chariots rollback {asked}`, `chariots promote {asked}` with what fits, "
        "or run the code that saved them",
        *(
            f"- accept the pair, with a reason that is recorded: `chariots accept {asked} {quote(refusal.upstream)} "
            f"{quote(refusal.node)} --reason ...`"
            for refusal in refusals
            if refusal.upstream is not None and refusal.node not in versionless
        ),
        f"(these commands are for a store that knows {pipeline!r}; if it was neither saved to it nor served with it, "
        "save it there first)",
    ]


def _version(version: str, number: int | None) -> str:
    digests = ".".join(digest[:5] for digest in version.partition("_")[0].split("."))
    return f"code {digests}" if number is None else f"version {digests}, number {number}"


def _shown(value: str | None) -> str:
    return "(not declared)" if value is None else value
