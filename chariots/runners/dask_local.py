"""How does a Dask cluster come about on this machine that nobody else can reach, and that ends with its program?"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

from distributed import Scheduler, Security
from distributed.deploy.spec import SpecCluster
from distributed.deploy.subprocess import SubprocessWorker
from distributed.system import MEMORY_LIMIT

__all__ = ["start"]

_HERE = "127.0.0.1"


def start(n_workers: int, threads_per_worker: int, resources: Mapping[str, float]) -> SpecCluster:
    """Starts a cluster whose scheduler is a thread of this process, and whose workers are processes.

    Workers are started from scratch, so that the program needs no ``if __name__ == "__main__"``.

    Args:
        n_workers: how many processes.
        threads_per_worker: how many nodes each of them runs at once.
        resources: what each of them has beside processors and memory.
    """
    logging.getLogger("distributed.batched").setLevel(logging.ERROR)  # tells of each connection that ends, with a stack
    security = Security.temporary()  # keys that only this process and its workers have, and that are gone with them
    memory = MEMORY_LIMIT // n_workers
    options = {
        "host": _HERE,
        "nthreads": threads_per_worker,
        "memory_limit": memory,
        "resources": {"cpu": threads_per_worker, "memory": memory, **resources},
        "dashboard": False,
        "death_timeout": 10,  # seconds after which a worker leaves whose scheduler is gone
        "silence_logs": 40,
    }
    worker = {"cls": _Worker, "options": {"worker_kwargs": options, "security": security}}
    return SpecCluster(
        scheduler={
            "cls": Scheduler,
            "options": {
                "host": _HERE,
                "protocol": "tls",
                "security": security,
                "dashboard": False,
                "dashboard_address": f"{_HERE}:0",
            },
        },
        workers=dict.fromkeys(range(n_workers), worker),
        worker=worker,
        name="chariots",
        security=security,
        silence_logs=40,
    )


class _Worker(SubprocessWorker):
    """A worker in a session of its own: Ctrl+C reaches the program alone, which then decides."""

    def __init__(self, scheduler: str, name: Any = None, worker_kwargs: Any = None, security: Any = None) -> None:
        super().__init__(scheduler, name=name, worker_kwargs=worker_kwargs)
        self._security: Security = security

    async def _start(self) -> None:
        told = {"cls": self.worker_class, "opts": self.worker_kwargs}
        tls = self._security.get_tls_config_for_role("worker")
        keys = {
            "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": tls["ca_file"],
            "DASK_DISTRIBUTED__COMM__TLS__WORKER__CERT": tls["cert"],
            "DASK_DISTRIBUTED__COMM__TLS__WORKER__KEY": tls["key"],
        }
        path = os.pathsep.join(filter(None, sys.path))
        self.process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "dask", "spec", self.scheduler, "--spec", json.dumps(told)],
            env={**os.environ, **keys, "PYTHONPATH": path},
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
