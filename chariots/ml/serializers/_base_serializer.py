"""What turns an object into bytes and back?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

__all__ = ["BaseSerializer", "format_of", "no_arrays", "not_installed"]


class BaseSerializer(ABC):
    """Turns objects into bytes and back; the ``serializer_cls`` of an op is what its model travels by.

    A serializer of your own needs the two methods, and a ``format_name`` if its class may be renamed one day:

    >>> class TextSerializer(BaseSerializer):
    ...     format_name = "text"
    ...
    ...     def serialize_object(self, target):
    ...         return target.encode()
    ...
    ...     def deserialize_object(self, serialized_object):
    ...         return serialized_object.decode()
    >>> TextSerializer().serialize_object("four")
    b'four'
    """

    #: What saved ops record as their format; an op refuses bytes of another format than its serializer's. The
    #: name of the class where it is empty.
    format_name: ClassVar[str] = ""

    @abstractmethod
    def serialize_object(self, target: Any) -> bytes:
        """Turns an object into bytes.

        Args:
            target: the object; for an op with a model it is the model, not the op.

        Returns:
            the bytes.
        """

    @abstractmethod
    def deserialize_object(self, serialized_object: bytes) -> Any:
        """Turns bytes back into an object.

        Args:
            serialized_object: what `serialize_object` returned.

        Returns:
            the object.
        """


def format_of(serializer: type) -> str:
    """The name under which the format of a serializer class is recorded."""
    return getattr(serializer, "format_name", "") or serializer.__name__


def not_installed(asked: str, package: str, extra: str, error: ImportError) -> ImportError:
    """Words the exception for an optional package that is missing.

    Args:
        asked: what needs the package, as the subject of the sentence.
        package: the package that could not be imported.
        extra: the extra of chariots that brings it.
        error: the original exception.
    """
    return ImportError(
        f"{asked} needs {package}, which cannot be imported ({error}). Install it: pip install 'chariots[{extra}]'",
        name=package,
    )


def no_arrays(serializer: str, problem: str) -> TypeError:
    """Words the exception for an object that a serializer of arrays was not made for."""
    return TypeError(
        f"{serializer} was given {problem}. It keeps numpy arrays of numbers and nothing else; convert the "
        "model to arrays, or set another serializer_cls."
    )
