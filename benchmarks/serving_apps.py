"""The iris model behind every server that chariots is measured beside; each reads and answers the same JSON."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.iris_apps import PATH, chariots_app, flask_app
from benchmarks.models import FLOWERS, THREADS, Predictor
from benchmarks.servers import Call, Server, as_json, chariots_serve

if TYPE_CHECKING:
    from flask import Flask

__all__ = [
    "DISPATCHED",
    "GRANIAN",
    "IRIS",
    "OURS",
    "chariots_app",
    "dispatched_app",
    "fastapi_app",
    "flask_app",
    "missing",
    "plain_flask_app",
    "servers",
]

HERE = "benchmarks.serving_apps"
OURS, DISPATCHED, GRANIAN = "chariots serve", "chariots serve, dispatched", "chariots on granian"
IRIS = Call(
    PATH,
    as_json({"pipeline_input": FLOWERS}),
    '"pipeline_output":[0]',
    as_json({"pipeline_input": [FLOWERS[0][:3]]}),
)


def dispatched_app() -> Flask:
    """Chariots, every request through Flask's dispatch."""
    app = chariots_app()
    app.fast_path = None  # type: ignore[attr-defined]  # as `fast_path=False` has it
    return app


def fastapi_app() -> Any:
    """FastAPI as its users write it for speed: a coroutine, which one process runs one after the other."""
    from fastapi import FastAPI
    from pydantic import BaseModel

    predict = Predictor()
    app = FastAPI()

    class Flowers(BaseModel):
        pipeline_input: list[list[float]]

    async def answer(flowers: Flowers) -> Any:
        return {"pipeline_output": predict(flowers.pipeline_input).tolist()}

    answer.__annotations__["flowers"] = Flowers  # the module's annotations are text, and the class is local
    app.post(PATH)(answer)
    return app


def plain_flask_app() -> Flask:
    """The model that the environment names in a view of its own."""
    from flask import Flask, jsonify, request

    predict = Predictor()
    app = Flask(__name__)
    app.post(PATH)(lambda: jsonify(pipeline_output=predict(request.get_json()["pipeline_input"]).tolist()))
    return app


def servers(call: Call = IRIS) -> list[Server]:
    """Those that run in the environment of the benchmarks, asked for one flower.

    Args:
        call: what each is asked.
    """
    python = sys.executable
    granian = (python, "-m", "granian", "--interface=wsgi", "--factory", "--host=127.0.0.1", "--port={port}")
    granian += ("--workers=1", f"--blocking-threads={THREADS}", "--log-level=error")
    gunicorn = (python, "-m", "gunicorn", "--workers=1", "--keep-alive=60", "--bind=127.0.0.1:{port}")
    uvicorn = (python, "-m", "uvicorn", "--factory", "--port={port}", "--log-level=error", "--no-access-log")
    litserve = (python, "-m", "benchmarks.serving_litserve", "{port}")
    made = {
        OURS: chariots_serve(f"{HERE}:chariots_app", threads=THREADS),
        DISPATCHED: chariots_serve(f"{HERE}:dispatched_app", threads=THREADS),
        GRANIAN: (*granian, f"{HERE}:chariots_app"),
        "Flask on gunicorn": (*gunicorn, "--threads=8", "--log-level=error", f"{HERE}:flask_app()"),
        "Flask on granian": (*granian, f"{HERE}:plain_flask_app"),
        "FastAPI": (*uvicorn, f"{HERE}:fastapi_app"),
        "LitServe, batching": litserve,
        "LitServe": (*litserve, "alone"),
    }
    return [Server(name, command, {name: call}) for name, command in made.items()]


def missing(server: Server) -> str | None:
    """Why a server cannot be started here; None where it can.

    Args:
        server: one of `servers`.
    """
    for package in ("granian", "uvicorn", "litserve"):
        if any(package in word for word in server.command) and importlib.util.find_spec(package) is None:
            return f"{package} is not installed"
    return None
