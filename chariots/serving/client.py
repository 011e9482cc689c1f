"""How does a Python program call, load and save the pipelines of a server?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

from chariots import schema
from chariots.errors import ConflictError, InputError, NoWorkerPoolError, VersionError
from chariots.pipelines import Pipeline
from chariots.serving import calling
from chariots.serving.calling import FormName, route
from chariots.serving.carrying import object_of
from chariots.serving.job_client import JobClient
from chariots.serving.job_names import AnyJob, given_options
from chariots.serving.response import PipelineResponse
from chariots.versioning import Version
from chariots.web import RetryPolicy, Session

if TYPE_CHECKING:
    from chariots.web import Reply

__all__ = ["AbstractPipelinesClient", "PipelinesClient"]

_PLAIN = (("json", None), ("json", "json"))
QUICK_SECONDS = 60.0  # for what does not run, load or save anything
QUIET_SECONDS = 30.0  # a stream that says nothing for so long, not even that it is there, is lost


class AbstractPipelinesClient(JobClient):
    """Everything a client of a pipelines server can do, whatever carries the requests.

    A client of your own defines `send`, and `open_stream` where it can. Pipelines may be given as `Pipeline` objects or
    by name: only the name is sent.
    """

    def call_pipeline(
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
        headers = {} if caller is None else {calling.CALLER_HEADER: quote(caller, safe=calling.PLAIN)}
        if (format, answer_format) not in _PLAIN:
            return calling.call_in_forms(
                self, pipeline, pipeline_input, use_worker, options, (format, answer_format or format), headers
            )
        text = schema.dumps(pipeline_input, where="pipeline_input")
        if idempotency_key is not None or use_worker is False or not (use_worker or options):
            return self._call(pipeline, text, use_worker, options, headers)
        try:
            # With a key of our own a lost answer can be asked for again, and the job is made once.
            return self._call(pipeline, text, use_worker, {**options, "idempotency_key": uuid4().hex}, headers)
        except (InputError, ConflictError) as error:
            if not _is_about_the_key(error, options):
                raise
        # No job is made: somebody says no to a worker, or the pool knows jobs without options only.
        return self._call(pipeline, text, use_worker, options, headers)

    def fetch_job(self, job_id: str, pipeline: Pipeline | str) -> PipelineResponse:
        """Asks how far a job is.

        Args:
            job_id: `PipelineResponse.job_id`.
            pipeline: the pipeline that was called.

        Returns:
            the response; its value is None unless its status is `JobStatus.done`.

        Raises:
            UnknownNameError: (a ValueError) if there is no such job.
        """
        reply = self._checked(self.send("POST", "/jobs/fetch/", schema.dumps({"job_id": job_id}), quick=True))
        return PipelineResponse.from_request(object_of(reply), pipeline)

    def _call(
        self,
        pipeline: Pipeline | str,
        text: bytes,
        use_worker: bool | None,
        options: Mapping[str, Any],
        headers: Mapping[str, str],
    ) -> PipelineResponse:
        rest = schema.dumps({"use_worker": use_worker, **options}, where="")
        body = b'{"pipeline_input":%b,%b' % (text, rest[1:])
        # Under a key there is one job, however often it is asked for.
        sent: dict[str, Any] = {"headers": headers} if headers else {}  # which not every carrier takes
        reply = self.send("POST", route(pipeline, "main"), body, idempotent="idempotency_key" in options, **sent)
        return PipelineResponse.from_request(object_of(self._checked(reply)), pipeline)

    def is_pipeline_loaded(self, pipeline: Pipeline | str) -> bool:
        """Asks whether a pipeline can answer.

        Args:
            pipeline: the pipeline.

        Raises:
            UnknownNameError: (a ValueError) if the server has no such pipeline.
        """
        reply = self.send("GET", route(pipeline, "health_check"), quick=True)
        if reply.status == VersionError.status:
            return False
        return bool(object_of(self._checked(reply)).get("is_loaded"))

    def load_pipeline(self, pipeline: Pipeline | str) -> None:
        """Lets the server put the newest saved ops of a pipeline into service, if they fit together.

        Args:
            pipeline: the pipeline.

        Raises:
            VersionError: if they do not; the message names the nodes and versions.
            UnknownNameError: (a ValueError) if the server has no such pipeline.
        """
        self._checked(self.send("POST", route(pipeline, "load"), b"{}"))

    def save_pipeline(self, pipeline: Pipeline | str) -> None:
        """Lets the server save what a pipeline has learned; changes to the pipeline in this process do not count.

        Args:
            pipeline: the pipeline.

        Raises:
            UnknownNameError: (a ValueError) if the server has no such pipeline.
        """
        self._checked(self.send("POST", route(pipeline, "save"), b"{}"))

    def pipeline_versions(self, pipeline: Pipeline | str) -> dict[str, Version]:
        """Asks which versions the server runs, which are those it has loaded or trained.

        Args:
            pipeline: the pipeline.

        Returns:
            the version of every node, by name.

        Raises:
            UnknownNameError: (a ValueError) if the server has no such pipeline.
        """
        reply = self._checked(self.send("POST", route(pipeline, "versions"), b"{}", quick=True))
        return {name: Version.parse(text) for name, text in object_of(reply).items()}


class PipelinesClient(AbstractPipelinesClient):
    """Calls the pipelines of a server over HTTP; safe to share between threads.

    Args:
        backend_url: the address of the server.
        timeout: seconds a call may take; None for no limit, for trainings take as long as they take.
        retries: how often a request is sent again where that is safe, or a whole policy.
        token: sent as ``Authorization: Bearer``, for servers behind a proxy that wants one.

    Raises:
        ValueError: if the address is not the URL of a service.
    """

    def __init__(
        self,
        backend_url: str = "http://127.0.0.1:5000",
        *,
        timeout: float | None = None,
        retries: int | RetryPolicy = 3,
        token: str | None = None,
    ) -> None:
        self.backend_url = backend_url
        self._session = Session(backend_url, timeout=timeout, retries=retries, token=token)
        if timeout is not None:
            self.longest_wait = min(self.longest_wait, timeout / 2)

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        idempotent: bool = True,
        quick: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Carries one request; see `AbstractPipelinesClient.send`.

        Raises:
            UnreachableError: if no answer came.
        """
        timeout = self._session.timeout
        return self._session.request(
            method,
            path,
            body=body,
            headers=({} if body is None else {"Content-Type": "application/json"}) | dict(headers or {}),
            idempotent=idempotent,
            timeout=QUICK_SECONDS if quick and timeout is None else timeout,
        )

    def open_stream(self, path: str) -> AbstractContextManager[Iterator[bytes]]:
        """Opens an answer that comes piece by piece; see `Carrier.open_stream`.

        Raises:
            UnreachableError: if no answer came.
            ChariotsError: what the answer reports, where it is a refusal.
        """
        return self._chunks(path)

    @contextmanager
    def _chunks(self, path: str) -> Iterator[Iterator[bytes]]:
        with self._session.stream("GET", path, timeout=QUIET_SECONDS) as answer:
            yield answer.chunks

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.backend_url}>"


def _is_about_the_key(error: InputError | ConflictError, options: Mapping[str, Any]) -> bool:
    """Whether a request may be welcome without the key that we gave it."""
    if isinstance(error, ConflictError):
        return not options and not isinstance(error, NoWorkerPoolError)
    return any(each.get("loc") == ["idempotency_key"] for each in error.extra.get("errors", ()))
