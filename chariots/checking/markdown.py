"""How does a report look as a comment in a review?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from chariots.checking.report import OpCheck, PipelineCheck, Report
from chariots.checking.wording import (
    after_words,
    change_words,
    op_words,
    pipeline_words,
    refusal_words,
    step_words,
    visible,
)

__all__ = ["MARKER", "as_markdown"]

#: The first line of every comment, by which the next run finds the comment that it replaces.
MARKER = "<!-- chariots check -->"
LARGEST = 60_000  # characters; GitHub takes 65,536 in a comment


def as_markdown(report: Report) -> str:
    """A report as Markdown, short enough for a comment on GitHub.

    Args:
        report: the report.

    Returns:
        the text, with `MARKER` as its first line.
    """
    sign = ":white_check_mark:" if report.is_harmless else ":x:"
    parts = [MARKER, f"### {sign} chariots check", _plain(report.headline)]
    parts += [f"{_code(report.app)} held against {_code(report.against)}"] if report.app and report.against else []
    parts += _training(report)
    parts += _pipelines(report.pipelines)
    parts += _ops(report.ops)
    if report.warnings:
        parts += ["#### Warnings", *(f"- {_plain(sentence)}" for sentence in report.warnings)]
    if report.others:
        names = ", ".join(map(_code, report.others[:20]))
        parts.append(f"Also live in this store, and not in this app: {names}")
    return _cut(parts)


def _training(report: Report) -> list[str]:
    if not report.steps and not report.orphans:
        return []
    steps = [f"{number}. {_plain(step_words(step))}" for number, step in enumerate(report.steps, 1)]
    steps += [f"- {_code(name)}: no pipeline of this app trains it" for name in report.orphans]
    after = after_words(report)
    return ["#### Train, in this order", *steps, *([_plain(after)] if after else [])]


def _pipelines(pipelines: Sequence[PipelineCheck]) -> list[str]:
    rows = []
    for one in pipelines:
        sign = ":x:" if one.fails else ":white_check_mark:" if one.state in ("fits", "new") else ":warning:"
        rows.append(
            f"| {sign} | {_code(one.name)} | {'yes' if one.is_live else 'no'} | {_plain(pipeline_words(one))} |"
        )
    parts = [_table(["", "pipeline", "live", "with this code"], rows)] if rows else []
    told: dict[str, list[str]] = {}
    for one in pipelines:
        if one.state in ("refuses", "stuck"):
            for sentence in [refusal_words(refusal) for refusal in one.refusals] or one.problems:
                told.setdefault(sentence, []).append(one.name)
    reasons = [f"- {', '.join(map(_code, names))}: {_plain(sentence)}" for sentence, names in told.items()]
    return [*parts, *(["#### What stands in the way", *reasons] if reasons else [])]


def _ops(ops: Iterable[OpCheck]) -> list[str]:
    rows, quiet = [], 0
    for op in ops:
        if op.state == "same" and not op.retrain:
            quiet += 1
            continue
        sign = ":x:" if op.breaks or (op.retrain and op.state != "new") else ":warning:" if op.state == "moved" else ""
        against = "" if op.number is None else f"#{op.number}{' (live)' if op.is_live else ''}"
        changes = "<br>".join(_code(change_words(change)) for change in op.changes)
        rows.append(f"| {sign} | {_code(op.name)} | {_plain(op_words(op))} | {against} | {changes} |")
    if not rows:
        return [f"None of {quiet} ops changed."] if quiet else []
    unchanged = [f"{quiet} more op{'s' * (quiet > 1)} did not change."] if quiet else []
    return [_table(["", "op", "what became of it", "held against", "declared fields"], rows), *unchanged]


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    return "\n".join([f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *rows])


def _code(text: str) -> str:
    """A text as it is, in a code span, where neither Markdown nor HTML nor the name of a person counts."""
    line = visible(text).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{pad}{line}{pad}{fence}"


_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~@&!]")


def _plain(text: str) -> str:
    """A sentence of which no character means anything to Markdown."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found.group())};", visible(" ".join(text.split())))


def _cut(parts: Sequence[str]) -> str:
    """The parts as one text; what is too much for a comment is left out, and that is said."""
    kept, size = [], 0
    for part in parts:
        size += len(part) + 2
        if size > LARGEST:
            kept.append("The rest is too long for a comment; the log of the check has all of it.")
            break
        kept.append(part)
    return _joined(kept)


def _joined(parts: Sequence[str]) -> str:
    """The parts with an empty line between them, save for the entries of one list."""
    text = ""
    for part in parts:
        is_entry = re.match(r"(?:- |\d+\. )", part) is not None
        follows = re.match(r"(?:- |\d+\. )", text.rpartition("\n\n")[2].rpartition("\n")[2]) is not None
        text += ("" if not text else "\n" if is_entry and follows else "\n\n") + part
    return text + "\n"
