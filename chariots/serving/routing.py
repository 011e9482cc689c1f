"""Which versions of a pipeline answer a call, and which only compute it? (stable, canary, shadow)"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import flask

from chariots import web
from chariots.errors import nearest
from chariots.pipelines.choosing import fraction
from chariots.serving import execution
from chariots.serving.canaries import LiveCanary
from chariots.serving.candidates import Candidate
from chariots.serving.rollouts import Canary, Rollout, Shadow
from chariots.serving.shadows import LiveShadow

if TYPE_CHECKING:
    from chariots.pipelines.runners import BaseRunner
    from chariots.pipelines.store import OpStoreProtocol
    from chariots.serving.batchable import Batching
    from chariots.serving.served import ServedPipeline
    from chariots.serving.snapshots import Snapshot

__all__ = ["Routing", "install"]


class Routing:
    """What is tried on the calls of one pipeline beside the versions in service.

    Args:
        served: the pipeline.
        canary: what answers a share of the calls, if anything does.
        shadow: what computes a share of them without answering, if anything does.
    """

    def __init__(self, served: ServedPipeline, canary: LiveCanary | None, shadow: LiveShadow | None) -> None:
        self.served = served
        self.canary = canary
        self.shadow = shadow
        #: Told of every run: the variant, its version, the outcome and the seconds.
        self.observed: Callable[[str, str, str, float], None] | None = None
        #: Told for each rollout whether it is under way: its kind, its alias, and whether it is.
        self.announce: Callable[[str, str, bool], None] | None = None
        self._following = threading.Lock()  # held while the store is asked; no call waits for it
        self._versions: dict[str, tuple[Snapshot, str]] = {}  # for each variant, the last state and its version

    @property
    def is_active(self) -> bool:
        """Whether anything is tried at this moment."""
        return (self.canary is not None and self.canary.snapshot is not None) or (
            self.shadow is not None and self.shadow.snapshot is not None
        )

    def answer(self, stable: Snapshot, value: Any, runner: BaseRunner) -> tuple[Any, Snapshot]:
        """Answers a call from the versions that are to answer it.

        Args:
            stable: the versions in service.
            value: the input, converted.
            runner: who runs it.

        Returns:
            the output, and the snapshot that made it.
        """
        canary = self.canary
        tried = None if canary is None else canary.snapshot
        if canary is not None and tried is not None and _is_chosen(canary.canary):
            return self._try(canary, tried, stable, value, runner)
        output, snapshot = self._run_stable(stable, value, runner)
        if self.shadow is not None and _is_chosen(self.shadow.shadow):
            self.shadow.offer(value, output, runner)
        return output, snapshot

    def follow(self, store: OpStoreProtocol) -> None:
        """Takes up what the aliases stand for, and tells the store what was withdrawn.

        Args:
            store: the op store.

        Raises:
            ChariotsError: if the store does not answer.
        """
        with self._following:
            try:
                if self.canary is not None:
                    self.canary.follow(store)
                if self.shadow is not None:
                    self.shadow.candidate.follow(store)
            finally:
                self._versions.clear()  # lest a state that was replaced be kept in memory
                self.tell_state()

    def tell_state(self) -> None:
        """Tells whoever wants to know which rollouts are under way."""
        if self.announce is None:
            return
        if self.canary is not None:
            self.announce("canary", self.canary.canary.alias, self.canary.snapshot is not None)
        if self.shadow is not None:
            self.announce("shadow", self.shadow.shadow.alias, self.shadow.snapshot is not None)

    def version_of(self, variant: str, snapshot: Snapshot) -> str:
        """The version of a whole state, as the metrics have it.

        Args:
            variant: what it is tried as.
            snapshot: the state.
        """
        known = self._versions.get(variant)
        if known is None or known[0] is not snapshot:
            known = self._versions[variant] = snapshot, str(snapshot.pipeline.op_version).partition("_")[0]
        return known[1]

    # -- how ------------------------------------------------------------------------------------------------------

    def _try(
        self, canary: LiveCanary, tried: Snapshot, stable: Snapshot, value: Any, runner: BaseRunner
    ) -> tuple[Any, Snapshot]:
        """Lets the canary answer; where it fails, the versions in service do."""
        began = time.perf_counter()
        try:
            output = canary.candidate.run(tried, value, runner)
        except Exception as error:
            seconds = time.perf_counter() - began
            remaining = web.deadline.remaining()
            if remaining is not None and remaining <= 0:
                self._count("canary", tried, "failed", seconds)
                canary.count(tried, error)
                raise
            try:
                answer = self._run_stable(stable, value, runner)
            except Exception:
                # Whatever it is, it is not that these versions are tried: the input, or a service behind both.
                self._count("canary", tried, "both_failed", seconds)
                raise
            self._count("canary", tried, "failed", seconds)
            canary.count(tried, error)
            return answer
        self._count("canary", tried, "ok", time.perf_counter() - began)
        canary.count(tried, None)
        return output, tried

    def _run_stable(self, stable: Snapshot, value: Any, runner: BaseRunner) -> tuple[Any, Snapshot]:
        began, outcome = time.perf_counter(), "failed"
        try:
            answer = execution.run_request(self.served, stable, value, runner)
            outcome = "ok"
        finally:
            self._count("stable", stable, outcome, time.perf_counter() - began)
        return answer

    def _count(self, variant: str, snapshot: Snapshot, outcome: str, seconds: float) -> None:
        if self.observed is not None:
            self.observed(variant, self.version_of(variant, snapshot), outcome, seconds)


def install(
    served: Mapping[str, ServedPipeline],
    rollouts: Iterable[Rollout],
    *,
    alias: str | None,
    can_follow: bool,
    batching: Batching | None,
    logger: logging.Logger,
) -> list[Routing]:
    """Gives the pipelines of a server what is to be tried on their calls.

    Args:
        served: the pipelines.
        rollouts: what is to be tried.
        alias: the alias whose versions are in service.
        can_follow: whether the server has an op store, and follows it.
        batching: how far requests may run together; None if each is to run alone.
        logger: who is told what goes wrong.

    Returns:
        what is to be followed.

    Raises:
        ValueError: if one of them cannot be.
    """
    found: dict[str, dict[str, Rollout]] = {}
    for rollout in rollouts:
        _check(rollout, served, alias, can_follow)
        kind = type(rollout).__name__
        if kind in found.setdefault(rollout.pipeline, {}):
            raise ValueError(f"pipeline {rollout.pipeline!r} was given two of {kind}; give it one at most")
        found[rollout.pipeline][kind] = rollout
    made = []
    for name, kinds in found.items():
        one, canary, shadow = served[name], None, None
        for rollout in kinds.values():
            candidate = Candidate(one, rollout.alias, batching, logger)
            if isinstance(rollout, Canary):
                canary = LiveCanary(rollout, candidate, logger)
            else:
                shadow = LiveShadow(rollout, candidate, logger)
        one.routing = Routing(one, canary, shadow)
        made.append(one.routing)
    return made


def _check(rollout: Rollout, served: Mapping[str, ServedPipeline], alias: str | None, can_follow: bool) -> None:
    if not isinstance(rollout, Canary | Shadow):
        raise TypeError(f"a server was given the rollout {rollout!r}, which is none; give Canary(...) or Shadow(...)")
    asked = f"{type(rollout).__name__}({rollout.pipeline!r}, alias={rollout.alias!r})"
    if rollout.pipeline not in served:
        raise ValueError(
            f"{asked} is for a pipeline that this server does not have.{nearest(rollout.pipeline, served)}"
        )
    one = served[rollout.pipeline]
    if one.current.trains:
        raise ValueError(
            f"{asked} is for a pipeline that trains, and a training cannot be tried on a part of the calls; give it "
            "the pipeline that predicts"
        )
    if not one.is_loadable:
        raise ValueError(f"{asked} is for a pipeline in which nothing is loaded, so that it has no versions to try")
    if rollout.alias == alias:
        raise ValueError(f"{asked} names the alias that is in service; give it another one, such as 'candidate'")
    if not can_follow:
        raise ValueError(
            f"{asked} needs an op store that says what is tried, and a server that follows it; give the server an "
            "op_store_client, and leave follow_seconds on"
        )


def _is_chosen(rollout: Rollout) -> bool:
    """Whether the present call is in the share."""
    if rollout.share >= 1:
        return True
    salt = f"{type(rollout).__name__.lower()} of {rollout.pipeline}"
    return fraction(salt, _key(rollout.key)) < rollout.share


def _key(header: str) -> str:
    given = flask.request.headers.get(header) if flask.has_request_context() else None
    return given or web.request_ids.current_request_id() or web.request_ids.new_request_id()
