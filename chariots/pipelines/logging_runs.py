"""What is logged of a run? (when it and its nodes begin and end, how long that took, and what failed)"""

from __future__ import annotations

import logging
from typing import Any

from chariots.pipelines.drawing.tables import seconds
from chariots.pipelines.drawing.texts import visible
from chariots.pipelines.watching import NodeCall, RunWatcher, WatchedRun

__all__ = ["LOGGER", "LoggingCallback"]

LOGGER = "chariots.runs"


class LoggingCallback(RunWatcher):
    """Logs when runs and their nodes begin and end.

    Every record has, besides its text, attributes for programs (the ``extra`` of `logging`): ``event`` (``run_begun``,
    ``run_ended``, ``run_failed``, ``node_begun``, ``node_ended`` or ``node_failed``), ``pipeline``, ``run`` (its number
    in this process), ``node`` (of nodes), ``duration`` in seconds and ``state`` (of what has ended), ``error`` (the
    class of what failed). A failure is logged as an error, that of a run with its traceback.

    Args:
        logger: who logs, or its name.
        level: the level of what is told of runs.
        node_level: the level of what is told of nodes.
    """

    settings = ("logger", "level", "node_level")

    def __init__(
        self, logger: logging.Logger | str = LOGGER, level: int = logging.INFO, node_level: int = logging.DEBUG
    ) -> None:
        super().__init__()
        self.logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self.level = level
        self.node_level = node_level

    def on_run_begun(self, run: WatchedRun) -> None:
        """Logs it; see `RunWatcher.on_run_begun`."""
        if self.logger.isEnabledFor(self.level):
            self._log(self.level, "pipeline %r begins", run, "run_begun")

    def on_run_ended(self, run: WatchedRun) -> None:
        """Logs it; see `RunWatcher.on_run_ended`."""
        told = {"duration": run.seconds, "state": run.state}
        if run.error is not None:
            told["error"] = type(run.error).__qualname__
            # A nested run is part of one that fails as well, and tells the traceback.
            cause = run.error if run.parent is None else None
            self._log(logging.ERROR, "pipeline %r failed after %s: %s", run, "run_failed", told, run.error, cause)
        elif self.logger.isEnabledFor(self.level):
            self._log(self.level, "pipeline %r ran in %s", run, "run_ended", told)

    def on_node_begun(self, run: WatchedRun, call: NodeCall) -> None:
        """Logs it; see `RunWatcher.on_node_begun`."""
        if self.logger.isEnabledFor(self.node_level):
            self._log(self.node_level, "node %r of pipeline %r begins", run, "node_begun", {"node": call.path})

    def on_node_ended(self, run: WatchedRun, call: NodeCall) -> None:
        """Logs it; see `RunWatcher.on_node_ended`."""
        told = {"node": call.path, "duration": call.seconds, "state": call.state}
        if call.state == "failed" and run.error is not None:
            told["error"] = type(run.error).__qualname__
            self._log(logging.ERROR, "node %r of pipeline %r failed after %s: %s", run, "node_failed", told, run.error)
        elif self.logger.isEnabledFor(self.node_level):
            text = f"node %r of pipeline %r {'was found in the cache' if call.state == 'cached' else call.state} in %s"
            self._log(self.node_level, text, run, "node_ended", told)

    def _log(
        self,
        level: int,
        text: str,
        run: WatchedRun,
        event: str,
        told: dict[str, Any] | None = None,
        error: BaseException | None = None,
        cause: BaseException | None = None,
    ) -> None:
        known = told or {}
        words: list[Any] = [known["node"]] if "node" in known else []
        words.append(run.pipeline.name)
        if "duration" in known:
            words.append(seconds(known["duration"]))
        if error is not None:
            words.append(f"{type(error).__name__}: {visible(str(error))}")
        extra = {"event": event, "pipeline": run.pipeline.name, "run": run.number, **known}
        self.logger.log(level, text, *words, extra=extra, exc_info=cause)
