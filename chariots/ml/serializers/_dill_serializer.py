"""How does nearly any Python object travel between programs that trust each other?"""

from __future__ import annotations

from typing import Any

from chariots.ml.serializers._base_serializer import BaseSerializer

__all__ = ["DillSerializer"]


class DillSerializer(BaseSerializer):
    """Keeps nearly any object, lambdas and locally defined classes included, with the dill library.

    Reading such bytes can run any code that their author chose: read only what you, or someone you trust,
    wrote. The other serializers of this package do not have this risk.
    """

    format_name = "dill"

    def serialize_object(self, target: Any) -> bytes:
        """Turns any object into bytes.

        Raises:
            TypeError: if the object holds something that has no meaning elsewhere, such as a lock.
        """
        import dill

        data: bytes = dill.dumps(target)
        return data

    def deserialize_object(self, serialized_object: bytes) -> Any:
        """Turns bytes from a trusted source back into an object."""
        import dill

        return dill.loads(serialized_object)  # noqa: S301 - this is what the class is for, and says so
