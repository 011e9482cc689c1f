"""How does an object travel as JSON, for anything that reads JSON?"""

from __future__ import annotations

from typing import Any

from chariots.ml.serializers._base_serializer import BaseSerializer
from chariots.schema import dumps, loads

__all__ = ["JSONSerializer"]


class JSONSerializer(BaseSerializer):
    """Keeps what JSON can say: numbers, text, lists and dictionaries with text keys.

    Richer values are written in the nearest JSON form and come back in that form: an array, a tuple or a set
    as a list, a data frame as a list of records, a date as ISO 8601 text, NaN and infinity as None.
    """

    format_name = "json"

    def serialize_object(self, target: Any) -> bytes:
        """Turns an object into JSON text (UTF-8).

        Raises:
            TypeError: if some part of the object has no form in JSON; the message says which.
        """
        return dumps(target, where="model")

    def deserialize_object(self, serialized_object: bytes) -> Any:
        """Turns JSON text back into numbers, text, lists and dictionaries.

        Raises:
            MalformedRequestError: if it is no JSON (a ValueError).
        """
        return loads(serialized_object)
