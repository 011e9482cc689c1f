"""How is one pipeline run for many inputs at the same time?"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable
from typing import Any

from chariots.pipelines.crew import Crew

__all__ = ["MapRun"]


class MapRun:
    """Calls a function for each of several inputs, in the calling thread and those of a crew.

    The inputs are taken one by one as somebody has time for them, so that a generator is never far ahead. Once a call
    has failed, no further one is begun.

    Args:
        function: what to call.
        inputs: what with.
        crew: who helps.
    """

    def __init__(self, function: Callable[[Any], Any], inputs: Iterable[Any], crew: Crew) -> None:
        self._function = function
        self._inputs = iter(inputs)
        self._crew = crew
        self._lock = threading.Lock()
        self._outputs: list[Any] = []
        self._failure: tuple[int, BaseException] | None = None
        self._is_over = False
        self._helpers = 0  # called, and not gone yet
        self._all_gone = threading.Condition(self._lock)
        self._context = contextvars.copy_context()

    def execute(self) -> list[Any]:
        """Makes all calls.

        Returns:
            what they returned, in the order of the inputs.

        Raises:
            BaseException: what the first call raised, of those that failed, in the order of the inputs.
        """
        try:
            self._work()
            with self._lock:
                self._is_over = True
                while self._helpers:
                    self._all_gone.wait()
        except BaseException:  # the calling thread itself was interrupted, by Ctrl+C for instance
            self._is_over = True
            raise
        if self._failure is not None:
            raise self._failure[1]
        return self._outputs

    def _help(self) -> None:
        self._context.copy().run(self._work)
        with self._lock:
            self._helpers -= 1
            self._all_gone.notify()

    def _work(self) -> None:
        while True:
            try:
                with self._lock:
                    if self._is_over:
                        return
                    value = next(self._inputs)
                    index = len(self._outputs)
                    self._outputs.append(None)
                    if self._crew.call(self._help):
                        self._helpers += 1
            except StopIteration:
                self._is_over = True
                return
            except Exception as error:  # noqa: BLE001  # raised by the inputs themselves; whoever waits raises it
                self._failed(len(self._outputs), error)
                return
            try:
                self._outputs[index] = self._function(value)
            except BaseException as error:  # noqa: BLE001  # whoever waits raises it
                if isinstance(error, Exception):
                    error.add_note(f"raised for element {index}")
                self._failed(index, error)
                return
            del value

    def _failed(self, index: int, error: BaseException) -> None:
        with self._lock:
            self._is_over = True
            if self._failure is None or index < self._failure[0]:
                self._failure = (index, error)
