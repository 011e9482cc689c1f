"""Which pipelines of an app would a store refuse, and what must be trained again?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chariots.checking.asking import Asked, asked_by, ops_of
from chariots.checking.comparing import changed_levels, compare_op
from chariots.checking.report import NodeCheck, OpCheck, PipelineCheck, Report
from chariots.checking.retraining import Training, plan_training
from chariots.checking.stores import ask_baseline
from chariots.errors import UnknownNameError, nearest
from chariots.op_store.baseline import Baseline, LivePipeline
from chariots.pipelines.store import Level, NodeQuery, Refusal, Resolution
from chariots.versioning import VersionType

if TYPE_CHECKING:
    from chariots.op_store import BaseOpStoreClient
    from chariots.pipelines import Pipeline

__all__ = ["check_pipelines"]


def check_pipelines(
    pipelines: Sequence[Pipeline],
    store: BaseOpStoreClient,
    *,
    app: str = "",
    against: str = "",
    alias: str | None = "production",
    only: Collection[str] = (),
) -> Report:
    """Holds pipelines, as the running code declares them, against what a store has. Nothing is loaded or changed.

    Args:
        pipelines: all pipelines of an app.
        store: the op store.
        app: the name of the app, for the report.
        against: the name of the store, for the report.
        alias: the alias that says which versions serve; where a pipeline has none, its last deployment does.
        only: the names of the pipelines to judge; all if empty. The others are still known as ways to train.

    Returns:
        what was found.

    Raises:
        UnknownNameError: if a pipeline to judge does not exist.
        ValueError: if a pipeline holds two different ops of one name.
        ChariotsError: if the store does not answer.
    """
    asked = [asked_by(pipeline) for pipeline in pipelines]
    _check_names(only, [one.name for one in asked])
    chosen = [one for one in asked if not only or one.name in only]
    queries: dict[str, NodeQuery] = {}
    for one in chosen:
        for name, node in one.nodes.items():
            queries.setdefault(name, node)
    baseline = ask_baseline(store, [name for one in asked for name in one.nodes], [one.name for one in asked], alias)
    live = {number for one in baseline.pipelines.values() for number in (one.versions or {}).values()}
    declared = _declared(baseline)
    ops = {
        name: compare_op(node, baseline.ops.get(name, ()), live, declared.get(name, ()))
        for name, node in queries.items()
    }
    checks = [_judged(one, store, baseline, ops) for one in chosen]
    needed = [name for check, one in zip(checks, chosen, strict=True) for name in _needed(check, one)]
    plan = plan_training(asked, needed, _changes(pipelines, asked, baseline), _saved_by(checks, baseline))
    checks = [
        _with_stale_links(check, plan) if check.state in ("refuses", "stuck", "new") else check for check in checks
    ]
    causes = {upstream for check in checks if check.fails for upstream, _ in check.broken}
    causes.update(refusal.node for check in checks if check.fails for refusal in check.refusals)
    return Report(
        app=app,
        against=against,
        ops=[replace(op, retrain=name in plan.ops, breaks=name in causes) for name, op in ops.items()],
        pipelines=checks,
        steps=plan.steps,
        orphans=plan.orphans,
        others=baseline.others,
        warnings=_warnings(ops, checks, baseline),
    )


def _check_names(only: Collection[str], known: Sequence[str]) -> None:
    for name in only:
        if name not in known:
            listed = ", ".join(repr(other) for other in known) or "none"
            raise UnknownNameError(
                f"pipeline {name!r} was to be checked, but the app has none of that name.{nearest(name, known)} "
                f"Its pipelines are: {listed}."
            )


def _judged(one: Asked, store: BaseOpStoreClient, baseline: Baseline, ops: Mapping[str, OpCheck]) -> PipelineCheck:
    """Asks the store what it would do with one pipeline."""
    known = baseline.pipelines.get(one.name, LivePipeline())
    nodes, edges = list(one.nodes.values()), list(one.edges)
    serves = {
        name: number
        for name, number in (known.versions or {}).items()
        if name in one.nodes and one.nodes[name].role != "retrain"
    }
    is_live = bool(serves)
    found: Resolution | None = None
    if serves:
        found = store.resolve(one.name, nodes, edges, serves)
    state: Any = "fits"
    if found is None or found.problems:
        found = store.resolve(one.name, nodes, edges)
        trained = all(baseline.ops.get(name) for name in one.loads if one.nodes[name].role == "load")
        if not found.problems:
            state = "fits" if not serves else "other" if known.alias is None else "promote"
        elif is_live:
            state = "refuses"
        elif not trained:
            state = "new"
        else:
            changed = any(ops[name].state == "changed" for name in one.nodes)
            state = "refuses" if changed else "stuck"
    unreadable = [] if found.problems else _unreadable(one, found)
    if unreadable:
        state = "refuses"
        found = replace(found, problems=[refusal.sentence for refusal in unreadable], refusals=unreadable)
    broken = {(refusal.upstream, refusal.node) for refusal in found.refusals if refusal.upstream is not None}
    return PipelineCheck(
        name=one.name,
        state=state,
        is_live=is_live,
        is_promoted=known.alias is not None,
        gone=[node.name for node in known.shape.nodes if node.name not in one.nodes] if known.shape else [],
        would_load={} if found.problems else {name: version.id for name, version in found.versions.items()},
        refusals=list(found.refusals),
        problems=list(found.problems),
        nodes=[NodeCheck(name, node.role, serves.get(name)) for name, node in one.nodes.items()],
        links=list(dict.fromkeys([*one.links, *(edge for edge in one.edges if edge in broken)])),
        broken=[edge for edge in one.edges if edge in broken],
    )


def _unreadable(one: Asked, found: Resolution) -> list[Refusal]:
    """The ops whose saved bytes the running code would refuse to read, because it has another serializer."""
    refusals = []
    for name, version in found.versions.items():
        reads = one.formats.get(name)
        if one.nodes[name].role != "retrain" and None not in (version.format, reads) and version.format != reads:
            sentence = (
                f"node {name!r} reads the format {reads!r}, and its version number {version.id} was saved as "
                f"{version.format!r}; keep the serializer_cls it was saved with, or train and save it again."
            )
            refusals.append(Refusal(name, "code", sentence, running_with=version.version))
    return refusals


def _needed(check: PipelineCheck, one: Asked) -> Iterator[str]:
    """The ops that stand in the way of a pipeline until they were trained again."""
    if check.state in ("refuses", "stuck", "new"):
        for refusal in check.refusals:
            name = refusal.node
            if one.nodes[name].role == "code" and refusal.upstream is not None:
                name = refusal.upstream
            yield name


def _with_stale_links(check: PipelineCheck, plan: Training) -> PipelineCheck:
    """Adds the links that break because what they start from must be trained again."""
    roles = {node.name: node.role for node in check.nodes}
    stale = [
        (upstream, downstream)
        for upstream, downstream in sorted(plan.stale)
        if upstream in roles and roles.get(downstream) in ("load", "optional")
    ]
    return replace(
        check,
        links=list(dict.fromkeys([*check.links, *stale])),
        broken=list(dict.fromkeys([*check.broken, *stale])),
    )


def _declared(baseline: Baseline) -> dict[str, list[NodeQuery]]:
    """How the ops were declared by the code that was last saved or served; what serves comes first."""
    found: dict[str, list[NodeQuery]] = {}
    for known in sorted(baseline.pipelines.values(), key=lambda one: not one.versions):
        for node in known.shape.nodes if known.shape else ():
            found.setdefault(node.name, []).append(node)
    return found


def _saved_by(checks: Sequence[PipelineCheck], baseline: Baseline) -> dict[str, list[str]]:
    """For each op, the pipelines that saved it before, the latest first."""
    found = {refusal.node: list(refusal.retrain) for check in checks for refusal in check.refusals}
    for name, known in baseline.ops.items():
        found.setdefault(name, []).extend(version.saved_by for version in known if version.saved_by)
    return found


def _changes(pipelines: Sequence[Pipeline], asked: Sequence[Asked], baseline: Baseline) -> dict[str, Collection[Level]]:
    """For each op, the subversions in which its next training differs from the versions there are."""
    found: dict[str, set[Level]] = {}
    for one in asked:
        for name, node in one.nodes.items():
            told = (version.code_version for version in baseline.ops.get(name, ()) if version.code_version)
            found.setdefault(name, set()).update(changed_levels(node.code_version, next(told, None)))
    for pipeline in pipelines:
        for name, op in ops_of(pipeline):
            learning = getattr(op, "training_update_version", None)
            if learning is not None:
                found[name].add(VersionType(learning).value)
    return dict(found)


def _when(op: OpCheck) -> str:
    return "it was last saved or served" if op.number is None else f"version number {op.number} was saved"


def _warnings(ops: Mapping[str, OpCheck], checks: Sequence[PipelineCheck], baseline: Baseline) -> list[str]:
    """What may be a mistake, in sentences."""
    said = [
        f"The code of {op.name!r} is not what it was when {_when(op)}, and none of its declared fields changed. If it "
        "computes something else now, change or add a VersionedField; if it only reads better, this is harmless."
        for op in ops.values()
        if op.state == "moved"
    ]
    said += [
        f"Pipeline {check.name!r} refuses to load already, and does not serve: nothing that it needs changed here."
        for check in checks
        if check.state == "stuck"
    ]
    if not checks:
        said.append("The app has no pipelines, so nothing was checked.")
    elif not any(baseline.ops.values()) and not any(one.is_known for one in baseline.pipelines.values()):
        said.append(
            "The store knows none of the ops and pipelines of this app, so there was nothing to hold it against; "
            "look whether it is the right store."
        )
    return said
