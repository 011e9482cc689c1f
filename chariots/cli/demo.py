"""What can be seen of chariots in half a minute? A model trains, is saved, goes into service and answers."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chariots.errors import VersionError

if TYPE_CHECKING:
    from chariots.serving import PipelinesClient

__all__ = ["demo"]

FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]


@click.command()
@click.option("--port", "-p", type=click.IntRange(0, 65535), default=0, help="Port to serve on; a free one by default.")
@click.option(
    "--path",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Folder for the trained ops and their versions, kept afterwards; by default a temporary one.",
)
@click.option("--keep", is_flag=True, help="Go on serving at the end, until Ctrl-C.")
def demo(port: int, path: str | None, keep: bool) -> None:
    """Train, save, load, serve and call an iris model, step by step."""
    click.echo("Iris flowers: from raw data to a versioned prediction over HTTP.")
    with contextlib.ExitStack() as stack:
        folder = path or stack.enter_context(tempfile.TemporaryDirectory(prefix="chariots-demo-"))
        with _serving(folder, port) as url:
            _step(1, "A server with two pipelines and its own op store")
            _tell(f"it listens at {url}", f"it keeps what it learns in {Path(folder).absolute()}")
            _train_and_call(_client(url))
        with _serving(folder, port) as url:
            _step(6, "Stop the server, start it again, predict without a load")
            _predict(_client(url))
            _what_next(url if keep else None)
            if keep:
                _wait_for_interrupt(url)


def _train_and_call(client: PipelinesClient) -> None:
    """The steps from an untrained server to a prediction."""
    from chariots.demo import pred_iris, train_iris

    _step(2, "Ask for a prediction before anything was trained")
    if client.is_pipeline_loaded(pred_iris):
        _tell("an earlier run trained it already, and the server picked that up when it started")
    else:
        try:
            client.call_pipeline(pred_iris, FLOWERS)
        except VersionError as refusal:
            _tell(f"refused: {str(refusal).partition('. ')[0]}.")

    _step(3, "Train: run the pipeline train_iris")
    started = time.perf_counter()
    client.call_pipeline(train_iris)
    _tell(f"trained in {time.perf_counter() - started:.2f} s; its nodes are now at")
    for node, version in client.pipeline_versions(train_iris).items():
        _tell(f"    {node:<12} {version.major[:7]}.{version.minor[:7]}.{version.patch[:7]}")

    _step(4, "Save the trained ops, and load them into pred_iris")
    client.save_pipeline(train_iris)
    client.load_pipeline(pred_iris)
    _tell("loaded: the store found ops that were trained together")

    _step(5, "Predict over HTTP")
    _predict(client)


def _predict(client: PipelinesClient) -> None:
    from chariots.demo import pred_iris

    answer = client.call_pipeline(pred_iris, FLOWERS)
    for flower, species in zip(FLOWERS, answer.value, strict=True):
        _tell(f"{flower} is a {species}")


def _what_next(url: str | None) -> None:
    click.echo("\nWhat to look at next")
    if url:
        _tell(
            f"chariots call pred_iris '[[5.9, 3.0, 4.2, 1.5]]' --url {url}",
            f"chariots versions pred_iris --url {url}",
            f"curl {url}/openapi.json",
        )
    else:
        _tell("chariots demo --keep         the same, and the server stays for you to call")
    _tell(
        "chariots new                 a project of your own; answer use_iris_example with y for this model",
        f"{Path(__file__).resolve().parent.parent / 'demo.py'}    the ops and pipelines you just saw",
    )


def _wait_for_interrupt(url: str) -> None:
    click.echo(f"\nServing at {url}. Ctrl-C stops it.")
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
    click.echo()


def _client(url: str) -> PipelinesClient:
    from chariots.serving import PipelinesClient

    return PipelinesClient(url)


@contextlib.contextmanager
def _serving(folder: str, port: int) -> Iterator[str]:
    """Serves the demo app in a thread of this process, and stops it whatever happens."""
    from werkzeug.serving import WSGIRequestHandler, make_server

    from chariots.demo import create_app

    class KeepAlive(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *args: Any, **kwargs: Any) -> None:
            """Says nothing: the steps tell what happens."""

    # A refusal is part of the demo, and told by the step that provokes it.
    log = logging.getLogger("chariots")
    level = log.level
    log.setLevel(logging.CRITICAL)
    server = make_server("127.0.0.1", port, create_app(folder), threaded=True, request_handler=KeepAlive)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="chariots-demo", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        log.setLevel(level)


def _step(number: int, title: str) -> None:
    click.echo(f"\n{number}. {title}")


def _tell(*lines: str) -> None:
    for line in lines:
        click.echo(f"   {line}")
