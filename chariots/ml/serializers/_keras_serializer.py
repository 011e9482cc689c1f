"""How does a Keras model travel, in the format of Keras itself?"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from chariots.ml._keras_backend import import_keras
from chariots.ml.serializers._base_serializer import BaseSerializer
from chariots.ml.serializers._steady_zip import steady_zip

__all__ = ["KerasSerializer"]


class KerasSerializer(BaseSerializer):
    """Keeps Keras models in the native ``.keras`` format, which every backend of Keras reads.

    Layers that hold Python code of their own (``Lambda`` around a lambda) are refused when loading. Classes
    of your own must be registered with ``keras.saving.register_keras_serializable`` where the model is
    loaded.
    """

    format_name = "keras"

    #: Whether Keras refuses to build code from the file. Turn it off in a subclass only for files you trust.
    safe_mode: ClassVar[bool] = True

    def serialize_object(self, target: Any) -> bytes:
        """Turns a Keras model into bytes, the state of its optimizer included.

        Raises:
            TypeError: if it is not a Keras model.
            ImportError: if Keras is not installed.
        """
        keras = import_keras("KerasSerializer")
        if not isinstance(target, keras.Model):
            raise TypeError(
                f"KerasSerializer keeps Keras models, not a {type(target).__name__}; return a keras.Model "
                "from _init_model, or set another serializer_cls"
            )
        # mkdtemp makes a directory that only this user may enter (0700).
        with tempfile.TemporaryDirectory(prefix="chariots-") as directory:
            path = Path(directory) / "model.keras"
            target.save(path)
            return steady_zip(path.read_bytes(), _undated, first="metadata.json")

    def deserialize_object(self, serialized_object: bytes) -> Any:
        """Turns bytes back into a compiled Keras model.

        Raises:
            ValueError: if the bytes are no Keras model, or one that safe mode refuses.
            ImportError: if Keras is not installed.
        """
        keras = import_keras("KerasSerializer")
        with tempfile.TemporaryDirectory(prefix="chariots-") as directory:
            path = Path(directory) / "model.keras"
            path.write_bytes(serialized_object)
            return keras.saving.load_model(path, safe_mode=self.safe_mode)


def _undated(name: str, content: bytes) -> tuple[str, bytes]:
    """Leaves the time of saving out of the metadata: equal models give equal bytes."""
    if name != "metadata.json":
        return name, content
    metadata = json.loads(content)
    metadata["date_saved"] = ""
    return name, json.dumps(metadata).encode()
