"""What is known about the op store, the pipelines and the workers, and how is each of them made from it?"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from chariots.config.checks import port
from chariots.config.reading import merged, read_environment, settle
from chariots.errors import nearest

if TYPE_CHECKING:
    from chariots.op_store import OpStoreClient, OpStoreServer
    from chariots.op_store.savers import BaseSaver
    from chariots.op_store.trusting.trust import Trust
    from chariots.pipelines import Pipeline
    from chariots.pipelines.callbacks import PipelineCallback
    from chariots.pipelines.runners import BaseRunner
    from chariots.serving import PipelinesClient
    from chariots.serving.rollouts import Rollout
    from chariots.workers import BaseWorkerPool

__all__ = ["OpStoreConfig", "PipelinesConfig", "WorkersConfig"]

Made = TypeVar("Made")


class _Section:
    """One section of the file, whose keys are the arguments of the class."""

    section: str

    @classmethod
    def from_file(cls, values: Mapping[str, Any] | None) -> Self:
        """Makes the section from the checked values of a file, with the environment laid over them."""
        return cls(**merged(values or {}, read_environment(cls.section)))


class OpStoreConfig(_Section):
    """Where the op store is, and how to start it: its address, its saver and its database."""

    section = "op_store"

    def __init__(
        self,
        server_host: str | None = None,
        server_port: str | int | None = None,
        saver_type: str | None = None,
        saver_kwargs: dict[str, Any] | None = None,
        op_store_db_url: str | None = None,
        signing_key: str | None = None,
        verify_keys: str | Sequence[str] | None = None,
        trusted_formats: str | Sequence[str] | None = None,
        token: str | None = None,
        tokens: str | Mapping[str, str | Sequence[str]] | None = None,
        allowed_hosts: str | Sequence[str] | None = None,
        saver_url: str | None = None,
    ) -> None:
        """Keeps what is given; what is not comes from ``CHARIOTS_OP_STORE_...`` or is the default.

        Args:
            server_host: the host of the server (``127.0.0.1``).
            server_port: the port of the server (5001).
            saver_type: ``file-saver`` (the default), ``s3``, ``google-storage`` or ``azure``, spelled as words or as
                a class.
            saver_kwargs: the arguments of the saver, such as ``root_path``.
            op_store_db_url: where the database is, in the form of SQLAlchemy (``sqlite:///:memory:``).
            signing_key: signs the bytes of the ops that this process saves, ``ed25519-private:NAME:BASE64`` for
                instance; ``chariots op-store new-key`` makes one. Unsigned bytes are refused then.
            verify_keys: further keys whose signatures are trusted, in a list or between commas.
            trusted_formats: the formats of bytes that may be loaded, such as ``skops``; every one if not given.
            token: what the server knows this client by.
            tokens: the tokens that the server knows, by scope (``read``, ``write``, ``admin``), as a mapping or as
                text: ``read:TOKEN,write:TOKEN``.
            allowed_hosts: names that clients may call the server by, beside those of loopback.
            saver_url: where the saver keeps the bytes, in place of ``saver_type``: ``file:///folder``,
                ``s3://bucket/prefix``, ``gs://bucket/prefix`` or ``az://container/prefix``.

        Raises:
            ValueError: when a value is of the wrong type or a name is not known.
        """
        settled = settle(
            self.section,
            {
                "server_host": server_host,
                "server_port": server_port,
                "saver_type": saver_type,
                "saver_kwargs": saver_kwargs,
                "op_store_db_url": op_store_db_url,
                "signing_key": signing_key,
                "verify_keys": verify_keys,
                "trusted_formats": trusted_formats,
                "token": token,
                "tokens": tokens,
                "allowed_hosts": allowed_hosts,
                "saver_url": saver_url,
            },
            {
                "server_host": "127.0.0.1",
                "server_port": 5001,
                "saver_type": "file-saver",
                "op_store_db_url": "sqlite:///:memory:",
            },
        )
        self.server_host: str = settled["server_host"]
        self.server_port: int = settled["server_port"]
        self.saver_type: str = settled["saver_type"]
        self.saver_kwargs: dict[str, Any] = dict(settled["saver_kwargs"] or {})
        self.saver_url: str | None = settled["saver_url"]
        self.op_store_db_url: str = settled["op_store_db_url"]
        self.signing_key: str | None = settled["signing_key"]
        self.verify_keys: list[str] = settled["verify_keys"] or []
        self.trusted_formats: list[str] | None = settled["trusted_formats"]
        self.token: str | None = settled["token"]
        self.tokens: dict[str, list[str]] = settled["tokens"] or {}
        self.allowed_hosts: list[str] = settled["allowed_hosts"] or []

    def get_client(self) -> OpStoreClient:
        """A client of the op store at ``server_host`` and ``server_port``."""
        from chariots.op_store import OpStoreClient

        return OpStoreClient(_url(self.server_host, self.server_port), token=self.token, trust=self.get_trust())

    def get_trust(self) -> Trust:
        """What decides which bytes may be loaded, and signs those that are saved.

        Raises:
            ValueError: when a key is none.
        """
        from chariots.op_store.trusting.trust import Trust

        return Trust(self.signing_key, self.verify_keys, self.trusted_formats)

    def get_saver(self) -> BaseSaver:
        """The saver that keeps the bytes of the ops.

        Raises:
            ValueError: when ``saver_kwargs`` lacks an argument, such as ``root_path``, or holds an unknown one, or
                one that ``saver_url`` stands for.
        """
        from chariots.op_store import savers

        if self.saver_url is not None:
            kind, told = savers.read_url(self.saver_url)
            twice = next((name for name in told if name in self.saver_kwargs), None)
            if twice is not None:
                raise ValueError(
                    f"saver_kwargs of the section {self.section!r} holds {twice!r}, which saver_url says as well; "
                    "leave it out there, or leave saver_url out."
                )
            return _made(kind, self.section, "saver_kwargs", {**told, **self.saver_kwargs})
        classes: dict[str, type[BaseSaver]] = {
            "file-saver": savers.FileSaver,
            "s3": savers.S3Saver,
            "google-storage": savers.GoogleStorageSaver,
            "azure": savers.AzureSaver,
        }
        return _made(classes[self.saver_type], self.section, "saver_kwargs", self.saver_kwargs)

    def get_server(self) -> OpStoreServer:
        """The op store server, with the saver and the database of this configuration."""
        from chariots.op_store import OpStoreServer

        return OpStoreServer(
            self.get_saver(),
            db_url=self.op_store_db_url,
            trust=self.get_trust(),
            tokens=self.tokens,
            allowed_hosts=self.allowed_hosts,
        )


class PipelinesConfig(_Section):
    """Which pipelines there are, how they are run and where they are served."""

    section = "pipelines"

    def __init__(
        self,
        runner: str | BaseRunner | None = None,
        server_host: str | None = None,
        server_port: str | int | None = None,
        pipelines: Iterable[Pipeline] | None = None,
        pipeline_callbacks: Iterable[PipelineCallback] | None = None,
        import_name: str | None = None,
        alias: str | None = None,
        batching: bool | None = None,
        fast_path: bool | None = None,
        token: str | None = None,
        rollouts: Iterable[Rollout | Mapping[str, Any]] | None = None,
        runner_kwargs: dict[str, Any] | None = None,
    ) -> None:
        """Keeps what is given; what is not comes from ``CHARIOTS_PIPELINES_...`` or is the default.

        Args:
            runner: a runner, or the name of one: ``sequential-runner`` (the default), ``thread-runner``,
                ``process-runner``, ``dask-runner`` or ``ray-runner``.
            server_host: the host of the server (``127.0.0.1``).
            server_port: the port of the server (5000).
            pipelines: the pipelines to serve; a list of its own is kept, to which more can be appended.
            pipeline_callbacks: callbacks for every pipeline of the server.
            import_name: the import name of the Flask app (``chariots_app``).
            alias: the alias whose versions are served, of every pipeline that has it (``production``).
            batching: whether requests that wait for one pipeline run together, where it maps rows to rows (True).
            fast_path: whether ordinary calls go around Flask's dispatch, where nobody could tell (True).
            token: what the server knows this client by.
            rollouts: which versions are tried on a part of the calls, as `chariots.serving.Canary` and
                `chariots.serving.Shadow` objects or as mappings of their attributes with ``kind`` beside them; in the
                environment as JSON.
            runner_kwargs: the arguments of the runner, where it is named, such as ``max_workers``, ``resources`` and,
                for a cluster, ``address``.

        Raises:
            ValueError: when a value is of the wrong type or a name is not known.
        """
        settled = settle(
            self.section,
            {
                "runner": runner,
                "runner_kwargs": runner_kwargs,
                "server_host": server_host,
                "server_port": server_port,
                "import_name": import_name,
                "alias": alias,
                "batching": batching,
                "fast_path": fast_path,
                "token": token,
                "rollouts": rollouts,
            },
            {
                "runner": "sequential-runner",
                "server_host": "127.0.0.1",
                "server_port": 5000,
                "import_name": "chariots_app",
                "alias": "production",
                "batching": True,
                "fast_path": True,
            },
        )
        self.runner: str | BaseRunner = settled["runner"]
        self.runner_kwargs: dict[str, Any] = dict(settled["runner_kwargs"] or {})
        self.server_host: str = settled["server_host"]
        self.server_port: int = settled["server_port"]
        self.import_name: str = settled["import_name"]
        self.alias: str = settled["alias"]
        self.batching: bool = settled["batching"]
        self.fast_path: bool = settled["fast_path"]
        self.token: str | None = settled["token"]
        self.rollouts: list[Rollout] = list(settled["rollouts"] or ())
        self.pipelines: list[Pipeline] = list(pipelines or ())
        self.pipeline_callbacks: list[PipelineCallback] = list(pipeline_callbacks or ())

    def get_client(self) -> PipelinesClient:
        """A client of the pipelines server at ``server_host`` and ``server_port``."""
        from chariots.serving import PipelinesClient

        return PipelinesClient(_url(self.server_host, self.server_port), token=self.token)

    def get_runner(self) -> BaseRunner:
        """The runner itself.

        Raises:
            ValueError: if it cannot be made with ``runner_kwargs``, or those are given beside a runner that is made.
        """
        from chariots.pipelines.runners import make_runner

        if isinstance(self.runner, str):
            return make_runner(self.runner, self.runner_kwargs)
        if self.runner_kwargs:
            raise ValueError(
                "runner_kwargs are for a runner that is named, and this one is made already; leave them out"
            )
        return self.runner


class WorkersConfig(_Section):
    """Which workers run pipelines outside the server, and whether every call goes to them."""

    section = "pipelines_workers"

    def __init__(
        self,
        use_for_all: bool | None = None,
        worker_type: str | None = None,
        worker_pool_kwargs: dict[str, Any] | None = None,
    ) -> None:
        """Keeps what is given; what is not comes from ``CHARIOTS_PIPELINES_WORKERS_...`` or is the default.

        Args:
            use_for_all: whether every call is run by a worker (False).
            worker_type: ``local`` or ``rq``, or nothing for no workers.
            worker_pool_kwargs: the arguments of the worker pool, such as ``db_url`` or ``redis_kwargs``.

        Raises:
            ValueError: when a value is of the wrong type or a name is not known.
        """
        settled = settle(
            self.section,
            {
                "use_for_all": use_for_all,
                "worker_type": worker_type,
                "worker_pool_kwargs": worker_pool_kwargs,
            },
            {"use_for_all": False},
        )
        self.use_for_all: bool = settled["use_for_all"]
        self.worker_type: str | None = settled["worker_type"]
        self.worker_pool_kwargs: dict[str, Any] = dict(settled["worker_pool_kwargs"] or {})

    def get_worker_pool(self, db_url: str | None = None) -> BaseWorkerPool:
        """The worker pool.

        Args:
            db_url: the database of a ``local`` one, where ``worker_pool_kwargs`` names none.

        Raises:
            ValueError: when no ``worker_type`` is configured, or ``worker_pool_kwargs`` holds an unknown argument.
        """
        if self.worker_type is None:
            raise ValueError(
                "a worker pool was asked for, and no worker_type is configured; "
                "set worker_type: rq, or local, in the section 'pipelines_workers', or leave use_for_all off."
            )
        from chariots import workers

        kind: type[BaseWorkerPool] = workers.RQWorkerPool if self.worker_type == "rq" else workers.LocalWorkerPool
        given = dict(self.worker_pool_kwargs)
        if db_url is not None and self.worker_type != "rq":
            given.setdefault("db_url", db_url)
        if isinstance(given.get("defaults"), Mapping):
            given["defaults"] = workers.JobOptions.read(given["defaults"])
        return _made(kind, self.section, "worker_pool_kwargs", given)


def _made(wanted: type[Made], section: str, key: str, arguments: Mapping[str, Any]) -> Made:
    """Makes an object from configured arguments, which are checked against what its class takes."""
    taken = _taken(wanted)
    unknown = next((name for name in arguments if name not in taken), None)
    if unknown is not None:
        raise ValueError(
            f"{key} of the section {section!r} holds {unknown!r}, which a {wanted.__name__} does not take."
            f"{nearest(unknown, taken)} It takes {', '.join(taken)}."
        )
    for name, parameter in taken.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise ValueError(
                f"a {wanted.__name__} was to be made, and {key} of the section {section!r} holds no {name!r}; "
                f"set it there, or in the variable CHARIOTS_{section.upper()}_{key.upper()}__{name.upper()}."
            )
    return wanted(**arguments)


def _taken(wanted: type) -> dict[str, inspect.Parameter]:
    """The arguments that a class takes; where it hands further ones on, those of its base as well."""
    taken: dict[str, inspect.Parameter] = {}
    for kind in wanted.__mro__:
        if "__init__" not in vars(kind):
            continue
        _, *own = inspect.signature(kind.__init__).parameters.values()  # type: ignore[misc]  # no instance is made
        taken = {**{each.name: each for each in own if each.kind is not each.VAR_KEYWORD}, **taken}
        if all(each.kind is not each.VAR_KEYWORD for each in own):
            break
    return taken


def _url(host: str, number: int | str) -> str:
    """The address of a server; an IPv6 host gets its brackets."""
    bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"http://{bracketed}:{port(number, 'server_port')}"
