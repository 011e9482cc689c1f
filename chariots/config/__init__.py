"""How is everything an app is made of described in one place: a YAML file, the environment, a few arguments?

The order is YAML < environment < arguments given in code. Each section is optional::

    op_store:
      server_host: localhost
      server_port: 5001
      saver_type: file-saver
      saver_kwargs:
        root_path: /var/lib/my_app/ops
      op_store_db_url: sqlite:////var/lib/my_app/db.sqlite
    pipelines:
      runner: sequential-runner
      server_host: localhost
      server_port: 5000
      import_name: my_app
      alias: production
      rollouts:
        - {kind: canary, pipeline: iris, alias: candidate, share: 0.05}
    pipelines_workers:
      use_for_all: false
      worker_type: rq
      worker_pool_kwargs:
        redis_kwargs: {host: localhost, port: 6379}
    serving:
      rate_limit: 100/second
      access_log: json
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from chariots.config.reading import read_file
from chariots.config.sections import OpStoreConfig, PipelinesConfig, WorkersConfig
from chariots.config.serving import ServingConfig

if TYPE_CHECKING:
    from chariots.op_store import OpStoreClient, OpStoreServer
    from chariots.serving import PipelinesClient, PipelinesServer
    from chariots.workers import BaseWorkerPool

__all__ = [
    "ChariotsConfig",
    "ChariotsConfiguration",
    "OpStoreConfig",
    "PipelinesConfig",
    "ServingConfig",
    "WorkersConfig",
]


class ChariotsConfig:
    """The configuration of a whole app: its op store, its pipelines and its workers.

    Attributes:
        op_store_config: where the op store is, or how to start it.
        pipelines_config: the pipelines and how they are run and served.
        pipelines_workers_config: which worker pool runs them, if any.
        serving_config: who may call the server, how much, and what is measured.
    """

    def __init__(
        self,
        config_file: str | os.PathLike[str] | None = None,
        pipelines_config: PipelinesConfig | None = None,
        pipelines_worker_config: WorkersConfig | None = None,
        op_store_config: OpStoreConfig | None = None,
        serving_config: ServingConfig | None = None,
    ) -> None:
        """Reads the file and lets every section given in code replace the whole section of the file.

        Args:
            config_file: a YAML file with any of the sections ``op_store``, ``pipelines``, ``pipelines_workers`` and
                ``serving``; their keys are the arguments of the classes of this module.
            pipelines_config: replaces the section ``pipelines``.
            pipelines_worker_config: replaces the section ``pipelines_workers``.
            op_store_config: replaces the section ``op_store``.
            serving_config: replaces the section ``serving``.

        Raises:
            FileNotFoundError: when there is no such file.
            ValueError: when the file or the environment holds an unknown section or key, or a value of the
                wrong type; the message names the place and the nearest known name.
        """
        file = read_file(config_file) if config_file is not None else {}
        self.pipelines_config = pipelines_config or PipelinesConfig.from_file(file.get("pipelines"))
        self.pipelines_workers_config = pipelines_worker_config or WorkersConfig.from_file(
            file.get("pipelines_workers")
        )
        self.op_store_config = op_store_config or OpStoreConfig.from_file(file.get("op_store"))
        self.serving_config = serving_config or ServingConfig.from_file(file.get("serving"))

    def get_op_store_client(self) -> OpStoreClient:
        """A client of the op store that this configuration describes."""
        return self.op_store_config.get_client()

    def get_op_store_server(self) -> OpStoreServer:
        """The op store server itself; its Flask app is the attribute ``flask``."""
        return self.op_store_config.get_server()

    def get_pipelines_client(self) -> PipelinesClient:
        """A client of the pipelines server that this configuration describes."""
        return self.pipelines_config.get_client()

    def get_pipelines_worker_pool(self) -> BaseWorkerPool:
        """The worker pool of this configuration.

        A ``local`` one without a ``db_url`` keeps its jobs in the database of the op store, ``op_store_db_url``.

        Raises:
            ValueError: when no ``worker_type`` is configured.
        """
        return self.pipelines_workers_config.get_worker_pool(self.op_store_config.op_store_db_url)

    def get_pipelines_server(self) -> PipelinesServer:
        """The pipelines server, with its op store client, runner and worker pool.

        Returns:
            a Flask app; ``use_for_all`` sends every call to a worker unless the pipeline or the call refuses.

        Raises:
            ValueError: when ``use_for_all`` is set and no ``worker_type`` is.
        """
        from chariots.serving import PipelinesServer

        workers = self.pipelines_workers_config
        wants_pool = workers.use_for_all or workers.worker_type is not None
        server = PipelinesServer(
            app_pipelines=list(self.pipelines_config.pipelines),
            op_store_client=self.get_op_store_client(),
            runner=self.pipelines_config.get_runner(),
            default_pipeline_callbacks=list(self.pipelines_config.pipeline_callbacks),
            worker_pool=self.get_pipelines_worker_pool() if wants_pool else None,
            use_workers=True if workers.use_for_all else None,
            import_name=self.pipelines_config.import_name,
            alias=self.pipelines_config.alias,
            batching=self.pipelines_config.batching,
            fast_path=self.pipelines_config.fast_path,
            rollouts=self.pipelines_config.rollouts,
        )
        self.serving_config.apply(server)
        return server


ChariotsConfiguration = ChariotsConfig
