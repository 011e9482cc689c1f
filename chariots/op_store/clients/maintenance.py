"""How does a program ask how much a store holds, and whether it is all sound?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chariots.op_store import maintenance

if TYPE_CHECKING:
    from chariots.op_store.maintenance import StoreStats, VerifyReport

__all__ = ["MaintenanceQuestions"]


class MaintenanceQuestions(ABC):
    """What can be asked of an op store about its keeping."""

    @abstractmethod
    def post(self, route: str, arguments_json: Mapping[str, Any]) -> Any:
        """Asks one question; see `chariots.op_store.BaseOpStoreClient`."""

    def stats(self) -> StoreStats:
        """Returns how much the store holds, in all and of every op."""
        return maintenance.StoreStats.from_json(self.post("/v2/stats", {}))

    def verify(
        self, *, grace: float = maintenance.GRACE_SECONDS, progress: Callable[[float, VerifyReport], None] | None = None
    ) -> VerifyReport:
        """Lets the store read and hash everything that it keeps, while it goes on serving.

        It takes 17 requests or more, none of them longer than half a minute unless one op is very large.

        Args:
            grace: how old in seconds bytes without a version must be to be told of.
            progress: called now and then with how much is done, 1 for all, and what was seen so far.

        Returns:
            what was seen.
        """
        answer = self.post("/v2/verify/database", {})
        report = maintenance.VerifyReport(findings=[maintenance.Finding(**finding) for finding in answer["findings"]])
        shelves = answer["shelves"]
        for done, shelf in enumerate(shelves, start=1):
            after: str | None = ""
            while after is not None:
                asked = {"shelf": shelf, "after": after, "grace": grace}
                answer = self.post("/v2/verify/shelf", asked)
                after = answer.pop("after")
                findings = [maintenance.Finding(**finding) for finding in answer.pop("findings")]
                report.add(maintenance.VerifyReport(findings=findings, **answer))
            if progress is not None:
                progress(done / len(shelves), report)
        return report
