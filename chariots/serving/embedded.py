"""How does a server run with nothing but a folder?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chariots.serving.server import PipelinesServer
from chariots.workers.app_loading import stand_in_folder

if TYPE_CHECKING:
    from chariots.op_store.savers import BaseSaver
    from chariots.op_store.trusting.trust import Trust
    from chariots.pipelines import Pipeline

__all__ = ["Chariots"]


class Chariots(PipelinesServer):
    """A pipelines server with its own op store and its own workers, in a folder.

    The folder holds ``db.sqlite``, which knows the versions and the jobs, and ``ops``, which keeps the bytes. Several
    processes may share it; when you grow out of it, start an `OpStoreServer` on the same two and give its client to a
    `PipelinesServer`.

    Args:
        app_pipelines: the pipelines to serve.
        path: the folder; it is created where it does not exist.
        *args: as for `PipelinesServer`.
        saver_cls: what keeps the bytes, made with the path of ``ops``; a `FileSaver` by default.
        trust: signs what is saved, and decides what may be loaded; what the environment says by default, and
            everything where it says nothing.
        **kwargs: as for `PipelinesServer`. Where no ``worker_pool`` is given, it is a `LocalWorkerPool` in the folder,
            which starts a worker when the first job is asked for; None for no workers.

    Raises:
        TypeError: if a client of another op store is given as well.
    """

    def __init__(
        self,
        app_pipelines: Iterable[Pipeline],
        path: str | Path,
        *args: Any,
        saver_cls: type[BaseSaver] | None = None,
        trust: Trust | None = None,
        **kwargs: Any,
    ) -> None:
        from chariots.op_store import OpStoreServer
        from chariots.op_store.folder import StoreFolder
        from chariots.op_store.savers import FileSaver
        from chariots.workers import LocalWorkerPool

        if kwargs.get("op_store_client") is not None:
            raise TypeError(
                "Chariots(pipelines, path) keeps its ops in the folder, and was given an op_store_client as well; "
                "leave it out, or use PipelinesServer(pipelines, op_store_client=...)"
            )
        self.path = Path(path).resolve()
        kept = StoreFolder(stand_in_folder() or self.path)
        kept.ops.mkdir(parents=True, exist_ok=True)
        self.op_store_server = OpStoreServer((saver_cls or FileSaver)(str(kept.ops)), kept.db_url, trust=trust)
        if "worker_pool" not in kwargs:
            kwargs["worker_pool"] = LocalWorkerPool()
        super().__init__(app_pipelines, *args, **{**kwargs, "op_store_client": self.op_store_server.client()})
