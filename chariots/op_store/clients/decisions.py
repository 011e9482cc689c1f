"""How does a program promote a pipeline, roll it back, and ask what was decided about it?"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from chariots.errors import UnknownNameError
from chariots.op_store.decisions.events import Event
from chariots.op_store.origin import present_origin
from chariots.pipelines.standings import Standing, Standings, asked_one_by_one
from chariots.pipelines.store import NodeQuery

if TYPE_CHECKING:
    from chariots.pipelines.store import OpStoreProtocol

__all__ = ["HistoryQuestions"]

_LONGEST_NAME = 255  # characters; what the store keeps of who did something


class HistoryQuestions(ABC):
    """What can be asked of an op store about the aliases of pipelines, and what can be decided about them.

    Whoever asks is noted as ``user@machine``, unless ``who`` says otherwise.
    """

    @abstractmethod
    def post(self, route: str, arguments_json: Mapping[str, Any]) -> Any:
        """Asks one question; see `chariots.op_store.BaseOpStoreClient`."""

    def promote(
        self,
        pipeline: str,
        alias: str = "production",
        versions: Mapping[str, int] | None = None,
        source: str | None = None,
        *,
        who: str | None = None,
        reason: str | None = None,
        expected: Mapping[str, int] | None = None,
    ) -> Event:
        """Lets an alias stand for another set of versions: the newest that fit together, unless others are named.

        Args:
            pipeline: the name of the pipeline.
            alias: the name of the alias; it is new if it stood for nothing.
            versions: for some of the nodes, the number of the version to take; the others take the newest that fit.
            source: instead of versions, the alias to take them from, or ``serving`` for what the pipeline serves.
            who: who promotes.
            reason: why.
            expected: what the alias must stand for until now; empty for nothing; not looked at if None.

        Returns:
            the event; the one that is there, if the alias stands for this very set already.

        Raises:
            UnknownNameError: if there is no such pipeline, node, version or source.
            VersionError: if the versions do not fit together; or none are named, and the newest that fit are what the
                alias stands for, although newer ones were saved.
            ConflictError: if the alias stands for something else than expected, or nothing says which versions the
                pipeline needs.
        """
        asked = {
            "pipeline": pipeline,
            "alias": alias,
            "versions": None if versions is None else dict(versions),
            "source": source,
            "expected": None if expected is None else dict(expected),
        }
        return self._decide("/v2/promotions", asked, who, reason)

    def rollback(
        self,
        pipeline: str,
        alias: str = "production",
        to: int | None = None,
        *,
        who: str | None = None,
        reason: str | None = None,
        expected: Mapping[str, int] | None = None,
    ) -> Event:
        """Lets an alias stand for the set of versions it stood for before; once more, for the one before that.

        Args:
            pipeline: the name of the pipeline.
            alias: the name of the alias.
            to: the number of the event whose set is to come back; the one before if None.
            who: who rolls back.
            reason: why.
            expected: what the alias must stand for until now; empty for nothing; not looked at if None.

        Returns:
            the event; its `problems` tell what keeps the set from being loaded by the code that was seen last.

        Raises:
            UnknownNameError: if there is no such pipeline, or no such event of this alias.
            ConflictError: if there is nothing to go back to, the bytes of a version are gone, or the alias stands for
                something else than expected.
        """
        asked = {
            "pipeline": pipeline,
            "alias": alias,
            "to": to,
            "expected": None if expected is None else dict(expected),
        }
        return self._decide("/v2/rollbacks", asked, who, reason)

    def withdraw(
        self,
        pipeline: str,
        alias: str,
        *,
        who: str | None = None,
        reason: str | None = None,
        expected: Mapping[str, int] | None = None,
    ) -> Event:
        """Lets an alias stand for nothing, as a canary does that failed.

        Args:
            pipeline: the name of the pipeline.
            alias: the name of the alias.
            who: who withdraws it.
            reason: why.
            expected: what the alias must stand for until now; not looked at if None.

        Returns:
            the event; the one that is there, if the alias was withdrawn already.

        Raises:
            UnknownNameError: if there is no such pipeline.
            ConflictError: if the alias never stood for anything, or stands for something else than expected.
        """
        asked = {"pipeline": pipeline, "alias": alias, "expected": None if expected is None else dict(expected)}
        return self._decide("/v2/withdrawals", asked, who, reason)

    def accept(
        self,
        pipeline: str,
        upstream: str,
        downstream: str,
        reason: str,
        versions: Mapping[str, int] | None = None,
        *,
        who: str | None = None,
    ) -> Event:
        """Vouches that a version of an op may run with a version of an op it reads, although it did not learn with it.

        Args:
            pipeline: the name of the pipeline.
            upstream: the node whose output is read.
            downstream: the node that reads it.
            reason: why they fit; it is kept.
            versions: for one of the two or both, the number of the version; the newest that the code can run where none
                is given.
            who: who vouches.

        Returns:
            the event.

        Raises:
            InputError: if there is no reason.
            UnknownNameError: if there is no such pipeline, node or version.
            ConflictError: if the two may run together already, or nothing keeps them from it.
        """
        asked = {
            "pipeline": pipeline,
            "upstream": upstream,
            "downstream": downstream,
            "versions": None if versions is None else dict(versions),
        }
        return self._decide("/v2/acceptances", asked, who, reason)

    def alias(self, pipeline: str, name: str) -> Mapping[str, int] | None:
        """Returns what an alias stands for.

        Args:
            pipeline: the name of the pipeline.
            name: the name of the alias.

        Returns:
            the store's number for the version of each node; None if the alias stands for nothing.
        """
        try:
            versions: dict[str, int] | None = self.post("/v2/alias", {"pipeline": pipeline, "alias": name})["versions"]
        except UnknownNameError:
            return None  # a store of an earlier release has no such route, and no aliases
        return versions

    def standings(self, pipelines: Sequence[str], alias: str | None, seen: str | None = None) -> Standings | None:
        """Returns what pipelines are to serve: what an alias stands for, or else what was deployed last.

        Args:
            pipelines: the names of the pipelines.
            alias: the name of the alias; None if only deployments count.
            seen: the mark of the answer that is known.

        Returns:
            what they are to serve, as the store's number for the version of each node; None if that is what is known.
        """
        asked = {"pipelines": list(pipelines), "alias": alias, "seen": seen}
        try:
            answer = self.post("/v2/standings", asked)
        except UnknownNameError:  # a store of an earlier release has no such route
            return asked_one_by_one(cast("OpStoreProtocol", self), pipelines, alias, seen)
        if answer["pipelines"] is None:
            return None
        return Standings(
            answer["mark"],
            {name: Standing(one["entry"], one["versions"]) for name, one in answer["pipelines"].items()},
        )

    def aliases(self, pipeline: str | None = None) -> list[Event]:
        """Returns what every alias stands for, by name, each as the event that says so.

        Args:
            pipeline: the name of the pipeline; all pipelines if None.

        Raises:
            UnknownNameError: if there is no such pipeline.
        """
        return [Event.from_json(event) for event in self.post("/v2/aliases", {"pipeline": pipeline})["aliases"]]

    def history(
        self, pipeline: str, limit: int = 100, before: int | None = None, alias: str | None = None
    ) -> list[Event]:
        """Returns what was promoted, rolled back and accepted, newest first.

        Args:
            pipeline: the name of the pipeline.
            limit: how many at most, up to 1,000.
            before: the number of the last event of the page before; None to begin with the newest.
            alias: only what was done with this alias.

        Raises:
            UnknownNameError: if there is no such pipeline.
        """
        asked = {"pipeline": pipeline, "limit": limit, "before": before, "alias": alias}
        return [Event.from_json(event) for event in self.post("/v2/history", asked)["events"]]

    def describe_pipeline(self, pipeline: str, nodes: Sequence[NodeQuery], edges: Sequence[tuple[str, str]]) -> None:
        """Tells the store what a pipeline is made of, so that versions for it can be chosen where its code is not.

        Args:
            pipeline: its name.
            nodes: its nodes.
            edges: pairs of names of nodes, (upstream, downstream).
        """
        asked = {
            "pipeline": pipeline,
            "nodes": [asdict(node) for node in nodes],
            "edges": [list(edge) for edge in edges],
        }
        try:
            self.post("/v2/pipelines/describe", asked)
        except UnknownNameError:
            return  # a store of an earlier release has no such route, and nobody will ask it

    def _decide(self, route: str, asked: dict[str, Any], who: str | None, reason: str | None) -> Event:
        # A request may be sent again when no answer came; the key tells the store that it is the same one.
        given = {**asked, "who": who or _present_person(), "reason": reason, "key": uuid.uuid4().hex}
        return Event.from_json(self.post(route, given))


def _present_person() -> str | None:
    """``user@machine``, as far as it is known."""
    origin = present_origin()
    words = "@".join(part for part in (origin.who, origin.host) if part)
    return "".join(letter for letter in words if letter.isprintable())[:_LONGEST_NAME] or None
