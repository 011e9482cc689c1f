"""Is the code inside of hostile bytes never run, whatever the op store says about them?"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dill
import pytest
from sklearn.linear_model import LogisticRegression

from chariots.errors import ChariotsError, ConflictError, UntrustedError
from chariots.ml import MLMode
from chariots.ml.serializers import BaseSerializer, DillSerializer, SkopsSerializer
from chariots.ml.sklearn import SKSupervisedOp
from chariots.op_store import OpStoreServer, Trust
from chariots.op_store.savers import FileSaver
from chariots.op_store.trusting.keys import new_keys
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.serving import Chariots, PipelinesServer
from chariots.testing import TestPipelinesClient

PRIVATE, PUBLIC = new_keys("training")
INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"


class Rows(BaseOp):
    """The data to learn from."""

    def execute(self):
        return [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]


def classifier(serializer: type[BaseSerializer]) -> type[SKSupervisedOp]:
    """An op named ``classifier``, whose model travels by this serializer."""

    class Classifier(SKSupervisedOp):
        model_class = LogisticRegression
        serializer_cls = serializer

    return Classifier


def pipelines(serializer: type[BaseSerializer] = DillSerializer) -> tuple[Pipeline, Pipeline]:
    """One pipeline that trains the classifier, and one that predicts with it."""
    op = classifier(serializer)
    train = Pipeline([Node(Rows(), output_nodes=["x", "y"]), Node(op(MLMode.FIT), ["x", "y"])], "train")
    return train, Pipeline([Node(op(MLMode.PREDICT), [INPUT], OUTPUT)], "predict")


class Bomb:
    """Writes a file when it is unpickled; real ones do worse."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.marker,)


def hostile(marker: Path, form: str | None) -> bytes:
    """The bytes of an op whose model is such an object, in an archive that says it has this format."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("_meta.json", json.dumps({"train_time": 1.0, "format": form}))
        archive.writestr("model", dill.dumps(Bomb(marker)))
    return buffer.getvalue()


def server(folder: Path, serializer: type[BaseSerializer], trust: Trust | None) -> TestPipelinesClient:
    """A server of both pipelines on a folder."""
    return TestPipelinesClient(Chariots(pipelines(serializer), folder, trust=trust, import_name="app"))


def train_and_save(folder: Path, serializer: type[BaseSerializer], trust: Trust | None = None) -> None:
    """Leaves a good version of the classifier in the store."""
    client = server(folder, serializer, trust)
    client.call_pipeline("train")
    client.save_pipeline("train")


def slip_in(folder: Path, data: bytes, form: str | None) -> None:
    """Saves other bytes as the newest of the classifier, in the name of the same code, as somebody with access may."""
    store = OpStoreServer(FileSaver(str(folder / "ops")), f"sqlite:///{folder / 'db.sqlite'}").client()
    op = classifier(DillSerializer)(MLMode.PREDICT)
    described = pipelines()[1]
    from chariots.pipelines.questions import questions
    from chariots.pipelines.store import VersionRecord

    (node,) = [one for one in questions(described)[0] if one.name == op.name]
    record = VersionRecord(
        op=op.name,
        version=node.version,
        code_version=node.code_version,
        fields=node.fields,
        sha256=store.write_blob(data),
        size=len(data),
        format=form,
    )
    store.commit_save("train", op.name, [replace(record)], [])


def test_without_any_trust_such_bytes_do_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    train_and_save(tmp_path, DillSerializer)
    slip_in(tmp_path, hostile(marker, "dill"), "dill")
    server(tmp_path, DillSerializer, None).load_pipeline("predict")
    assert marker.exists(), "otherwise the tests below prove nothing"


@pytest.mark.parametrize("form", ["dill", "skops", None])
@pytest.mark.parametrize("claimed", ["dill", "skops", None])
def test_unsigned_bytes_do_not_run_where_a_key_is_configured(
    tmp_path: Path, form: str | None, claimed: str | None
) -> None:
    marker = tmp_path / "ran"
    train_and_save(tmp_path, DillSerializer, Trust(signing_key=PRIVATE))
    serving = server(tmp_path, DillSerializer, Trust(verify_keys=[PUBLIC]))
    serving.load_pipeline("predict")
    slip_in(tmp_path, hostile(marker, form), claimed)
    with pytest.raises(UntrustedError) as caught:
        serving.load_pipeline("predict")
    assert caught.value.status == 403
    assert serving.call_pipeline("predict", [[3.0]]).value == [1], "it goes on serving what it had"
    assert not marker.exists()


@pytest.mark.parametrize("form", ["dill", "skops", None])
@pytest.mark.parametrize("claimed", ["dill", "skops", None])
@pytest.mark.parametrize("serializer", [DillSerializer, SkopsSerializer])
def test_dill_does_not_run_where_only_skops_is_trusted(
    tmp_path: Path, serializer: type[BaseSerializer], form: str | None, claimed: str | None
) -> None:
    marker = tmp_path / "ran"
    slip_in(tmp_path, hostile(marker, form), claimed)
    serving = server(tmp_path, serializer, Trust(trusted_formats=["skops"]))
    with pytest.raises(ChariotsError):
        serving.load_pipeline("predict")
    assert not marker.exists()


def test_a_label_that_the_op_does_not_go_by_is_not_believed(tmp_path: Path) -> None:
    slip_in(tmp_path, hostile(tmp_path / "ran", None), "skops")
    with pytest.raises(ConflictError, match="in the format 'skops', and Classifier reads 'dill' only"):
        server(tmp_path, DillSerializer, Trust(trusted_formats=["skops", "dill"])).load_pipeline("predict")


def test_a_safe_format_is_saved_signed_and_loaded(tmp_path: Path) -> None:
    train_and_save(tmp_path, SkopsSerializer, Trust(signing_key=PRIVATE, trusted_formats=["skops"]))
    serving = server(tmp_path, SkopsSerializer, Trust(verify_keys=[PUBLIC], trusted_formats=["skops"]))
    serving.load_pipeline("predict")
    assert serving.call_pipeline("predict", [[0.0], [3.0]]).value == [0, 1]


def test_a_server_that_restarts_takes_nothing_that_it_does_not_trust(tmp_path: Path) -> None:
    train_and_save(tmp_path, DillSerializer)
    server(tmp_path, DillSerializer, None).load_pipeline("predict")
    restarted = server(tmp_path, DillSerializer, Trust(verify_keys=[PUBLIC]))
    assert not restarted.is_pipeline_loaded("predict")


class Threshold(LoadableOp):
    """An op of somebody's own, whose state is a number as text."""

    value = 0.5

    @property
    def bytes_format(self) -> str:
        return "threshold-text"

    @property
    def needs_loading(self) -> bool:
        return self.value == 0.5

    def execute(self, number: float) -> bool:
        return number > self.value

    def serialize(self) -> bytes:
        return str(self.value).encode()

    def load(self, serialized_object: bytes) -> None:
        self.value = float(serialized_object)


def test_an_op_of_ones_own_names_its_format(tmp_path: Path) -> None:
    op = Threshold()
    op.value = 2.0
    trust = Trust(trusted_formats=["threshold-text"])
    store = OpStoreServer(FileSaver(str(tmp_path / "ops")), f"sqlite:///{tmp_path / 'db.sqlite'}", trust=trust).client()
    Pipeline([Node(op, [INPUT], OUTPUT)], "judge").save(store)
    judge = Pipeline([Node(Threshold(), [INPUT], OUTPUT)], "judge")
    client = TestPipelinesClient(PipelinesServer([judge], op_store_client=store))
    client.load_pipeline("judge")
    assert client.call_pipeline("judge", 3.0).value is True
