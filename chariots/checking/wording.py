"""In which words is a finding told, wherever it is shown?"""

from __future__ import annotations

from collections.abc import Sequence

from chariots.checking.report import OpCheck, PipelineCheck, Report, Step
from chariots.pipelines.drawing.texts import shortened, visible
from chariots.pipelines.store import FieldChange, Refusal

__all__ = [
    "after_words",
    "change_words",
    "listed",
    "op_words",
    "pipeline_words",
    "refusal_words",
    "shortened",
    "step_words",
    "visible",
]


def op_words(op: OpCheck) -> str:
    """What became of an op."""
    became = {
        "same": "unchanged",
        "changed": f"changed ({', '.join(op.levels) or 'renamed fields only'})",
        "moved": "code moved, nothing bumped",
        "new": "new",
        "unknown": "saved by a release that did not note which code made it",
    }[op.state]
    if op.retrain:
        return f"{became}, must be trained{' again' * (op.state == 'same')}"
    if op.state == "changed":
        return f"{became}, {'breaks what was trained with it' if op.breaks else 'harmless'}"
    return became


def change_words(change: FieldChange) -> str:
    """Which value of a field became which."""
    before = "(not declared)" if change.before is None else shortened(change.before)
    after = "(not declared)" if change.after is None else shortened(change.after)
    return f"{change.name}: {before} -> {after} ({change.affects})"


def pipeline_words(pipeline: PipelineCheck) -> str:
    """What would become of a pipeline."""
    numbers = ", ".join(f"{name} #{number}" for name, number in pipeline.would_load.items())
    return {
        "fits": _fitting_words(pipeline),
        "other": f"what serves does not fit this code; would load {numbers} instead",
        "promote": f"would refuse what its alias stands for; promote {numbers}, which fit this code",
        "refuses": "would refuse to load",
        "stuck": "refuses to load already",
        "new": "was never trained",
    }[pipeline.state]


def _fitting_words(pipeline: PipelineCheck) -> str:
    roles = {node.role for node in pipeline.nodes} - {"code"}
    if not roles:
        return "nothing to load"
    if roles == {"retrain"}:
        return "trains, and loads nothing"
    return "goes on with what it serves" if pipeline.is_live else "can be loaded"


def refusal_words(refusal: Refusal) -> str:
    """What stands in the way, with the cause."""
    return f"{refusal.sentence.rstrip('.')} (cause: {refusal.cause})."


def step_words(step: Step) -> str:
    """What to do with one pipeline."""
    does = "load, run and save" if step.loads else "run and save"
    return f"{does} {step.pipeline} (trains {', '.join(step.trains)})"


def after_words(report: Report) -> str | None:
    """What to do once everything was trained; None where that is all."""
    waiting = [one for one in report.pipelines if one.state == "refuses" and one.name not in _trained(report)]
    if not report.steps or not waiting:
        return None
    promote = [one.name for one in waiting if one.is_promoted]
    return f"then {f'promote {listed(promote)}, and ' if promote else ''}load {listed([one.name for one in waiting])}"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names, as many as can be read.

    Args:
        names: all of them.
        most: how many are shown.
    """
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _trained(report: Report) -> set[str]:
    return {step.pipeline for step in report.steps}
