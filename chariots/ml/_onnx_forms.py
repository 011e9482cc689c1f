"""How does ONNX Runtime predict what a fitted scikit-learn model predicts? (extra ``onnx``)"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chariots.ml._numpy_forms import NoFormError, Rows, float32

__all__ = ["forms_of"]

_OPSETS = {"": 17, "ai.onnx.ml": 3}  # which have trees in float64, and which every ONNX Runtime since 1.12 knows
# Trees look at their input as float32, whatever it was; the thresholds are float64.
_LOOKS_AT_FLOAT32 = ("RandomForest", "ExtraTree", "DecisionTree", "GradientBoosting", "IsolationForest")


def forms_of(model: Any, method: str, width: int) -> Iterator[Callable[[Rows], Any]]:
    """The forms of a method, the most accurate first.

    Args:
        model: the fitted model.
        method: the name of the method.
        width: how many features it takes.

    Raises:
        NoFormError: if skl2onnx knows no such model or method, or is not installed.
    """
    try:
        import onnxruntime
        import skl2onnx
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    except ModuleNotFoundError as error:
        raise NoFormError(f"{error.name!r} is not installed; install it with: pip install 'chariots[onnx]'") from error
    options: dict[str, Any] = {}
    if hasattr(model, "classes_"):
        options["zipmap"] = False
        if method == "decision_function":
            options["raw_scores"] = True
    output = {"predict": 0, "transform": 0, "predict_proba": 1, "decision_function": 1}.get(method)
    if output is None:
        raise NoFormError(f"ONNX has nothing like {method}")
    rounding = type(model).__name__.startswith(_LOOKS_AT_FLOAT32)
    obstacle: Exception | None = None
    for kind, dtype in ((DoubleTensorType, np.float64), (FloatTensorType, np.float32)):
        try:
            converted = _converted(skl2onnx, model, [("rows", kind([None, width]))], options)
            session = _session(onnxruntime, converted.SerializeToString())
        except Exception as error:  # noqa: BLE001  # each converter and each operator refuses in its own way
            obstacle = error
            continue
        yield _Form(session, output, dtype, rounding)
    if obstacle is not None:
        told = " ".join(str(obstacle).split())[:300]
        raise NoFormError(f"skl2onnx cannot convert it ({type(obstacle).__name__}: {told})") from obstacle


class _Form:
    """One session of ONNX Runtime, which many threads may use at once."""

    def __init__(self, session: Any, output: int, dtype: Any, rounding: bool) -> None:
        outputs = session.get_outputs()
        if output >= len(outputs):
            raise NoFormError("its ONNX form has no such output")
        self._run = session.run
        self._outputs = [outputs[output].name]
        self._dtype, self._rounding = dtype, rounding

    def __call__(self, rows: Rows) -> Any:
        given = float32(rows) if self._rounding else rows
        return self._run(self._outputs, {"rows": given.astype(self._dtype, copy=False)})[0]


def _converted(skl2onnx: Any, model: Any, types: list[tuple[str, Any]], options: dict[str, Any]) -> Any:
    logger = logging.getLogger("skl2onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)  # it says of every model which of its options it did not look for
    try:
        return skl2onnx.convert_sklearn(
            model, initial_types=types, options={id(model): options} if options else None, target_opset=_OPSETS
        )
    finally:
        logger.setLevel(before)


def _session(onnxruntime: Any, converted: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the server has threads of its own; more of them here would get in their way
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(converted, options, providers=["CPUExecutionProvider"])
