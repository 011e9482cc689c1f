"""What does a job say of itself while it runs?"""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from chariots.errors import ChariotsError
from chariots.pipelines.callbacks import PipelineCallback
from chariots.workers.job import LogLine, Progress

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.nodes import BaseNode
    from chariots.workers.job_store import Claim, JobStore

__all__ = ["SAY_SECONDS", "NodeByNode", "Reporter"]

SAY_SECONDS = 0.25  # how often is often enough for whoever watches
MOST_LINES = 2000  # of one attempt; whoever logs more wants a log file
LONGEST_LINE = 4000  # characters

_logger = logging.getLogger(__name__)


class Reporter(logging.Handler):
    """Collects what an attempt logs and how far it is, and tells the store when asked to, a few times a second.

    A job that is over sooner than that costs nothing: its progress goes with its end.

    Args:
        store: the jobs.
        claim: the attempt.
    """

    def __init__(self, store: JobStore, claim: Claim) -> None:
        super().__init__(level=logging.INFO)
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        self.progress: Progress | None = None
        #: How many lines the store was told.
        self.told = 0
        self._store, self._claim = store, claim
        self._lines: list[LogLine] = []
        self._count = 0
        self._is_new = False
        self._node: str | None = None
        self._mutex = threading.Lock()

    # -- what the job says ------------------------------------------------------------------------------------------

    def say(self, current: float, total: float | None = None, message: str = "") -> None:
        """Notes how far an op is; see `chariots.pipelines.progress`."""
        self._note(Progress(float(current), None if total is None else float(total), str(message)[:200], self._node))

    def at_node(self, name: str, number: int, total: int) -> None:
        """Notes which node begins.

        Args:
            name: the node.
            number: how many have run.
            total: how many there are.
        """
        self._node = name
        self._note(Progress(number, total, "", name))

    def emit(self, record: logging.LogRecord) -> None:
        """Notes a line of `logging`."""
        if record.name.startswith(("chariots.workers", "sqlalchemy", "rq.")):
            return  # what the worker says of itself, to whom it may be about this very line
        self._count += 1
        if self._count > MOST_LINES:
            return
        last = self._count == MOST_LINES
        text = "further lines are left out; log to a file" if last else self.format(record)[:LONGEST_LINE]
        with self._mutex:
            self._lines.append(LogLine(0, record.created, record.levelname, text))

    def _note(self, progress: Progress) -> None:
        self.progress, self._is_new = progress, True

    # -- telling it ---------------------------------------------------------------------------------------------------

    def tell(self) -> None:
        """Tells the store what is new; where it cannot be reached, the next time tells it."""
        with self._mutex:
            lines, self._lines = self._lines, []
            is_new, self._is_new = self._is_new, False
        if not lines and not is_new:
            return
        try:
            if self._store.report(self._claim, self.progress, lines):
                self.told += len(lines)
        except ChariotsError as error:
            with self._mutex:
                self._lines, self._is_new = lines + self._lines, True
            _logger.warning("job %s: its progress could not be told: %s", self._claim.job_id, error)

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self)
        if self._lines:  # progress alone goes with the end of the job
            self.tell()


class NodeByNode(PipelineCallback):
    """Tells a reporter which node of the job's pipeline runs; those of nested pipelines are one.

    Args:
        reporter: the reporter.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._done = self._total = 0

    def before_execution(self, pipeline: Pipeline, args: list[Any]) -> None:
        """Counts the nodes."""
        self._done, self._total = 0, len(pipeline.graph_nodes)

    def before_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any]) -> None:
        """Tells that a node begins."""
        self._reporter.at_node(node.name, self._done, self._total)

    def after_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any], output: Any) -> None:
        """Counts a node as done."""
        self._done += 1
