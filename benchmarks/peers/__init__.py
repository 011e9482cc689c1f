"""Which other servers of models is chariots measured beside, and how is each asked for the same?

Each has an environment of its own, which ``tools/peers/install.sh`` makes, since they do not agree on what they need.
A program here starts one, with the models of `benchmarks.models`: ``python -m benchmarks.peers.mlserver_iris PORT``.
Where a server can run requests together, it serves the model twice, with that and without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.models import FLOWERS
from benchmarks.servers import ROOT, Call, Server, as_json

__all__ = ["NAMES", "absent", "alone", "asked_for", "is_installed", "peers", "python_of"]

NAMES = ("bentoml", "mlserver", "mlflow", "ray")
FOLDER = ROOT / ".bench-venv" / "peers"


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment.

    Args:
        name: one of `NAMES`.
    """
    return FOLDER / name / "bin" / "python"


def is_installed(name: str) -> bool:
    """Whether a peer is there as a whole.

    Args:
        name: one of `NAMES`.
    """
    return (FOLDER / name / ".installed").exists()


def absent() -> dict[str, str]:
    """Says of each peer that cannot be measured why not."""
    reasons = {name: "not installed; `make bench` does it" for name in NAMES if not is_installed(name)}
    for name in NAMES:
        failed = FOLDER / f"{name}.failed"
        if name in reasons and failed.exists():
            reasons[name] = f"could not be installed: {failed.read_text().strip()[:200]}"
    return {_TITLES[name]: reason for name, reason in reasons.items()}


def peers() -> list[Server]:
    """Those that are installed, asked for one flower: with batching where they have it, and without."""
    return [_server(name, _CALLS[name]) for name in NAMES if is_installed(name)]


def alone() -> list[Server]:
    """Those that are installed, asked for one flower without batching."""
    return [_server(name, {_TITLES[name]: _CALLS[name][_TITLES[name]]}) for name in NAMES if is_installed(name)]


def asked_for(rows: list[list[float]], expected: str) -> list[Server]:
    """Those that are installed, asked for many rows at once, without batching.

    Args:
        rows: the input.
        expected: what every right answer has in it.
    """
    found = []
    for name in NAMES:
        if is_installed(name):
            call = _CALLS[name][_TITLES[name]]
            found.append(_server(name, {_TITLES[name]: Call(call.path, _BODIES[name](rows), expected)}))
    return found


def _server(name: str, calls: Mapping[str, Call]) -> Server:
    command = (str(python_of(name)), "-m", f"benchmarks.peers.{name}_iris", "{port}")
    # Nothing of our own environment; what each would say about itself to its makers is not sent.
    quiet = {"BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return Server(_TITLES[name], command, calls, {"PYTHONPATH": str(ROOT), **quiet})


def _open_inference(rows: list[list[float]]) -> str:
    """The protocol that MLServer shares with Triton and KServe."""
    flat = [number for row in rows for number in row]
    tensor = {"name": "flowers", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": flat}
    return as_json({"inputs": [tensor]})


_TITLES = {"bentoml": "BentoML", "mlserver": "MLServer", "mlflow": "MLflow", "ray": "Ray Serve"}
_BODIES: dict[str, Callable[[list[list[float]]], str]] = {
    "bentoml": lambda rows: as_json({"flowers": rows}),
    "mlserver": _open_inference,
    "mlflow": lambda rows: as_json({"inputs": rows}),
    "ray": as_json,
}


def _call(name: str, path: str, expected: str) -> Call:
    return Call(path, _BODIES[name](FLOWERS), expected, _BODIES[name]([FLOWERS[0][:3]]))


_CALLS = {
    "bentoml": {
        "BentoML, batching": _call("bentoml", "/batched", "[0]"),
        "BentoML": _call("bentoml", "/alone", "[0]"),
    },
    "mlserver": {
        "MLServer, batching": _call("mlserver", "/v2/models/batched/infer", '"data":[0]'),
        "MLServer": _call("mlserver", "/v2/models/alone/infer", '"data":[0]'),
    },
    "mlflow": {"MLflow": _call("mlflow", "/invocations", '"predictions": [0]')},
    "ray": {"Ray Serve, batching": _call("ray", "/batched", "[0]"), "Ray Serve": _call("ray", "/alone", "[0]")},
}
