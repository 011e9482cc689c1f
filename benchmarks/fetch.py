"""How are files fetched by a library of Python? (``python fetch.py TOOL JOB``, of which the call alone is timed)

The job is JSON: ``files`` with ``url``, ``name``, ``size`` and ``hash`` each, ``manifest``, ``folder``, ``hub``.
The last line that is printed is JSON, too. It runs in the environments of the peers, so nothing of chariots is needed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

Job = dict[str, Any]


def chariots(job: Job, verify: bool = True) -> Callable[[], object]:
    """Ours."""
    from chariots.transfer import Manifest, resolve

    manifest = Manifest.from_json(Path(job["manifest"]).read_text(encoding="utf-8"))
    return lambda: resolve(job["folder"], manifest=manifest, verify=verify)


def chariots_unverified(job: Job) -> Callable[[], object]:
    """Ours, without hashes."""
    return chariots(job, verify=False)


def truss(job: Job) -> Callable[[], object]:
    """The original, which reads /bptr/bptr-manifest.json."""
    import truss_transfer

    return lambda: truss_transfer.lazy_data_resolve(job["folder"])


def hf_transfer(job: Job) -> Callable[[], object]:
    """With what huggingface_hub passed to it."""
    import hf_transfer

    def fetch(file: dict[str, Any]) -> None:
        place = Path(job["folder"]) / file["name"]
        hf_transfer.download(
            url=file["url"], filename=str(place), max_files=128, chunk_size=10 << 20, parallel_failures=3, max_retries=5
        )

    def every() -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(fetch, job["files"]))

    return every


def hub(job: Job) -> Callable[[], object]:
    """huggingface_hub as it is, without Xet, for which there is no server to run here."""
    os.environ.update(HF_ENDPOINT=job["hub"], HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
    os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", HF_HOME=job["folder"] + "/.home")
    import huggingface_hub

    def fetch(file: dict[str, Any]) -> None:
        huggingface_hub.hf_hub_download("some/model", file["name"], local_dir=job["folder"])

    def every() -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(fetch, job["files"]))

    return every


TOOLS = {one.__name__: one for one in (chariots, chariots_unverified, truss, hf_transfer, hub)}


def main() -> None:
    """Fetches once and tells what it took."""
    job = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    work = TOOLS[sys.argv[1]](job)
    began, cpu = time.perf_counter(), sum(os.times()[:4])
    work()
    print()
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu": sum(os.times()[:4]) - cpu}))


if __name__ == "__main__":
    main()
