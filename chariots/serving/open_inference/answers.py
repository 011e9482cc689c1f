"""How is the output of a pipeline sent as tensors?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Response

from chariots import schema
from chariots.serving import execution
from chariots.serving.open_inference import tensors
from chariots.serving.open_inference.requests import LENGTH_HEADER

if TYPE_CHECKING:
    from chariots.serving.open_inference.tensors import Tensor

__all__ = ["answer"]


def answer(
    name: str, head: Mapping[str, Any], wanted: Iterable[tuple[Tensor, bool]], headers: Mapping[str, str]
) -> Response:
    """Answers an inference request.

    Args:
        name: the pipeline.
        head: the members of the answer beside its outputs.
        wanted: the outputs, and whether each is wanted as binary data.
        headers: further headers.

    Raises:
        OutputError: if an output cannot be sent in that way.
    """
    described: list[dict[str, Any]] = []
    binary: list[bytes] = []
    for tensor, is_binary in wanted:
        array = tensor.array
        entry: dict[str, Any] = {
            "name": tensor.name,
            "datatype": tensors.datatype_of(array),
            "shape": list(array.shape),
        }
        if is_binary:
            binary.append(tensors.to_bytes(array))
            entry["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            try:
                entry["data"] = tensors.to_json(array)
            except TypeError as error:
                raise execution.OutputError(
                    f"pipeline {name!r} ran, but {tensor.name} cannot be sent: {error}."
                ) from error
        described.append(entry)
    text = schema.dumps({**head, "outputs": described}, where="")
    if not binary:
        return Response(text, 200, headers, content_type="application/json")
    return Response(
        b"".join((text, *binary)),
        200,
        {**headers, LENGTH_HEADER: str(len(text))},
        content_type="application/octet-stream",
    )
