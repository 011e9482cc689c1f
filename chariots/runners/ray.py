"""How are the nodes of a pipeline run on a Ray cluster?"""

from __future__ import annotations

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
from chariots.pipelines.reporting import progress
from chariots.runners.cluster_runner import ClusterRunner, LostError, check_options, missing_extra
from chariots.runners.errands import Errand, Result, do
from chariots.runners.kept_values import KEPT_BYTES, OnCluster
from chariots.runners.parcels import Parcel

if TYPE_CHECKING:
    from chariots.pipelines.caching import NodeCache
    from chariots.pipelines.parallel_run import Run

__all__ = ["RayRunner"]

_LOOK_EVERY = 0.1  # seconds between two looks at the progress of an op
_RETRIES = 3  # times that an op is run again whose worker has died

_using_lock = threading.Lock()
_using: set[int] = set()  # the runners that use what one of them has started, of which a process has one


class RayRunner(ClusterRunner[Any]):
    """Runs the ops of a pipeline on a Ray cluster; needs ``pip install chariots[ray]``.

    A cluster on this machine, which ends with the block::

        with RayRunner(num_cpus=2) as runner:
            runner.run(pipeline, data)

    Ray runs an op again whose worker has died, and computes again what was lost with it; on Ctrl+C the workers that are
    at work are ended. A process is connected to one Ray cluster at a time: where it is already, the runner uses that
    one, and does not end it.

    Args:
        address: which cluster (``"auto"``, ``"ray://head:10001"``), as `ray.init` takes it; None for one on this
            machine, which is started when it is first needed and ended by `close`.
        max_workers: how many tasks of a run may be on their way at the same time.
        cache: where the outputs of nodes with ``cache=True`` are kept; see `SequentialRunner`.
        kept_bytes: how many bytes of large inputs may stay on the cluster when a run is over; see `ClusterRunner`.
        **options: further arguments of `ray.init`, such as ``num_cpus``, ``num_gpus`` and ``object_store_memory`` for a
            local cluster, or ``runtime_env`` for one that is there.

    Raises:
        MissingExtraError: if Ray is not installed.
        TypeError: if neither the runner nor `ray.init` takes an argument.
        ValueError: if a number cannot be.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        max_workers: int | None = None,
        cache: NodeCache | str | os.PathLike[str] | None = None,
        kept_bytes: float = KEPT_BYTES,
        **options: Any,
    ) -> None:
        try:
            import ray
        except ImportError as error:
            raise missing_extra("RayRunner", "ray") from error
        check_options("RayRunner", options, inspect.signature(ray.init).parameters)
        super().__init__(max_workers, cache, kept_bytes)
        self.address = address
        self._options = options
        self._connecting = threading.Lock()
        self._reporter: Any = None
        weakref.finalize(self, _leave, id(self))

    # -- the cluster --------------------------------------------------------------------------------------------------

    def _ray(self) -> Any:
        """The library, connected to the cluster."""
        import ray

        with self._connecting:
            if not ray.is_initialized():
                self._reporter = None
                self.forget()
                _join(self.address, self._options, id(self))
            elif id(self) not in _using and _using:
                with _using_lock:
                    _using.add(id(self))
        return ray

    def close(self) -> None:
        """Leaves the cluster; ends it where a runner has started it and no other uses it. A later run begins anew."""
        super().close()
        self._reporter = None
        _leave(id(self))

    # -- what goes there and comes back -------------------------------------------------------------------------------

    def send(self, data: bytes) -> Any:
        """Puts bytes on the cluster; see `ClusterRunner.send`."""
        return self._ray().put(data)

    def put(self, parcel: Parcel) -> OnCluster:
        """Puts a value on the cluster; see `ClusterRunner.put`."""
        return OnRay(self._ray().put(parcel))

    def is_there(self, value: OnCluster) -> bool:
        """Whether the cluster still has what it was sent; see `ClusterRunner.is_there`."""
        import ray

        if not isinstance(value, OnRay) or not ray.is_initialized():
            return False
        return bool(ray.wait([value.reference], timeout=0, fetch_local=False)[0])

    def perform(
        self,
        errand: Errand,
        ops: Sequence[Any],
        values: Sequence[OnRay],
        needs: Mapping[str, float],
        run: Run | None,
    ) -> tuple[list[Handle], Result]:
        """Has a worker run an errand; see `ClusterRunner.perform`."""
        ray = self._ray()
        reporter = self._reporter_of(ray) if errand.tells else None
        task = _task().options(
            num_returns=errand.parts + 1,
            num_cpus=needs.get("cpu", 1),
            num_gpus=needs.get("gpu") or None,
            memory=int(needs.get("memory", 0)) or None,
            max_retries=_RETRIES,
            name=errand.name,
        )
        # The ops within a list: so that they are fetched by those workers alone that do not have them.
        came = task.remote(errand, list(ops), reporter, *[value.reference for value in values])
        *parts, came = came if isinstance(came, list) else [came]
        with self.noted(run, came):
            try:
                if reporter is not None:
                    _pass_on(ray, errand, came, reporter)
                result: Result = ray.get(came)
            except ray.exceptions.ObjectLostError as error:
                raise LostError(error, values) from None
            except ray.exceptions.RayError as error:
                raise _raised(errand, error, ray) from None
        return [OnRay(part) for part in parts[: len(result.parts)]], result

    def _reporter_of(self, ray: Any) -> Any:
        """Who is told of progress on the cluster, and asked from here."""
        with self._connecting:
            if self._reporter is None:
                self._reporter = ray.remote(_Reporter).options(num_cpus=0).remote()
            return self._reporter

    def cancel(self, tasks: Sequence[Any]) -> None:
        """Ends what is on its way; see `ClusterRunner.cancel`."""
        import ray

        interrupted = not isinstance(sys.exc_info()[1], Exception)  # Ctrl+C: nothing is left running
        for task in tasks:
            ray.cancel(task, force=interrupted)

    def was_cancelled(self, error: BaseException) -> bool:
        """Whether an error says no more than that `cancel` was called."""
        return isinstance(error, KeyboardInterrupt | WorkerLostError | CancelledError)


class CancelledError(Exception):
    """Raised for an op that was cancelled."""


class OnRay(OnCluster):
    """A value that the cluster has."""

    __slots__ = ("reference",)

    def __init__(self, reference: Any) -> None:
        self.reference = reference

    def value(self) -> Any:
        """Brings the value here."""
        import ray

        parcel: Parcel = ray.get(self.reference)
        return parcel.value()


def _join(address: str | None, options: Mapping[str, Any], runner: int) -> None:
    import ray

    if address is not None:
        ray.init(address=address, **options)
    else:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that nobody asked for tells nobody of itself
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
        ray.init(address="local", **{**quiet, **options})
    with _using_lock:
        _using.add(runner)


def _leave(runner: int) -> None:
    with _using_lock:
        if runner not in _using:
            return
        _using.discard(runner)
        if not _using:
            import ray

            ray.shutdown()


def _pass_on(ray: Any, errand: Errand, came: Any, reporter: Any) -> None:
    """Passes on what an op tells of its progress, until it is done."""
    is_done = False
    while not is_done:
        is_done = bool(ray.wait([came], timeout=_LOOK_EVERY)[0])
        for told in ray.get(reporter.told.remote(errand.id)):
            progress(*told)


def _raised(errand: Errand, error: Exception, ray: Any) -> BaseException:
    """What to raise for an errand that failed."""
    exceptions = ray.exceptions
    if isinstance(error, exceptions.TaskCancelledError):
        return CancelledError(errand.name)
    if isinstance(error, exceptions.RayTaskError):  # what the worker did around the op: it could not send the output
        cause: BaseException = error.cause
        return cause
    lost = (exceptions.WorkerCrashedError, exceptions.NodeDiedError, exceptions.OutOfMemoryError)
    if isinstance(error, lost):
        return WorkerLostError(
            f"{errand.described()} did not return: the workers that ran it have died ({error}). See whether it needs "
            "more memory than they have, or crashes"
        )
    return error


# -- what the workers do ----------------------------------------------------------------------------------------------


def _run(errand: Errand, ops: Sequence[Any], reporter: Any, *found: Parcel) -> Any:
    """Returns the parts of the output, each apart, and then all else of the result."""
    import ray

    telling: list[Any] = []

    def tell(*told: Any) -> None:
        telling.append(reporter.tell.remote(errand.id, told))

    result = do(
        errand, lambda numbers: ray.get([ops[number] for number in numbers]), lambda at: found[at].value(), tell
    )
    if telling:
        ray.wait(telling, num_returns=len(telling))  # nothing is told when the op is known to be done
    parcels, rest = result.packed()
    values = [*parcels, *[None] * (errand.parts - len(parcels))]
    return (*values, rest) if values else rest


@functools.cache
def _task() -> Any:
    """What workers run, in the words of Ray; made once, for it is sent to the cluster whenever it is made."""
    import ray

    return ray.remote(_run)


class _Reporter:
    """Keeps what ops tell of their progress until somebody asks."""

    def __init__(self) -> None:
        self._told: dict[str, list[Any]] = {}

    def tell(self, errand: str, told: Any) -> None:
        self._told.setdefault(errand, []).append(told)

    def told(self, errand: str) -> list[Any]:
        return self._told.pop(errand, [])
