"""Which tensors does a pipeline take and give, as far as can be told before it runs?"""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

import numpy as np

from chariots.pipelines.nodes import Node
from chariots.serving.open_inference.tensors import BYTES, DATATYPES
from chariots.serving.open_inference.values import INPUT, OUTPUT
from chariots.serving.outputs import output_hint, output_op

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.serving.served import ServedPipeline

__all__ = ["input_tensors", "output_tensors"]

UNKNOWN = -1
_USUAL = "FP64"  # the protocol wants a datatype where none is known as well
_NAMES = {dtype: name for name, dtype in DATATYPES.items()}
_SCALARS: dict[Any, str] = {bool: "BOOL", int: "INT64", float: "FP64", str: BYTES, bytes: BYTES}


def input_tensors(served: ServedPipeline) -> list[dict[str, Any]]:
    """Describes the input of a pipeline.

    Args:
        served: the pipeline.

    Returns:
        one tensor, or none where the pipeline takes no input. What is not known is -1, a datatype FP64.
    """
    if not served.inputs.takes_input:
        return []
    datatype, shape = _of_hint(served.inputs.hint)
    if not shape or shape == [UNKNOWN]:
        width = _width_of_input(served.current.pipeline)
        shape = shape or [UNKNOWN] if width is None else [UNKNOWN, width]
    return [_described(INPUT, datatype, shape)]


def output_tensors(served: ServedPipeline) -> list[dict[str, Any]]:
    """Describes the output of a pipeline.

    Args:
        served: the pipeline.

    Returns:
        one tensor; where there are several, that shows when the pipeline has run. What is not known is -1, a datatype
        FP64.
    """
    pipeline = served.current.pipeline
    datatype, shape = _of_hint(output_hint(pipeline))
    if not shape:
        datatype, shape = _of_model(output_op(pipeline))
    return [_described(OUTPUT, datatype, shape)]


def _described(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}


def _of_hint(hint: Any) -> tuple[str, list[int]]:
    """The datatype and the shape that a hint stands for; an empty shape where it says nothing."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _of_hint(arguments[0])
    members = [member for member in arguments if member is not type(None)]
    if type(None) in arguments and len(members) == 1:
        return _of_hint(members[0])
    if _is_scalar(hint):
        return _SCALARS[hint], [1]
    if isinstance(hint, type) and issubclass(hint, np.generic) and hint in np.sctypeDict.values():
        return _NAMES.get(np.dtype(hint), _USUAL), [1]
    if (origin or hint) is np.ndarray:
        element = typing.get_args(arguments[1]) if len(arguments) == 2 else ()
        known = np.dtype(element[0]) if element and element[0] in np.sctypeDict.values() else None
        return (BYTES if known is not None and known.kind in "US" else _NAMES.get(known, _USUAL)), [UNKNOWN]
    if origin is list and arguments:
        datatype, shape = _of_hint(arguments[0])
        return datatype, [UNKNOWN, *(shape if shape != [1] else [])]
    if origin is tuple and arguments and all(one is arguments[0] for one in arguments) and _is_scalar(arguments[0]):
        return _SCALARS[arguments[0]], [len(arguments)]
    return _USUAL, []


def _is_scalar(hint: Any) -> bool:
    return isinstance(hint, type) and hint in _SCALARS


def _width_of_input(pipeline: Pipeline) -> int | None:
    """How many columns the models take that read the input."""
    for node, _ in pipeline.nodes_reading_input:
        model = _model(node.op) if isinstance(node, Node) else None
        width = getattr(model, "n_features_in_", None)
        if isinstance(width, int):
            return width
    return None


def _of_model(op: Any) -> tuple[str, list[int]]:
    """What a fitted model of scikit-learn says about what comes out of it."""
    model, method = _model(op), getattr(op, "predict_function", None)
    method = getattr(method, "value", method)
    classes = getattr(model, "classes_", None)
    if method == "predict" and isinstance(classes, np.ndarray):
        return (BYTES if classes.dtype.kind in "OUS" else _NAMES.get(classes.dtype, _USUAL)), [UNKNOWN]
    if method in ("predict_proba", "predict_log_proba") and isinstance(classes, np.ndarray):
        return _USUAL, [UNKNOWN, len(classes)]
    if method == "transform" and hasattr(model, "get_feature_names_out"):
        return _USUAL, [UNKNOWN, len(model.get_feature_names_out())]
    return _USUAL, [UNKNOWN]


def _model(op: Any) -> Any:
    """The model of an op that has one, and has learned."""
    return getattr(op, "_model", None) if getattr(op, "is_ready", False) else None
