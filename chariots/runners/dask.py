"""How are the nodes of a pipeline run on a Dask cluster?"""

from __future__ import annotations

import contextvars
import functools
import inspect
import os
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chariots.errors import WorkerLostError
from chariots.pipelines.handles import Handle
from chariots.pipelines.parallel import checked_workers
from chariots.pipelines.reporting import progress
from chariots.runners.cluster_runner import ClusterRunner, LostError, check_options, missing_extra
from chariots.runners.dask_needs import needs_of
from chariots.runners.errands import Errand, Failed, Result, Shown, do
from chariots.runners.kept_values import KEPT_BYTES, OnCluster
from chariots.runners.parcels import Parcel

if TYPE_CHECKING:
    from distributed import Client, Future

    from chariots.pipelines.caching import NodeCache
    from chariots.pipelines.parallel_run import Run

__all__ = ["DaskRunner"]

SMALL = 32 * 1024  # bytes up to which a value travels with the task that reads it
_TOPIC = "chariots-progress"
_THERE = {"pending", "finished"}


class DaskRunner(ClusterRunner["Future"]):
    """Runs the ops of a pipeline on a Dask cluster; needs ``pip install chariots[dask]``.

    A cluster on this machine, which ends with the block::

        with DaskRunner(n_workers=2) as runner:
            runner.run(pipeline, data)

    Dask runs an op again whose worker has died, and computes again what was lost with it. An op that runs cannot be
    ended there; what waits is given up when the run is over. On Ctrl+C the processes of a local cluster are ended that
    are at work.

    Args:
        address: where the scheduler is (``"tcp://scheduler:8786"``), or anything else that `distributed.Client` takes;
            None for a cluster of processes on this machine, which is started when it is first needed and ended by
            `close`. Between its processes everything is encrypted, and nobody else gets in.
        n_workers: how many processes the local cluster has; as many as there are processors if None, and no more than
            ``max_workers``.
        threads_per_worker: how many nodes each of them may run at once.
        resources: how much each of them has for nodes to ask for, beside ``cpu`` (its threads) and ``memory`` (its
            share of the machine): ``{"gpu": 1}``, for instance.
        max_workers: how many tasks of a run may be on their way at the same time.
        cache: where the outputs of nodes with ``cache=True`` are kept; see `SequentialRunner`.
        kept_bytes: how many bytes of large inputs may stay on the cluster when a run is over; see `ClusterRunner`.
        **client_options: further arguments of `distributed.Client`, such as ``security``.

    Raises:
        MissingExtraError: if Dask is not installed.
        TypeError: if neither the runner nor `distributed.Client` takes an argument.
        ValueError: if a number cannot be, or something is asked for that only a local cluster can be given.
    """

    def __init__(
        self,
        address: Any = None,
        *,
        n_workers: int | None = None,
        threads_per_worker: int = 1,
        resources: Mapping[str, float] | None = None,
        max_workers: int | None = None,
        cache: NodeCache | str | os.PathLike[str] | None = None,
        kept_bytes: float = KEPT_BYTES,
        **client_options: Any,
    ) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise missing_extra("DaskRunner", "dask") from error
        check_options("DaskRunner", client_options, inspect.signature(Client).parameters)
        if address is not None and (n_workers is not None or threads_per_worker != 1 or resources):
            raise ValueError(
                f"DaskRunner was given the address {address!r} and how many workers to start, or what they have; a "
                "cluster that is there already has its workers, so leave one of the two out"
            )
        super().__init__(max_workers, cache, kept_bytes)
        self.address = address
        if n_workers is None:
            n_workers = min(self.max_workers, checked_workers("DaskRunner", None))
        self._local = None if address is not None else (checked_workers("DaskRunner", n_workers), threads_per_worker)
        self._extra_resources = dict(resources or {})
        self._client_options = client_options
        self._connecting = threading.Lock()
        self._client: Client | None = None
        self._told: dict[str, contextvars.Context] = {}

    # -- the cluster --------------------------------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """The connection to the cluster, made when it is first needed."""
        with self._connecting:
            if self._client is None or self._client.status in ("closed", "closing"):
                self._client = self._connect()
                self.forget()
            return self._client

    def _connect(self) -> Client:
        from distributed import Client

        options = {"set_as_default": False, **self._client_options}
        if self._local is None:
            client = Client(self.address, **options)
        else:
            from chariots.runners.dask_local import start

            cluster = start(*self._local, self._extra_resources)
            client = Client(cluster, security=cluster.security, **options)
            client.wait_for_workers(self._local[0])  # what they have is known when they are there
            weakref.finalize(self, cluster.close)
        client.subscribe_topic(_TOPIC, self._hear)
        return client

    def close(self) -> None:
        """Leaves the cluster, or ends it where the runner has started it; a later run begins anew."""
        super().close()
        with self._connecting:
            client, self._client = self._client, None
        if client is not None:
            cluster = client.cluster if self._local is not None else None
            client.close()
            if cluster is not None:
                cluster.close()

    # -- what goes there and comes back -------------------------------------------------------------------------------

    def send(self, data: bytes) -> Future:
        """Puts bytes on the cluster; see `ClusterRunner.send`."""
        return _kept(self.client, data)

    def put(self, parcel: Parcel) -> OnCluster:
        """Puts a value on the cluster; see `ClusterRunner.put`."""
        data = parcel.written()
        # Bytes, of which each task that reads them makes a value of its own, for an op may change what it is given; as
        # the result of a task, so that Dask has them again that were lost with a worker.
        return Sent(data if parcel.size <= SMALL else self.send(data))

    def is_there(self, value: OnCluster) -> bool:
        """Whether the cluster still has what it was sent; see `ClusterRunner.is_there`."""
        return not isinstance(value, Sent) or _is_there(value.sent)

    def perform(
        self,
        errand: Errand,
        ops: Sequence[Future],
        values: Sequence[Sent | OnDask],
        needs: Mapping[str, float],
        run: Run | None,
    ) -> tuple[list[Handle], Result]:
        """Has a worker run an errand; see `ClusterRunner.perform`."""
        client = self.client
        asked = needs_of(client, errand.name, needs) if needs else None
        if errand.tells:
            self._told[errand.id] = contextvars.copy_context()
        sent = [value.sent for value in values]
        picks = [value.part for value in values]
        try:
            future = client.submit(
                _run, errand, picks, *ops, *sent, key=f"{errand.name}-{errand.id}", pure=False, resources=asked
            )
            with self.noted(run, future):
                error = future.exception()  # waits, and fetches nothing but that
                if error is not None:
                    raise _raised(errand, error)
                if future.cancelled() and not all(map(_is_there, [*ops, *sent])):
                    raise LostError(_error_of(future), [value for value in values if not _is_there(value.sent)])
                result = Result((None,) * errand.parts)
                if future.type is not Result:
                    result = client.submit(_shown, future, key=f"shown-{errand.id}", pure=False).result()
        finally:
            self._told.pop(errand.id, None)
        return [OnDask(future, part) for part in range(len(result.parts))], result

    def cancel(self, tasks: Sequence[Future]) -> None:
        """Ends what is on its way; see `ClusterRunner.cancel`."""
        client = self._client
        if client is None:
            return
        at_work: set[str] = set()
        if self._local is not None and not isinstance(sys.exc_info()[1], Exception):  # Ctrl+C: nothing is left running
            keys = {task.key for task in tasks}
            at_work = {worker for worker, busy in client.processing().items() if keys.intersection(busy)}
        client.cancel(list(tasks), force=True)
        if at_work:
            client.restart_workers(list(at_work), raise_for_error=False)

    def was_cancelled(self, error: BaseException) -> bool:
        """Whether an error says no more than that `cancel` was called."""
        from distributed import CancelledError

        return isinstance(error, CancelledError)

    def _hear(self, event: Any) -> None:
        """Passes on what an op tells of its progress."""
        _, (errand, told) = event
        context = self._told.get(errand)
        if context is not None:
            context.run(progress, *told)


class Sent(OnCluster):
    """A value that was sent from here: with each task that reads it, or once for all of them."""

    __slots__ = ("sent",)
    part: int | None = None

    def __init__(self, sent: bytes | Future) -> None:
        self.sent = sent

    def value(self) -> Any:
        """The value."""
        return Parcel.read(self.sent if isinstance(self.sent, bytes) else self.sent.result())


class OnDask(OnCluster):
    """A value that a worker of the cluster has made."""

    __slots__ = ("part", "sent")

    def __init__(self, future: Future, part: int) -> None:
        self.sent = future
        self.part = part

    def value(self) -> Any:
        """Brings the value here."""
        return _part(self.sent.result(), self.part)


def _error_of(future: Future) -> BaseException:
    try:
        future.result()
    except BaseException as error:  # noqa: BLE001  # it is raised where the node is known
        return error
    raise AssertionError("a future that was cancelled has a result")


def _is_there(sent: bytes | Future) -> bool:
    return isinstance(sent, bytes) or sent.status in _THERE


def _kept(client: Client, data: bytes) -> Future:
    import dask

    with _silence, dask.config.set({"distributed.admin.large-graph-warning-threshold": 2**62}):
        return client.submit(_keep, data, pure=False)


_silence = threading.Lock()


def _raised(errand: Errand, error: BaseException) -> BaseException:
    """What to raise for an errand that failed."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return WorkerLostError(
            f"{errand.described()} did not return: the workers that ran it have died, the last of them was "
            f"{error.last_worker.address}. See whether it needs more memory than they have, or crashes"
        )
    return error


# -- what the workers do ----------------------------------------------------------------------------------------------


def _keep(data: bytes) -> bytes:
    return data


def _shown(result: Result) -> Result:
    """All of a result but the values, which stay where they are."""
    if isinstance(result, Failed):
        return result
    return Shown((None,) * len(result.parts), result.states, result.step, result.node)


def _part(result: Result, part: int) -> Any:
    if isinstance(result, Failed):  # on its way from where it was
        raise result.error.unpack()
    return result.parts[part]


@functools.cache
def _tell_sizes() -> None:
    """Has Dask know how large results are, for it runs a node where most of what that reads is."""
    from dask.sizeof import sizeof

    sizeof.register(Result)(lambda result: sum(map(sizeof, result.parts)))


def _run(errand: Errand, picks: Sequence[int | None], *found: Any) -> Result:
    from distributed import get_worker

    _tell_sizes()
    worker = get_worker()
    ops, values = found[: len(errand.steps)], found[len(errand.steps) :]

    def value(number: int) -> Any:
        pick, one = picks[number], values[number]
        return Parcel.read(one) if pick is None else _part(one, pick)

    return do(
        errand,
        lambda numbers: [ops[number] for number in numbers],
        value,
        lambda *told: worker.log_event(_TOPIC, (errand.id, told)),
    )
