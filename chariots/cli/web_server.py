"""How do worker processes share a port, and how is a person told that they do, or why they cannot?"""

from __future__ import annotations

import errno
import functools
import math
import os
import socket
import ssl
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from chariots.cli.commands import Failure, described
from chariots.cli.early_imports import part_from_others
from chariots.cli.freed_memory import keep_freed_memory
from chariots.cli.interpreter import collect_less_often, leave_garbage, share_the_interpreter, uncollected
from chariots.cli.serving_options import as_configuration, decided, serving_options
from chariots.web.settings import METRICS_FOLDER

__all__ = ["Listener", "serve_application", "server_options"]

GRACE_SECONDS: Final = 30  # for what runs to end
LOAD_FAILED: Final = 4  # gunicorn stops for good when a worker leaves with this code
# gunicorn's own lines about a worker that could not load the app, which we tell in one line instead
NOISE: Final = ("Worker (pid:%s) exited with code %s.", "Shutting down: %s", "Reason: %s")


@dataclass(frozen=True)
class Listener:
    """Where to listen and with how many hands.

    Attributes:
        host: the interface; ``127.0.0.1`` is reached from this machine only.
        port: the port; 0 takes a free one.
        workers: how many processes answer.
        threads: how many requests each process answers at a time.
        backlog: how many more may wait in each process; None for 16 for each thread.
        drain_seconds: how long requests are answered after the server was told to stop.
        tls_cert: the certificate in PEM; None for plain HTTP.
        tls_key: its private key in PEM, if it is in another file.
        tls_ca: those whose certificates clients must bring; None if they need none.
        configuration: what the Flask configuration of the application is to hold, whatever it holds already.
    """

    host: str = "127.0.0.1"
    port: int = 5000
    workers: int = 1
    threads: int = 8
    backlog: int | None = None
    drain_seconds: float = 0.0
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_ca: str | None = None
    configuration: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, host: str, port: int, serving: Mapping[str, Any]) -> Listener:
        """Makes one from what the options of a command say, and the environment.

        Args:
            host: the interface.
            port: the port.
            serving: what the options say.

        Raises:
            Failure: when the environment holds what cannot be.
        """
        found = decided(serving)
        names = ("workers", "threads", "backlog", "drain_seconds", "tls_cert", "tls_key", "tls_ca")
        return cls(host, port, **{name: found[name] for name in names}, configuration=as_configuration(serving))


def server_options(port: int, *leave_out: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds ``--host``, ``--port`` and an option for each setting; the command gets one `Listener`.

    Args:
        port: the default port.
        *leave_out: settings for which the command has no option.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_listener(*args: Any, host: str, port: int, serving: dict[str, Any], **rest: Any) -> Any:
            return command(*args, listener=Listener.of(host, port, serving), **rest)

        options = [
            click.option(
                "--host",
                default="127.0.0.1",
                show_default=True,
                help="Interface to listen on; 0.0.0.0 opens the server to the network.",
            ),
            click.option(
                "--port",
                "-p",
                type=click.IntRange(0, 65535),
                default=port,
                show_default=True,
                help="Port to listen on; 0 takes a free one.",
            ),
        ]
        with_options = serving_options(leave_out=leave_out)(with_listener)
        for option in reversed(options):
            with_options = option(with_options)
        return with_options

    return decorate


def serve_application(
    load: Callable[[], Any],
    name: str,
    listener: Listener,
    *,
    early: Callable[[], None] = lambda: None,
    debug: bool = False,
) -> None:
    """Serves an app until SIGTERM or Ctrl-C; requests that run are finished first.

    Args:
        load: makes the WSGI app; called in every worker process, never in this one.
        name: what is served, for the line that says where.
        listener: where to listen and with how many hands.
        early: imports, in this process, what several worker processes can share; called if there are several.
        debug: whether the stack is shown when the app cannot be loaded.

    Raises:
        Failure: when the port is taken or the app cannot be loaded.
    """
    try:
        from gunicorn.errors import HaltServer

        from chariots.cli.shared_folder import shared_folder  # locks as only such systems have them
    except ImportError as error:
        raise Failure(
            "chariots serve needs gunicorn, which does not run on this system; "
            "use `flask --app MODULE:APP run`, or any other WSGI server."
        ) from error
    bound = _bind(listener)
    reader, writer = os.pipe()
    parent = os.getpid()
    try:
        with shared_folder():
            with uncollected():
                if listener.workers > 1:
                    early()
                server = _gunicorn(load, name, listener, bound, writer, debug)
            server.run()
    except (SystemExit, HaltServer) as leaving:
        # Worker processes leave through here as well, and have nothing to tell. A HaltServer gets this far when
        # a second worker fails while gunicorn stops because of the first.
        if os.getpid() != parent or (isinstance(leaving, SystemExit) and not leaving.code):
            raise
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8", errors="replace") as told:
            reason = told.read().split("\0")[0]
        raise Failure(reason or f"{name} stopped serving, see the lines above.") from None


def _bind(listener: Listener) -> socket.socket:
    """The listening socket; taking it here tells at once that a port is in use."""
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((listener.host, listener.port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise Failure(
                f"port {listener.port} of {listener.host} was asked for, and another program listens there; "
                "stop it, or choose another port with --port (0 takes a free one)."
            ) from error
        raise Failure(
            f"{listener.host}:{listener.port} was asked for, and cannot be listened on: {error.strerror}; "
            "check --host and --port."
        ) from error
    bound.listen(2048)
    return bound


def _gunicorn(
    load: Callable[[], Any], name: str, listener: Listener, bound: socket.socket, writer: int, debug: bool
) -> Any:
    """The gunicorn application that serves ours."""
    from gunicorn.app.base import BaseApplication

    host, port = bound.getsockname()[:2]
    scheme = "http" if listener.tls_cert is None else "https"
    url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    settings: dict[str, Any] = {
        "bind": f"fd://{bound.detach()}",  # gunicorn takes it over, and closes it when it stops
        "worker_class": _worker_class(listener),
        "workers": listener.workers,
        "threads": listener.threads,
        "timeout": 300,  # a worker that trains with the interpreter lock held cannot give a sign of life
        "graceful_timeout": math.ceil(GRACE_SECONDS + listener.drain_seconds),
        "keepalive": 75,  # longer than clients keep a connection, so that they close it and not we
        "loglevel": "warning",
        "proc_name": f"chariots {name}",
        "control_socket_disable": True,
        "on_starting": _quieten,
        "post_fork": _begin,
        "post_worker_init": lambda worker: _tell(worker, name, url, listener),
        "worker_exit": lambda arbiter, worker: leave_garbage(),
        "child_exit": _forget,
    }
    if listener.tls_cert is not None:
        settings |= {"certfile": listener.tls_cert, "keyfile": listener.tls_key or listener.tls_cert}
        if listener.tls_ca is not None:
            settings |= {"ca_certs": listener.tls_ca, "cert_reqs": ssl.CERT_REQUIRED}

    class Served(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
        def load_config(self) -> None:
            for key, value in settings.items():
                if key in self.cfg.settings:
                    self.cfg.set(key, value)

        def load(self) -> Any:
            from chariots.web import surrounding

            here = str(Path.cwd())
            if here not in sys.path:
                sys.path.insert(0, here)
            try:
                with uncollected():
                    app = load()
                    if listener.configuration:
                        app.config.update(listener.configuration)
                    surrounding(app).prepare()  # what is set wrongly is told now, and not to the first who asks
                return app
            except Exception as error:  # noqa: BLE001 -- a user's module may raise anything
                if debug:
                    traceback.print_exc()
                reason = f"{name} cannot be served: {described(error, _place(error))}\0"
                os.write(writer, reason.encode()[:4000])
                sys.exit(LOAD_FAILED)

    return Served()


def _worker_class(listener: Listener) -> type:
    from chariots.cli.patient_worker import PatientWorker

    class Worker(PatientWorker):
        backlog = listener.backlog
        drain_seconds = listener.drain_seconds
        has_express = True

    return Worker


def _begin(_: Any, _worker: Any) -> None:
    part_from_others()
    keep_freed_memory()
    share_the_interpreter()
    collect_less_often()


def _forget(_: Any, worker: Any) -> None:
    """Takes what a process that is gone was doing out of the metrics; what it has done stays."""
    for file in Path(os.environ[METRICS_FOLDER]).glob(f"gauge_live*_{worker.pid}.db"):
        file.unlink(missing_ok=True)


def _quieten(arbiter: Any) -> None:
    arbiter.log.error_log.addFilter(lambda record: record.msg not in NOISE)


def _tell(worker: Any, name: str, url: str, listener: Listener) -> None:
    """Says where the app is served, once its first worker has loaded it."""
    if worker.age == 1:
        hands = f"{listener.workers} process{'es' * (listener.workers > 1)} of {listener.threads} threads"
        click.echo(f"Serving {name} at {url} ({hands}). Ctrl-C stops it.")


def _place(error: BaseException) -> str:
    """Where in a user's module an import failed."""
    if isinstance(error, SyntaxError):
        return ""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and f"{os.sep}chariots{os.sep}" not in frame.filename
    ]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
