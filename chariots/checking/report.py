"""What came of a check? (plain facts, for a terminal, a review, a picture or a program to show)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from chariots.pipelines.store import FieldChange, Level, Refusal, Role

__all__ = ["NodeCheck", "OpCheck", "PipelineCheck", "Report", "Step"]

OpState = Literal["same", "changed", "moved", "new", "unknown"]
PipelineState = Literal["fits", "other", "promote", "refuses", "stuck", "new"]

FORMAT = 1  # of the JSON; raised when a member changes its meaning


@dataclass(frozen=True, slots=True)
class OpCheck:
    """What became of one op.

    Attributes:
        name: the name of the op.
        state: ``changed`` where the version of its class is another, ``moved`` where only the code is another (nothing
            was bumped), ``new`` where the store has never seen it, ``unknown`` where the store does not know which
            code made what it has, otherwise ``same``.
        levels: the subversions of the class version that changed.
        changes: the declared fields that changed.
        number: the store's number of the version it was held against; None if there is none.
        is_live: whether that version serves now.
        fingerprints: the fingerprint of the code then and now.
        retrain: whether a version must be trained with this code, or with what it reads, before it fits again.
        breaks: whether a pipeline would refuse to load because of this op, or of what was trained with it.
    """

    name: str
    state: OpState
    levels: Sequence[Level] = ()
    changes: Sequence[FieldChange] = ()
    number: int | None = None
    is_live: bool = False
    fingerprints: tuple[str | None, str | None] = (None, None)
    retrain: bool = False
    breaks: bool = False


@dataclass(frozen=True, slots=True)
class NodeCheck:
    """One node of a pipeline, as far as a picture needs it.

    Attributes:
        name: its name, which is that of its op in the store.
        role: what a load does with it.
        serves: the store's number of the version that serves now; None if none does.
    """

    name: str
    role: Role
    serves: int | None = None


@dataclass(frozen=True, slots=True)
class PipelineCheck:
    """What would become of one pipeline.

    Attributes:
        name: its name.
        state: ``fits`` where it can go on with what it has; ``other`` where it would load other versions;
            ``promote`` where its alias stands for versions that do not fit, and others do; ``refuses`` where nothing
            fits; ``stuck`` where nothing fits, this change has no part in it and nothing serves; ``new`` where it was
            never trained.
        is_live: whether it serves now.
        is_promoted: whether an alias says what it serves.
        gone: the nodes that it had when it was last saved or served, and has no more.
        would_load: the store's number of the version of each node that would be loaded.
        refusals: what stands in the way.
        problems: the same in sentences.
        nodes: its nodes, in the order in which they run.
        links: what reads what, as names (upstream, downstream).
        broken: those links whose two ends would not fit, or will not once the upstream op was trained again.
    """

    name: str
    state: PipelineState
    is_live: bool = False
    is_promoted: bool = False
    gone: Sequence[str] = ()
    would_load: Mapping[str, int] = field(default_factory=dict)
    refusals: Sequence[Refusal] = ()
    problems: Sequence[str] = ()
    nodes: Sequence[NodeCheck] = ()
    links: Sequence[tuple[str, str]] = ()
    broken: Sequence[tuple[str, str]] = ()

    @property
    def fails(self) -> bool:
        """Whether a server that runs this code could not serve it."""
        return self.state in ("refuses", "promote")


@dataclass(frozen=True, slots=True)
class Step:
    """One pipeline to run and save.

    Attributes:
        pipeline: its name.
        trains: the ops that it trains.
        loads: the ops that it must load first, because an earlier step trains them.
    """

    pipeline: str
    trains: Sequence[str]
    loads: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a check found.

    Attributes:
        app: the app that was checked, as it was named.
        against: the store that it was held against, as it was named.
        ops: the ops of the app.
        pipelines: its pipelines.
        steps: what must be trained, in this order.
        orphans: the ops that must be trained and that no pipeline of the app trains.
        others: the pipelines that this store also serves and the app does not have.
        warnings: what may be a mistake and keeps nothing from being served.
    """

    app: str
    against: str
    ops: Sequence[OpCheck] = ()
    pipelines: Sequence[PipelineCheck] = ()
    steps: Sequence[Step] = ()
    orphans: Sequence[str] = ()
    others: Sequence[str] = ()
    warnings: Sequence[str] = ()

    @property
    def is_harmless(self) -> bool:
        """Whether everything that was served or trained can be loaded by this code."""
        return not any(pipeline.fails for pipeline in self.pipelines)

    def exit_code(self, strict: bool = False) -> int:
        """The exit code of the command: 0 where this code may be deployed as it is, otherwise 1.

        Args:
            strict: whether a warning counts as well.
        """
        return 0 if self.is_harmless and not (strict and self.warnings) else 1

    @property
    def headline(self) -> str:
        """The outcome in a sentence."""
        steps = [step.pipeline for step in self.steps]
        refusing = [one.name for one in self.pipelines if one.state == "refuses"]
        # What is to be run again anyway goes without saying, unless there is nothing else to say.
        refusing = [name for name in refusing if name not in steps] or refusing
        promote = [one.name for one in self.pipelines if one.state == "promote"]
        said = [f"{_listed(refusing)} would refuse to load"] if refusing else []
        said += [f"{_listed(promote)} must be promoted to other versions first"] if promote else []
        if not said:
            return "Harmless: everything that is trained and live can be loaded by this code."
        cure = f" Run and save {_listed(steps, ', then ')} again." if refusing and steps else ""
        return f"{' and '.join(said)}.{cure}"

    def as_json(self) -> dict[str, Any]:
        """The report as JSON types, with the outcome first."""
        outcome = {"format": FORMAT, "harmless": self.is_harmless, "headline": self.headline}
        return {**outcome, **asdict(self)}


def _listed(names: Sequence[str], joint: str = ", ", most: int = 6) -> str:
    shown = joint.join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
