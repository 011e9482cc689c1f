"""How does a task of an event loop call, load and save the pipelines of a server? (the extra ``asyncio``)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from chariots.pipelines import Pipeline
from chariots.serving import calling, pieces
from chariots.serving.async_job_client import AsyncJobClient
from chariots.serving.calling import FormName
from chariots.serving.client import QUICK_SECONDS, QUIET_SECONDS, json_headers
from chariots.serving.job_names import AnyJob, given_options
from chariots.serving.pieces import AsyncPipelineStream
from chariots.serving.response import PipelineResponse
from chariots.versioning import Version

if TYPE_CHECKING:
    from chariots.web import Reply, RetryPolicy
    from chariots.web.async_client import AsyncStream

__all__ = ["AsyncPipelinesClient"]


class AsyncPipelinesClient(AsyncJobClient):
    """Calls the pipelines of a server over HTTP from the tasks of an event loop, any number of them at once.

    It says and understands the same as a `PipelinesClient`, and raises the same exceptions. A task that is canceled
    closes the connection of its call. It is used in one event loop at a time, as ``async with`` or until `close`.

    Args:
        backend_url: the address of the server.
        timeout: seconds a call may take, the wait for its turn included, or each piece of a stream; None for no limit.
        retries: how often a request is sent again where that is safe, or a whole policy.
        token: sent as ``Authorization: Bearer``.
        connections: how many calls may be under way at once; further ones wait for their turn. Streams, and waiting for
            jobs, do not count.

    Raises:
        ValueError: if the address is not the URL of a service.
        MissingExtraError: (an ImportError) if aiohttp is not installed.
    """

    def __init__(
        self,
        backend_url: str = "http://127.0.0.1:5000",
        *,
        timeout: float | None = None,
        retries: int | RetryPolicy = 3,
        token: str | None = None,
        connections: int = 64,
    ) -> None:
        from chariots.web import AsyncSession

        self.backend_url = backend_url
        self._session = AsyncSession(
            backend_url, timeout=timeout, retries=retries, token=token, connections=connections
        )
        if timeout is not None:
            self.longest_wait = min(self.longest_wait, timeout / 2)

    async def call_pipeline(
        self,
        pipeline: Pipeline | str,
        pipeline_input: Any = None,
        use_worker: bool | None = None,
        *,
        priority: int | None = None,
        timeout: float | None = None,
        retries: int | RetryPolicy | None = None,
        at: datetime | float | str | None = None,
        every: float | None = None,
        after: AnyJob | Iterable[AnyJob] | None = None,
        idempotency_key: str | None = None,
        result_ttl: float | None = None,
        format: FormName = "json",
        answer_format: FormName | None = None,
        caller: str | None = None,
    ) -> PipelineResponse:
        """Executes a pipeline on the server.

        Args:
            pipeline: the pipeline.
            pipeline_input: its input: anything with a form in JSON, numpy and pandas included.
            use_worker: whether a worker executes it, so that the answer is a job to be waited for (`wait`); None
                leaves it to the pipeline and the server. The arguments below are about that job, and ask for one.
            priority: of two jobs that wait, the one with the greater number runs first.
            timeout: how many seconds one attempt may take.
            retries: how often it is tried again after a failure, or a whole policy.
            at: not before this time; UTC where it names no zone.
            every: seconds from one run to the next, until it is canceled.
            after: the job, or the jobs, that must be done first.
            idempotency_key: asking again with the same key gives the first job.
            result_ttl: how many seconds the result, or the failure, is kept.
            format: how the input is sent: ``"json"``, ``"npy"`` (one array), ``"arrow"`` (one table) or ``"msgpack"``.
            answer_format: how the output is asked for; as the input is sent by default. It comes as JSON where it has
                no such form. Arrays come as arrays in ``"npy"``, tables as data frames in ``"arrow"``.
            caller: who asks, the id of a user for instance: where the server tries several versions, the same caller
                always gets the same.

        Returns:
            the response; `PipelineResponse.value` is the output.

        Raises:
            UnknownNameError: (a ValueError) if the server has no such pipeline.
            InputError: (a ValueError) if the input does not have the form the pipeline declares, or an option cannot
                be, or no worker may be used.
            NotLoadedError: if the pipeline must be loaded first.
            BackendError: (a ValueError) if an op failed; its cause shows the stack on the server.
            TypeError: if the input has no such form, or a job was asked for with one that a worker cannot get.
            ValueError: if there is no form of that name.
            MissingExtraError: if a library is not installed that writes or reads it.
        """
        options = given_options(
            priority=priority,
            timeout=timeout,
            retries=retries,
            at=at,
            every=every,
            after=after,
            idempotency_key=idempotency_key,
            result_ttl=result_ttl,
        )
        forms = (format, answer_format)
        return await self._run(calling.call(pipeline, pipeline_input, use_worker, options, forms, caller))

    def stream_pipeline(
        self,
        pipeline: Pipeline | str,
        pipeline_input: Any = None,
        *,
        format: FormName = "json",
        caller: str | None = None,
    ) -> AsyncPipelineStream:
        """Executes a pipeline on the server, and gives what a generator makes there piece by piece, while it is made.

        The output of a pipeline that ends with no generator is the only piece. No worker executes it. What is raised is
        raised when a piece is asked for.

        Args:
            pipeline: the pipeline.
            pipeline_input: its input, as for `call_pipeline`.
            format: how the input is sent, as for `call_pipeline`; the pieces come as JSON.
            caller: who asks, as for `call_pipeline`.

        Returns:
            an asynchronous iterator of the pieces, and a context manager that closes the connection.

        Raises:
            ChariotsError: the same as for `call_pipeline`, before the first piece; later a `BackendError` if the op
                failed, with the stack on the server.
            UnreachableError: if the answer breaks off.
        """
        versions: dict[str, Version] = {}
        told = self._iterate(pieces.stream(pipeline, pipeline_input, format, versions, caller))
        return AsyncPipelineStream(told, versions)

    async def fetch_job(self, job_id: str, pipeline: Pipeline | str) -> PipelineResponse:
        """Asks how far a job is.

        Args:
            job_id: `PipelineResponse.job_id`.
            pipeline: the pipeline that was called.

        Returns:
            the response; its value is None unless its status is `JobStatus.done`.

        Raises:
            UnknownNameError: (a ValueError) if there is no such job.
        """
        return await self._run(calling.fetch_job(job_id, pipeline))

    async def is_pipeline_loaded(self, pipeline: Pipeline | str) -> bool:
        """Asks whether a pipeline can answer.

        Args:
            pipeline: the pipeline.

        Raises:
            UnknownNameError: (a ValueError) if the server has no such pipeline.
        """
        return await self._run(calling.is_loaded(pipeline))

    async def load_pipeline(self, pipeline: Pipeline | str) -> None:
        """Lets the server put the newest saved ops of a pipeline into service, if they fit together.

        Args:
            pipeline: the pipeline.

        Raises:
            VersionError: if they do not; the message names the nodes and versions.
            UnknownNameError: (a ValueError) if the server has no such pipeline.
        """
        await self._run(calling.order(pipeline, "load"))

    async def save_pipeline(self, pipeline: Pipeline | str) -> None:
        """Lets the server save what a pipeline has learned; changes to the pipeline in this process do not count.

        Args:
            pipeline: the pipeline.

        Raises:
            UnknownNameError: (a ValueError) if the server has no such pipeline.
        """
        await self._run(calling.order(pipeline, "save"))

    async def pipeline_versions(self, pipeline: Pipeline | str) -> dict[str, Version]:
        """Asks which versions the server runs, which are those it has loaded or trained.

        Args:
            pipeline: the pipeline.

        Returns:
            the version of every node, by name.

        Raises:
            UnknownNameError: (a ValueError) if the server has no such pipeline.
        """
        return await self._run(calling.versions(pipeline))

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        idempotent: bool = True,
        quick: bool = False,
        headers: Mapping[str, str] | None = None,
        lingers: bool = False,
    ) -> Reply:
        """Carries one request; the arguments are those of `PipelinesClient.send`.

        Args:
            lingers: whether it waits at the server for something to happen, and needs no turn.

        Raises:
            UnreachableError: if no answer came.
        """
        timeout = self._session.timeout
        return await self._session.request(
            method,
            path,
            body=body,
            headers=json_headers(body, headers),
            idempotent=idempotent,
            timeout=QUICK_SECONDS if quick and timeout is None else timeout,
            lingers=lingers,
        )

    def open_stream(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        has_heartbeat: bool = False,
    ) -> AbstractAsyncContextManager[AsyncStream]:
        """Opens an answer that comes piece by piece; the arguments are those of `PipelinesClient.open_stream`.

        Raises:
            UnreachableError: if no answer came.
            ChariotsError: what the answer reports, where it is a refusal.
        """
        return self._session.stream(
            method,
            path,
            body=body,
            headers=json_headers(body, headers),
            timeout=QUIET_SECONDS if has_heartbeat else self._session.timeout,
        )

    async def close(self) -> None:
        """Closes all connections; the client can still be used, and opens new ones."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.backend_url}>"
