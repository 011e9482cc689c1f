"""What does an inference request ask for?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chariots import schema
from chariots.errors import MalformedRequestError
from chariots.schema.places import describe
from chariots.serving.open_inference.tensors import Tensor, dtype_named, from_bytes, from_json, refusal

__all__ = ["LENGTH_HEADER", "InferRequest", "read_request"]

LENGTH_HEADER = "Inference-Header-Content-Length"
_MOST_DIMENSIONS = 32


@dataclass(frozen=True, slots=True)
class InferRequest:
    """An inference request.

    Attributes:
        id: what the answer must repeat; None where the request has none.
        inputs: its tensors.
        outputs: for each output that is wanted, whether it is wanted as binary data; None for all of them.
        binary: whether outputs come as binary data where nothing else is said.
        content_type: how MLServer's clients say the inputs should be understood; None where they do not.
    """

    id: str | None
    inputs: tuple[Tensor, ...]
    outputs: Mapping[str, bool] | None
    binary: bool
    content_type: str | None


def read_request(body: bytes, header_length: str | None) -> InferRequest:
    """Reads an inference request: JSON, and binary data behind it.

    Args:
        body: all of it.
        header_length: how many bytes of it are JSON, as the header says; None for all.

    Raises:
        MalformedRequestError: if it is not JSON, or has another length.
        InputError: if anything is missing, or does not have the declared form.
    """
    end = _json_length(body, header_length)
    sent = _object(schema.loads(body[:end]), ())
    parameters = _object(sent.get("parameters"), ("parameters",))
    identity = sent.get("id")
    if identity is not None and not isinstance(identity, str):
        raise refusal("Correct it, or leave it out.", ("id",), "text", describe(identity))
    inputs = sent.get("inputs")
    if not isinstance(inputs, list):
        raise refusal("Send the tensors under 'inputs'.", ("inputs",), "a list of tensors", describe(inputs))
    binary = _flag(parameters, "binary_data_output", ("parameters",))
    return InferRequest(
        id=identity,
        inputs=_tensors(inputs, memoryview(body)[end:]),
        outputs=_outputs(sent.get("outputs"), binary),
        binary=binary,
        content_type=_text(parameters, "content_type"),
    )


def _json_length(body: bytes, header_length: str | None) -> int:
    if header_length is None:
        return len(body)
    text = header_length.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= len(body)):
        raise MalformedRequestError(
            f"The header {LENGTH_HEADER} should be the length of the JSON in a body of {len(body):,} bytes, not "
            f"{text[:40]!r}. Correct it."
        )
    return int(text)


def _tensors(sent: list[Any], binary: memoryview) -> tuple[Tensor, ...]:
    found: dict[str, Tensor] = {}
    at = 0
    for position, each in enumerate(sent):
        where: tuple[str | int, ...] = ("inputs", position)
        tensor = _object(each, where, "a tensor {name, shape, datatype, data}")
        parameters = _object(tensor.get("parameters"), (*where, "parameters"))
        name = _name(tensor, where)
        if name in found:
            raise refusal("Give each tensor a name of its own.", (*where, "name"), "a new name", repr(name))
        if "shared_memory_region" in parameters:
            raise refusal("Send the data itself.", (*where, "parameters"), "without shared memory", "a region of it")
        dtype = dtype_named(tensor.get("datatype"), (*where, "datatype"))
        shape = _shape(tensor.get("shape"), (*where, "shape"))
        size = parameters.get("binary_data_size")
        if size is None:
            array = from_json(tensor.get("data"), dtype, shape, (*where, "data"))
        else:
            if type(size) is not int or not 0 <= size <= len(binary) - at:
                expected = f"the size of its data, of which {len(binary) - at:,} bytes are left"
                raise refusal("Correct it.", (*where, "parameters", "binary_data_size"), expected, describe(size))
            array = from_bytes(binary[at : at + size], dtype, shape, where)
            at += size
        found[name] = Tensor(name, array, _text(parameters, "content_type"))
    if at != len(binary):
        raise refusal("Correct the sizes.", ("inputs",), f"tensors of {len(binary):,} binary bytes", f"of {at:,}")
    return tuple(found.values())


def _outputs(sent: Any, binary: bool) -> Mapping[str, bool] | None:
    if sent is None or sent == []:
        return None
    if not isinstance(sent, list):
        raise refusal("Leave it out to get all of them.", ("outputs",), "a list of outputs", describe(sent))
    found: dict[str, bool] = {}
    for position, each in enumerate(sent):
        where = ("outputs", position)
        output = _object(each, where, "an output {name}")
        parameters = _object(output.get("parameters"), (*where, "parameters"))
        for name in ("classification", "shared_memory_region"):
            if name in parameters:
                raise refusal("It is not supported here.", (*where, "parameters"), f"without {name!r}", "with it")
        found[_name(output, where)] = _flag(parameters, "binary_data", (*where, "parameters"), binary)
    return found


def _object(sent: Any, where: tuple[str | int, ...], expected: str = "an object") -> dict[str, Any]:
    if isinstance(sent, dict):
        return sent
    if sent is None and where and where[-1] == "parameters":
        return {}
    raise refusal("Correct it.", where or ("the request",), expected, describe(sent))


def _name(sent: Mapping[str, Any], where: tuple[str | int, ...]) -> str:
    name = sent.get("name")
    if isinstance(name, str) and name:
        return name
    raise refusal("Give it one.", (*where, "name"), "a name", describe(name))


def _shape(sent: Any, where: tuple[str | int, ...]) -> tuple[int, ...]:
    if isinstance(sent, list) and len(sent) <= _MOST_DIMENSIONS and all(type(one) is int and one >= 0 for one in sent):
        return tuple(sent)
    expected = f"a list of at most {_MOST_DIMENSIONS} lengths"
    raise refusal("Give the lengths that the data has.", where, expected, describe(sent))


def _flag(parameters: Mapping[str, Any], name: str, where: tuple[str | int, ...], default: bool = False) -> bool:
    value = parameters.get(name, default)
    if isinstance(value, bool):
        return value
    raise refusal("Correct it.", (*where, name), "true or false", describe(value))


def _text(parameters: Mapping[str, Any], name: str) -> str | None:
    value = parameters.get(name)
    return value if isinstance(value, str) else None
