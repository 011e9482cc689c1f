"""Which routes of the Open Inference Protocol does a pipelines server have? (V2, REST)"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Response, current_app, request

from chariots import schema, web
from chariots._version import __version__
from chariots.errors import ConflictError, InputError, MediaTypeError, UnknownNameError, VersionError
from chariots.serving import execution, media
from chariots.web.beginning import GENERATION
from chariots.web.bypass import bypassed_when
from chariots.web.problems import PROBLEM_TYPE

if TYPE_CHECKING:
    from chariots.serving.served import ServedPipeline
    from chariots.serving.server import PipelinesServer
    from chariots.serving.snapshots import Snapshot

__all__ = ["V2Views", "in_their_words"]

_PREFIX = "chariots.v2_"
# What clients of the protocol know: a bad request is a 400, and a model that is not ready a 503.
_STATUSES = {InputError.status: 400, VersionError.status: 503}


class V2Views:
    """The views of one server that speak the protocol.

    Args:
        app: the server.
    """

    def __init__(self, app: PipelinesServer) -> None:
        self._app = app
        self._versions: dict[str, tuple[Snapshot, str]] = {}

    def routes(self) -> tuple[tuple[str, str, Callable[..., Response]], ...]:
        """Every route, with its method and its view."""
        model = "/v2/models/<name>"
        version = f"{model}/versions/<version>"
        return (
            ("/v2", "GET", self.v2_server),
            ("/v2/health/live", "GET", self.v2_live),
            ("/v2/health/ready", "GET", self.v2_ready),
            (model, "GET", self.v2_model),
            (version, "GET", self.v2_model),
            (f"{model}/ready", "GET", self.v2_model_ready),
            (f"{version}/ready", "GET", self.v2_model_ready),
            (f"{model}/infer", "POST", self.v2_infer),
            (f"{version}/infer", "POST", self.v2_infer),
        )

    def v2_server(self) -> Response:
        """Says which server this is."""
        extensions = ["binary_tensor_data"]
        return web.json_response({"name": self._app.name, "version": __version__, "extensions": extensions})

    def v2_live(self) -> Response:
        """Says that the process is alive."""
        return web.json_response({"live": True})

    def v2_ready(self) -> Response:
        """Says whether the server can answer; the same as ``/readyz``."""
        answer: Response = current_app.view_functions["chariots_readyz"]()  # type: ignore[assignment]
        return web.json_response({"ready": True}) if answer.status_code < 300 else answer

    def v2_model(self, name: str, version: str | None = None) -> Response:
        """Describes a pipeline."""
        from chariots.serving.open_inference import metadata  # brings numpy, which not every server needs

        served = self._served(name, version)
        return web.json_response(
            {
                "name": name,
                "versions": [self._version(name, served.current)],
                "platform": "chariots",
                "inputs": metadata.input_tensors(served),
                "outputs": metadata.output_tensors(served),
            }
        )

    def v2_model_ready(self, name: str, version: str | None = None) -> Response:
        """Says whether a pipeline can answer."""
        self._served(name, version).ready(self._app.op_store_client)
        return web.json_response({"name": name, "ready": True})

    def v2_infer(self, name: str, version: str | None = None) -> Response:
        """Executes a pipeline."""
        from chariots.serving.open_inference import answers, requests, values  # as above

        app = self._app
        served = self._served(name, version)
        if served.current.trains:  # what it learns takes the place of what others are answered from
            web.surrounding(app).require("operate")
        if execution.wants_worker(served.use_worker, app.use_workers):
            raise ConflictError(
                f"pipeline {name!r} is executed by workers, whose answer comes later, and the Open Inference Protocol "
                f"has no way to say so. Call POST /pipelines/{name}/main."
            )
        encoding = request.headers.get("Content-Encoding", "identity")
        if encoding.lower() != "identity":
            raise MediaTypeError(
                f"The body is encoded with {encoding[:40]!r}, which is not read here. Send it as it is."
            )
        asked = requests.read_request(web.read_body(), request.headers.get(requests.LENGTH_HEADER))
        value = served.inputs.read(values.input_of(asked, served.inputs.hint))
        output, snapshot = execution.call(app, served, value)
        request.environ[GENERATION] = snapshot.generation
        if version is not None and not snapshot.trains:
            self._check(name, version, snapshot)  # another one may have been put into service meanwhile
        wanted = values.wanted_outputs(asked, values.outputs_of(output, name), name)
        head = {"model_name": name, "model_version": self._version(name, snapshot)}
        if asked.id is not None:
            head["id"] = asked.id
        return answers.answer(name, head, wanted, media.tell(snapshot))

    def _served(self, name: str, version: str | None) -> ServedPipeline:
        served = self._app.served_pipeline(name)
        if version is not None:
            self._check(name, version, served.current)
        return served

    def _check(self, name: str, version: str, snapshot: Snapshot) -> None:
        present = self._version(name, snapshot)
        if version != present:
            raise UnknownNameError(
                f"version {version[:200]!r} of pipeline {name!r} was asked for, and {present!r} is in service. Ask for "
                "that one, or for none; `chariots promote` puts another one into service."
            )

    def _version(self, name: str, snapshot: Snapshot) -> str:
        """The version of a whole pipeline: that of its nodes together, without the time."""
        known, text = self._versions.get(name, (None, ""))
        if known is not snapshot:
            text = str(snapshot.pipeline.op_version).partition("_")[0]
            self._versions[name] = (snapshot, text)
        return text


def _is_ours(path: str) -> bool:
    return path == "/v2" or path.startswith("/v2/")


@bypassed_when(lambda environ: not _is_ours(environ.get("PATH_INFO", "")))
def in_their_words(response: Response) -> Response:
    """Turns the problem body that a failure left into the error object of the protocol.

    Args:
        response: of any route.

    Returns:
        the same response, changed where it answers a route of the protocol with a problem.
    """
    is_problem = _is_ours(request.path) and response.mimetype == PROBLEM_TYPE
    if not is_problem or not (request.endpoint or _PREFIX).startswith(_PREFIX):
        return response
    problem = schema.loads(response.get_data())
    response.status_code = _STATUSES.get(response.status_code, response.status_code)
    response.set_data(schema.dumps({"error": problem["detail"]}))
    response.content_type = "application/json"
    return response
