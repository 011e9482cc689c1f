"""Which backend will Keras use, and what if there is none?"""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from chariots.ml.serializers._base_serializer import not_installed

__all__ = ["choose_backend", "import_keras"]


def choose_backend() -> None:
    """Makes Keras use a backend that is installed, unless the user has chosen one.

    The choice of the environment variable ``KERAS_BACKEND`` stands, whatever it is; so does that of
    ``keras.json`` if it is installed. Keras would otherwise insist on TensorFlow. Nothing is imported.
    """
    if "KERAS_BACKEND" in os.environ or _installed(_configured()):
        return
    for backend in ("jax", "torch"):
        if _installed(backend):
            os.environ.setdefault("KERAS_BACKEND", backend)
            return


def import_keras(asked: str) -> Any:
    """Imports Keras.

    Args:
        asked: what needs it, for the message.

    Returns:
        the ``keras`` module.

    Raises:
        ImportError: if Keras, or the backend it is to use, is not installed.
    """
    choose_backend()
    try:
        import keras
    except ImportError as error:
        raise not_installed(asked, "keras with a backend", "keras", error) from error
    return keras


def _configured() -> str:
    """The backend that Keras' own configuration file names; Keras writes it with tensorflow by default."""
    home = os.environ.get("KERAS_HOME")
    path = (Path(home) if home else Path("~/.keras").expanduser()) / "keras.json"
    try:
        backend = json.loads(path.read_text(encoding="utf-8")).get("backend")
    except (OSError, ValueError, AttributeError):
        return "tensorflow"
    return backend if isinstance(backend, str) else "tensorflow"


def _installed(backend: str) -> bool:
    return backend.isidentifier() and importlib.util.find_spec(backend) is not None
