"""What must be trained again, by which pipelines, and in which order?

An op that is trained again is a new version. Where that differs from the old one in a subversion that its readers mind,
they must be trained again as well, and so on down the pipelines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chariots.checking.asking import Asked
from chariots.checking.comparing import LEVELS
from chariots.checking.report import Step
from chariots.pipelines.store import Level

__all__ = ["Training", "plan_training"]


@dataclass
class Training:
    """A plan of trainings.

    Attributes:
        ops: the ops that must be trained, and those that are trained along with them.
        steps: the pipelines to run and save, in order.
        orphans: the ops that must be trained and that no pipeline trains.
        stale: the edges that a training breaks, until their reader was trained as well.
    """

    ops: set[str] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    stale: set[tuple[str, str]] = field(default_factory=set)


def plan_training(
    pipelines: Sequence[Asked],
    needed: Iterable[str],
    changes: Mapping[str, Collection[Level]],
    saved_by: Mapping[str, Sequence[str]],
) -> Training:
    """Plans which pipelines to run, so that everything fits again.

    Args:
        pipelines: the pipelines of the app.
        needed: the ops that must be trained.
        changes: for each op, the subversions in which its next version will differ from the ones that its readers
            were trained with.
        saved_by: for an op, the names of pipelines that saved it before, the best first.

    Returns:
        the plan.
    """
    plan = Training()
    by_name = {pipeline.name: pipeline for pipeline in pipelines}
    chosen: dict[str, None] = {}
    waiting = list(dict.fromkeys(needed))
    wanted = set(waiting)
    while waiting:
        op = waiting.pop(0)
        if op not in plan.ops:
            trainer = _trainer(op, pipelines, chosen, saved_by.get(op, ()))
            if trainer is None:
                plan.orphans.append(op)
                plan.ops.add(op)
                trained = [op]
            else:
                chosen[trainer.name] = None
                trained = [name for name in (trainer.trains or [op]) if name not in plan.ops]
                plan.ops.update(trained)
            for upstream in trained:
                broken = _readers(upstream, pipelines, changes.get(upstream, ()))
                plan.stale.update(broken)
                new = [reader for _, reader in broken if reader not in wanted]
                wanted.update(new)
                waiting.extend(dict.fromkeys(new))
    plan.steps = _in_order([by_name[name] for name in chosen], plan.ops)
    return plan


def _trainer(op: str, pipelines: Sequence[Asked], chosen: Collection[str], savers: Sequence[str]) -> Asked | None:
    """The pipeline to train an op with: one that runs anyway, or that did so before, or else the first that can."""
    able = [pipeline for pipeline in pipelines if op in pipeline.trains]
    if not able:
        # An op of one's own with a state is saved by whatever pipeline holds it.
        able = [one for one in pipelines if op in one.nodes and one.nodes[op].role == "optional"]
    ranks = {name: position for position, name in enumerate(savers)}
    return min(able, key=lambda one: (one.name not in chosen, ranks.get(one.name, len(ranks))), default=None)


def _readers(op: str, pipelines: Sequence[Asked], changes: Collection[Level]) -> list[tuple[str, str]]:
    """The edges from an op to ops that were trained with it and mind its new version."""
    found: dict[tuple[str, str], None] = {}
    for pipeline in pipelines:
        for upstream, downstream in pipeline.edges:
            if upstream == op and pipeline.nodes[downstream].role in ("load", "optional"):
                minded = LEVELS[: LEVELS.index(pipeline.nodes[op].mismatch_on) + 1]
                if any(level in changes for level in minded):
                    found[upstream, downstream] = None
    return list(found)


def _in_order(chosen: Sequence[Asked], trained: Collection[str]) -> list[Step]:
    """The chosen pipelines, each after those that train what it loads; in the given order where they go round."""
    waiting, done = list(chosen), set[str]()
    steps: list[Step] = []
    while waiting:
        pending = {name for one in waiting for name in one.trains if name in trained}
        ready = next(
            (one for one in waiting if not (set(one.loads) - set(one.trains)) & (pending - done)),
            waiting[0],
        )
        waiting.remove(ready)
        done.update(ready.trains)
        loads = [name for name in ready.loads if any(name in step.trains for step in steps)]
        steps.append(Step(ready.name, ready.trains or [name for name in ready.loads if name in trained], loads))
    return steps
