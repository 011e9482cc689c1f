"""How does a request go through Flask without keeping its thread while its pipeline runs?

In a greenlet of its own: it goes through Flask's dispatch as ever, hooks before it included, and stops where its
pipeline would run. Others do the same in the same thread meanwhile; all of them run together, and each goes on to its
answer. So nothing of the user's may run between the stop and the answer: it could find in a thread local what another
request has left there (`chariots.serving.foreign_code` tells).
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from greenlet import greenlet

from chariots.serving.execution import run_request
from chariots.serving.fast_path import RUNS, Asked
from chariots.serving.looking_at_flask import is_about_context

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from chariots.pipelines.runners import BaseRunner
    from chariots.serving.foreign_code import ForeignCode
    from chariots.serving.served import ServedPipeline
    from chariots.serving.snapshots import Snapshot
    from chariots.web.around import Around
    from chariots.web.beginning import Beginning

__all__ = ["Dispatched"]


class Dispatched:
    """One request on its way through Flask; made, begun and ended in one thread.

    Args:
        around: what the server does around every request.
        foreign: the code of the user's.
        environ: the WSGI environment of the request.
        start_response: as WSGI has it.

    Attributes:
        call: what is to be run before it can end; None where it needs no run.
        beginning: what the server keeps of it, to be closed when the answer is sent, or cannot be.
    """

    def __init__(
        self, around: Around, foreign: ForeignCode, environ: WSGIEnvironment, start_response: StartResponse
    ) -> None:
        self.call: Asked | None = None
        self.beginning: Beginning | None = None
        self._around, self._foreign = around, foreign
        self._environ, self._start_response = environ, start_response
        self._greenlet = greenlet(self._answer)
        self._greenlet.gr_context = copy_context()
        self._came: bytes | Exception = b""

    def begin(self) -> None:
        """Goes as far as the run of the pipeline, or to the end where there is none."""
        self._environ[RUNS] = self._stop
        self._go_on()

    def end(self) -> bytes:
        """Goes on to the end; what was to be run has its outcome.

        Returns:
            the body of the answer.

        Raises:
            Exception: what was raised on the way, and nobody has answered.
        """
        if not self._greenlet.dead:
            self._go_on()
        self._environ.pop(RUNS, None)  # each would keep the other, until somebody looks for garbage
        if isinstance(self._came, Exception):
            raise self._came
        return self._came

    def _go_on(self) -> None:
        try:
            came = self._greenlet.switch()
        except SystemExit as error:  # it would end the thread, with all that is on its way there
            self._came = RuntimeError(f"a hook called sys.exit({error.code!r}), which is not obeyed")
        except Exception as error:  # noqa: BLE001  # the others go on; it is raised where this one ends
            self._came = error
        else:
            if self._greenlet.dead:
                self._came = came

    def _answer(self) -> bytes:
        self.beginning = self._around.begin(self._environ, self._start_response)
        return b"".join(self._around.finish(self.beginning))

    def _stop(self, served: ServedPipeline, snapshot: Snapshot, value: Any, runner: BaseRunner) -> tuple[Any, Snapshot]:
        """Runs the pipeline; called within the greenlet, it waits until whoever began it has done so."""
        self.call = Asked(served, snapshot, value)
        parent = self._greenlet.parent
        assert parent is not None, "it was begun"
        parent.switch()
        output, error = self.call.outcome
        if error is None:
            return output, snapshot
        if is_about_context(error):  # the op looks at Flask's request after all, and there is one here
            self._foreign.looks_at_flask_in(served)
            return run_request(served, snapshot, value, runner)
        raise error
