"""How does a Python program call, load and save the pipelines of a server?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from chariots import schema
from chariots.errors import BackendError, VersionError
from chariots.pipelines import Pipeline
from chariots.serving.response import PipelineResponse
from chariots.versioning import Version
from chariots.web import RetryPolicy, Session

if TYPE_CHECKING:
    from chariots.web import Reply

__all__ = ["AbstractPipelinesClient", "PipelinesClient"]

QUICK_SECONDS = 60.0  # for what does not run, load or save anything


class AbstractPipelinesClient(ABC):
    """Everything a client of a pipelines server can do, whatever carries the requests.

    A client of your own defines `send`. Pipelines may be given as `Pipeline` objects or by name: only the name is
    sent.
    """

    @abstractmethod
    def send(
        self, method: str, path: str, body: bytes | None = None, *, idempotent: bool = True, quick: bool = False
    ) -> Reply:
        """Carries one request to the server.

        Args:
            method: of HTTP.
            path: the route, quoted.
            body: JSON.
            idempotent: whether sending it twice does no harm.
            quick: whether the answer never takes long.

        Returns:
            the answer, whatever its status.
        """

    def call_pipeline(
        self, pipeline: Pipeline | str, pipeline_input: Any = None, use_worker: bool | None = None
    ) -> PipelineResponse:
        """Executes a pipeline on the server.

        Args:
            pipeline: the pipeline.
            pipeline_input: its input: anything with a form in JSON, numpy and pandas included.
            use_worker: whether a worker executes it, so that the answer is a job to be fetched later; None leaves
                it to the pipeline and the server.

        Returns:
            the response; `PipelineResponse.value` is the output.

        Raises:
            UnknownNameError: (a ValueError) if the server has no such pipeline.
            InputError: (a ValueError) if the input does not have the form the pipeline declares.
            NotLoadedError: if the pipeline must be loaded first.
            BackendError: (a ValueError) if an op failed; its cause shows the stack on the server.
            TypeError: if the input has no form in JSON.
        """
        body = b'{"pipeline_input":%b,"use_worker":%b}' % (
            schema.dumps(pipeline_input, where="pipeline_input"),
            schema.dumps(use_worker),
        )
        reply = self._checked(self.send("POST", _route(pipeline, "main"), body, idempotent=False))
        return PipelineResponse.from_request(_object(reply), pipeline)

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
        return PipelineResponse.from_request(_object(reply), pipeline)

    def is_pipeline_loaded(self, pipeline: Pipeline | str) -> bool:
        """Asks whether a pipeline can answer.

        Args:
            pipeline: the pipeline.

        Raises:
            UnknownNameError: (a ValueError) if the server has no such pipeline.
        """
        reply = self.send("GET", _route(pipeline, "health_check"), quick=True)
        if reply.status == VersionError.status:
            return False
        return bool(_object(self._checked(reply)).get("is_loaded"))

    def load_pipeline(self, pipeline: Pipeline | str) -> None:
        """Lets the server put the newest saved ops of a pipeline into service, if they fit together.

        Args:
            pipeline: the pipeline.

        Raises:
            VersionError: if they do not; the message names the nodes and versions.
            UnknownNameError: (a ValueError) if the server has no such pipeline.
        """
        self._checked(self.send("POST", _route(pipeline, "load"), b"{}"))

    def save_pipeline(self, pipeline: Pipeline | str) -> None:
        """Lets the server save what a pipeline has learned; changes to the pipeline in this process do not count.

        Args:
            pipeline: the pipeline.

        Raises:
            UnknownNameError: (a ValueError) if the server has no such pipeline.
        """
        self._checked(self.send("POST", _route(pipeline, "save"), b"{}"))

    def pipeline_versions(self, pipeline: Pipeline | str) -> dict[str, Version]:
        """Asks which versions the server runs, which are those it has loaded or trained.

        Args:
            pipeline: the pipeline.

        Returns:
            the version of every node, by name.

        Raises:
            UnknownNameError: (a ValueError) if the server has no such pipeline.
        """
        reply = self._checked(self.send("POST", _route(pipeline, "versions"), b"{}", quick=True))
        return {name: Version.parse(text) for name, text in _object(reply).items()}

    def _checked(self, reply: Reply) -> Reply:
        if reply.status < 300:
            return reply
        error = reply.error()
        if reply.status != 500 or isinstance(error, BackendError):
            raise error
        # Documented: whatever fails on the server is a ValueError here.
        raise BackendError(error.detail, **error.extra) from error.__cause__


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

    def send(
        self, method: str, path: str, body: bytes | None = None, *, idempotent: bool = True, quick: bool = False
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
            headers={"Content-Type": "application/json"} if body is not None else None,
            idempotent=idempotent,
            timeout=QUICK_SECONDS if quick and timeout is None else timeout,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.backend_url}>"


def _route(pipeline: Pipeline | str, action: str) -> str:
    name = pipeline.name if isinstance(pipeline, Pipeline) else pipeline
    return f"/pipelines/{quote(name, safe='')}/{action}"


def _object(reply: Reply) -> dict[str, Any]:
    found = reply.json()
    if isinstance(found, dict):
        return found
    raise ValueError(
        f"{reply.asked} was answered with a {type(found).__name__}, not with an object. "
        "Check that the address is that of a pipelines server."
    )
