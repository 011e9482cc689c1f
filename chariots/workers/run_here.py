"""How do jobs run in the very process that asks for them? (for tests and for looking into an op with a debugger)"""

from __future__ import annotations

import logging
import os
import socket
import threading
from typing import TYPE_CHECKING

from chariots.errors import ChariotsError
from chariots.workers.job_run import JobRun
from chariots.workers.job_store import Claim
from chariots.workers.leases import BEAT_SECONDS

if TYPE_CHECKING:
    from chariots.serving import PipelinesServer
    from chariots.workers.job_store import JobStore

__all__ = ["run_queued"]

_logger = logging.getLogger(__name__)


def run_queued(app: PipelinesServer, known_as: str, store: JobStore) -> None:
    """Runs the jobs of an app that are queued, one after the other, in this thread.

    Args:
        app: the app.
        known_as: its name, as jobs have it.
        store: the jobs.

    Raises:
        ChariotsError: if the jobs cannot be reached.
    """
    name = f"{socket.gethostname()}-{os.getpid()}-here"
    while (job := store.claim(name, known_as)) is not None:
        over = threading.Event()
        beating = threading.Thread(target=_beat, args=(store, Claim(job.id, job.token), over), daemon=True)
        beating.start()
        try:
            run = JobRun(app, store, job, tell=lambda **message: None)
            run.execute()
            run.settle(store)
        finally:
            over.set()
            beating.join()


def _beat(store: JobStore, claim: Claim, over: threading.Event) -> None:
    while not over.wait(BEAT_SECONDS):
        try:
            store.beat([claim])
        except ChariotsError as error:
            _logger.warning("no word of job %s could be sent: %s", claim.job_id, error)
