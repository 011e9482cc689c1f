"""Which input of a pipeline do tensors stand for, and which tensors its output?"""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np

from chariots.errors import UnknownNameError, nearest
from chariots.schema.places import printable
from chariots.serving.execution import OutputError
from chariots.serving.inputs import ABSENT
from chariots.serving.open_inference.requests import InferRequest
from chariots.serving.open_inference.tensors import Tensor, as_array, refusal

__all__ = ["INPUT", "OUTPUT", "SCALARS", "input_of", "outputs_of", "wanted_outputs"]

INPUT, OUTPUT = "pipeline_input", "pipeline_output"
SCALARS = (bool, int, float, str)


def input_of(request: InferRequest, hint: Any) -> Any:
    """Makes the input of a pipeline.

    Args:
        request: with its tensors.
        hint: what the pipeline declares.

    Returns:
        one array for one tensor, a data frame for several or where one is declared or asked for (a tensor is a column
        then), a single value or a dict of arrays where that is declared; `ABSENT` without tensors.

    Raises:
        InputError: if the tensors are no columns of one table where they have to be.
    """
    tensors = request.inputs
    if not tensors:
        return ABSENT
    kind = _kind(hint)
    first = tensors[0].array
    if kind == "object":
        return {tensor.name: tensor.array for tensor in tensors}
    if len(tensors) > 1 or kind == "frame" or "pd" in (request.content_type, tensors[0].content_type):
        return _frame(tensors)
    if kind == "scalar" and first.size == 1:
        return first.reshape(-1)[0] if first.dtype.hasobject else first.reshape(-1)[0].item()
    return first


def outputs_of(output: Any, name: str) -> list[Tensor]:
    """Makes the tensors of an output.

    Args:
        output: what a pipeline returned.
        name: the pipeline.

    Returns:
        a tensor for each column of a table, each member of a dict and each value of a tuple; one for everything else.

    Raises:
        OutputError: if it, or a part of it, is no array of numbers, booleans or text.
    """
    made: list[Tensor] = []
    for part, value in _parts(output):
        try:
            made.append(Tensor(part, as_array(value)))
        except TypeError as error:
            raise OutputError(f"pipeline {name!r} ran, but {part} cannot be sent as a tensor: {error}.") from error
    return made


def wanted_outputs(request: InferRequest, made: list[Tensor], name: str) -> list[tuple[Tensor, bool]]:
    """Chooses the outputs that a request wants, and whether each is wanted as binary data.

    Args:
        request: what is wanted.
        made: what there is.
        name: the pipeline.

    Raises:
        UnknownNameError: if one of them is not there.
    """
    if request.outputs is None:
        return [(tensor, request.binary) for tensor in made]
    known = {tensor.name: tensor for tensor in made}
    for wanted in request.outputs:
        if wanted not in known:
            names = ", ".join(map(repr, known))
            raise UnknownNameError(
                f"output {wanted!r} was asked for, which pipeline {name!r} does not have.{nearest(wanted, known)} "
                f"It has {names}."
            )
    return [(known[wanted], binary) for wanted, binary in request.outputs.items()]


def _kind(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    members = [member for member in typing.get_args(hint) if member is not type(None)]
    if type(None) in typing.get_args(hint) and len(members) == 1:
        hint = members[0]
    kind = typing.get_origin(hint) or hint
    if not isinstance(kind, type):
        return "array"
    pandas = sys.modules.get("pandas")
    if pandas is not None and issubclass(kind, pandas.DataFrame):
        return "frame"
    if issubclass(kind, SCALARS) or issubclass(kind, np.generic):
        return "scalar"
    if issubclass(kind, Mapping) or dataclasses.is_dataclass(kind) or hasattr(kind, "model_fields"):
        return "object"
    return "object" if typing.is_typeddict(kind) else "array"


def _frame(tensors: tuple[Tensor, ...]) -> Any:
    import pandas as pd

    rows = len(tensors[0].array) if tensors[0].array.ndim else 1
    for position, tensor in enumerate(tensors):
        if tensor.array.shape not in ((rows,), (rows, 1)):
            expected = f"[{rows}] or [{rows}, 1], for it is a column of a table"
            shape = str(list(tensor.array.shape))
            raise refusal("Send a tensor for each column.", ("inputs", position, "shape"), expected, shape)
    return pd.DataFrame({tensor.name: tensor.array.reshape(-1) for tensor in tensors})


def _parts(output: Any) -> list[tuple[str, Any]]:
    if isinstance(output, list) and output and all(isinstance(record, dict) for record in output):
        import pandas as pd

        output = pd.DataFrame(output)
    if hasattr(output, "columns") and hasattr(output, "iloc"):
        columns = list(output.columns)
        return [(printable(name), output.iloc[:, position]) for position, name in enumerate(columns)]
    if isinstance(output, Mapping):
        return [(printable(name), value) for name, value in output.items()]
    if isinstance(output, tuple):
        names = getattr(output, "_fields", None) or [f"{OUTPUT}_{position}" for position in range(len(output))]
        return list(zip(names, output, strict=True))
    return [(OUTPUT, output)]
