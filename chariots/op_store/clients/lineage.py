"""How does a program ask where a version comes from, and what was made with it?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chariots.errors import InputError
from chariots.op_store.checks import LARGEST_PAGE
from chariots.op_store.decisions.events import Event
from chariots.pipelines.store import Origin

if TYPE_CHECKING:
    # Every server has a client of its store, and few are asked for a lineage.
    from chariots.op_store.details import LinkedVersion, OpDetails, PipelineDetails, VersionDetails

__all__ = ["LineageQuestions"]


class LineageQuestions(ABC):
    """What can be asked of an op store about the lineage of versions.

    Lists come in pages: ask again with the last entry of one page to get the next.
    """

    @abstractmethod
    def post(self, route: str, arguments_json: Mapping[str, Any]) -> Any:
        """Asks one question; see `chariots.op_store.BaseOpStoreClient`."""

    def ops(self, limit: int = 100, after: str = "") -> list[OpDetails]:
        """Returns the ops that the store knows, by name.

        Args:
            limit: how many at most, up to 1,000.
            after: the name after which to begin; the last of the page before.
        """
        from chariots.op_store.details import OpDetails

        answer = self.post("/v2/lineage/ops", {"limit": limit, "after": after})
        return [OpDetails(**{**op, "saved_at": _moment(op["saved_at"])}) for op in answer["ops"]]

    def pipelines(self, limit: int = 100, after: str = "") -> list[PipelineDetails]:
        """Returns the pipelines that the store knows with what they serve, by name.

        Args:
            limit: how many at most, up to 1,000.
            after: the name after which to begin; the last of the page before.
        """
        from chariots.op_store.details import PipelineDetails

        answer = self.post("/v2/lineage/pipelines", {"limit": limit, "after": after})
        return [
            PipelineDetails(
                name=one["name"],
                serves=one["serves"],
                serves_since=_moment(one["serves_since"]),
                aliases=[Event.from_json(event) for event in one["aliases"]],
            )
            for one in answer["pipelines"]
        ]

    def versions(self, op: str, limit: int = 100, before: int | None = None) -> list[VersionDetails]:
        """Returns the versions of an op, newest first.

        Args:
            op: the name of the op.
            limit: how many at most, up to 1,000.
            before: the number of the last version of the page before; None to begin with the newest.

        Raises:
            UnknownNameError: if the store does not know the op.
        """
        answer = self.post("/v2/lineage/versions", {"op": op, "limit": limit, "before": before})
        return [_details(version) for version in answer["versions"]]

    def version(self, number: int) -> VersionDetails:
        """Returns everything that is known of one version.

        Args:
            number: the store's number for it.

        Raises:
            UnknownNameError: if the store has no such version.
        """
        return _details(self.post("/v2/lineage/version", {"number": number}))

    def parents(self, number: int, limit: int = 100, before: int | None = None) -> list[LinkedVersion]:
        """Returns the upstream versions that a version was trained with, newest first.

        Args:
            number: the store's number of the downstream version.
            limit: how many at most, up to 1,000.
            before: the number of the last version of the page before; None to begin with the newest.

        Raises:
            UnknownNameError: if the store has no such version.
        """
        asked = {"number": number, "limit": limit, "before": before}
        return [_linked(found) for found in self.post("/v2/lineage/parents", asked)["parents"]]

    def children(self, number: int, limit: int = 100, before: int | None = None) -> list[LinkedVersion]:
        """Returns the downstream versions that were trained with a version, newest first.

        Args:
            number: the store's number of the upstream version.
            limit: how many at most, up to 1,000.
            before: the number of the last version of the page before; None to begin with the newest.

        Raises:
            UnknownNameError: if the store has no such version.
        """
        asked = {"number": number, "limit": limit, "before": before}
        return [_linked(found) for found in self.post("/v2/lineage/children", asked)["children"]]

    def versions_by_number(self, numbers: Collection[int]) -> dict[int, VersionDetails]:
        """Returns what is known of some versions, by number; those that the store does not have are left out.

        Args:
            numbers: the store's numbers, any number of them.
        """
        wanted = sorted(set(numbers))
        found: dict[int, VersionDetails] = {}
        for start in range(0, len(wanted), LARGEST_PAGE):
            asked = {"numbers": wanted[start : start + LARGEST_PAGE]}
            for described in self.post("/v2/lineage/by-number", asked)["versions"]:
                found[described["id"]] = _details(described)
        return found

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Asks a question in GraphQL.

        Args:
            query: the question.
            variables: the values of its variables.

        Returns:
            what the answer holds under ``data``.

        Raises:
            InputError: if the store refuses the question, or a part of it has no answer.
        """
        answer = self.post("/graphql", {"query": query, "variables": dict(variables or {})})
        if answer.get("errors"):
            told = "; ".join(str(error.get("message")) for error in answer["errors"])
            raise InputError(
                f"a GraphQL question could not be answered: {told}. Correct it; the how-to guide on lineage shows the "
                "fields and the limits.",
                errors=answer["errors"],
            )
        data: dict[str, Any] = answer["data"]
        return data


def _linked(described: Mapping[str, Any]) -> LinkedVersion:
    from chariots.op_store.details import LinkedVersion

    return LinkedVersion(_details(described["version"]), described["accepted_by"])


def _details(described: Mapping[str, Any]) -> VersionDetails:
    from chariots.op_store.details import VersionDetails

    moments = {name: _moment(described[name]) for name in ("saved_at", "pruned_at")}
    # What a newer store tells beside this is left out.
    known = {name: described[name] for name in VersionDetails.__dataclass_fields__ if name in described}
    return VersionDetails(**{**known, **moments, "origin": Origin(**described["origin"])})


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
