"""What does a server do differently when it runs a pipeline for a job?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from chariots.pipelines.callbacks import PipelineCallback
    from chariots.pipelines.store import SaveKey
    from chariots.serving import PipelineResponse

__all__ = ["Attempt"]


class Attempt(Protocol):
    """One attempt at a job, as `PipelinesServer.execute_pipeline` sees it."""

    @property
    def callbacks(self) -> Sequence[PipelineCallback]:
        """Who watches the run."""

    def before_save(self, response: PipelineResponse, learned: Collection[str]) -> SaveKey:
        """Called between a training and the save of what it learned.

        Args:
            response: what the pipeline has returned.
            learned: the names of the nodes that learned.

        Returns:
            what makes the save happen once, however often the job is tried.

        Raises:
            ChariotsError: if the job belongs to another attempt by now; then nothing is saved.
        """
