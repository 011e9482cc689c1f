"""How does a report look in a terminal?"""

from __future__ import annotations

import io
from typing import TextIO

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from chariots.checking.report import OpCheck, PipelineCheck, Report
from chariots.checking.wording import (
    after_words,
    change_words,
    listed,
    op_words,
    pipeline_words,
    refusal_words,
    step_words,
    visible,
)

__all__ = ["as_text", "print_report"]

_ONE_LINE = 10_000  # characters; no sentence is wrapped then
BAD, WARNING, GOOD, PLAIN = ("x", "bold red"), ("!", "yellow"), ("ok", "green"), ("-", "dim")


def print_report(report: Report, file: TextIO | None = None) -> None:
    """Prints a report as a tree, in colours where the terminal has them.

    Args:
        report: the report.
        file: where to; standard output by default.
    """
    console = Console(file=file, highlight=False)
    if not console.is_terminal:
        console.width = _ONE_LINE  # logs are searched line by line
    console.print(_tree(report))


def as_text(report: Report) -> str:
    """A report as plain text."""
    kept = io.StringIO()
    Console(file=kept, highlight=False, width=_ONE_LINE, color_system=None).print(_tree(report))
    return kept.getvalue()


def _tree(report: Report) -> Tree:
    root = Tree(_line(report.headline, style="green" if report.is_harmless else "bold red"))
    root.add(_line(f"{report.app or 'the app'}, held against {report.against or 'the store'}", style="dim"))
    _add_pipelines(root, report)
    _add_ops(root, report)
    if report.steps or report.orphans:
        training = root.add(_line("train, in this order", style="bold"))
        for number, step in enumerate(report.steps, 1):
            training.add(_line(f"{number}. {step_words(step)}"))
        for name in report.orphans:
            training.add(_marked(BAD, f"{name}: no pipeline of this app trains it"))
        after = after_words(report)
        if after:
            training.add(_line(after))
    if report.warnings:
        warnings = root.add(_line("warnings", style="bold"))
        for sentence in report.warnings:
            warnings.add(_marked(WARNING, sentence))
    if report.others:
        root.add(_line(f"also live in this store, and not in this app: {listed(report.others)}", style="dim"))
    return root


def _add_pipelines(root: Tree, report: Report) -> None:
    branch = root.add(_line("pipelines", style="bold"))
    for pipeline in report.pipelines:
        found = branch.add(_marked(_pipeline_mark(pipeline), f"{pipeline.name}: {pipeline_words(pipeline)}"))
        if pipeline.state in ("refuses", "stuck", "new"):
            for refusal in pipeline.refusals:
                found.add(_line(refusal_words(refusal)))
            if not pipeline.refusals:
                for problem in pipeline.problems:
                    found.add(_line(problem))
        if pipeline.gone:
            found.add(_line(f"nodes that are gone: {listed(pipeline.gone)}", style="dim"))


def _add_ops(root: Tree, report: Report) -> None:
    branch = root.add(_line("ops", style="bold"))
    quiet = [op.name for op in report.ops if op.state == "same" and not op.retrain]
    for op in report.ops:
        if op.name in quiet:
            continue
        serves = f" [against #{op.number}, {'live' if op.is_live else 'newest'}]" if op.number is not None else ""
        found = branch.add(_marked(_op_mark(op), f"{op.name}: {op_words(op)}{serves}"))
        for change in op.changes:
            found.add(_line(change_words(change)))
        if op.state == "moved":
            before, after = (str(fingerprint)[:8] for fingerprint in op.fingerprints)
            found.add(_line(f"fingerprint: {before} -> {after}"))
    if quiet:
        branch.add(_marked(PLAIN, f"unchanged: {listed(quiet)}"))


def _pipeline_mark(pipeline: PipelineCheck) -> tuple[str, str]:
    if pipeline.fails:
        return BAD
    return {"fits": GOOD, "new": PLAIN}.get(pipeline.state, WARNING)


def _op_mark(op: OpCheck) -> tuple[str, str]:
    if op.breaks or (op.retrain and op.state != "new"):
        return BAD
    return {"moved": WARNING, "changed": GOOD}.get(op.state, PLAIN)


def _line(text: str, style: str = "") -> Text:
    return Text(visible(text), style=style)


def _marked(mark: tuple[str, str], text: str) -> Text:
    return Text.assemble((mark[0], mark[1]), " ", visible(text))
