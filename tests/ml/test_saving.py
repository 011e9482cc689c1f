"""Do the bytes of an op bring it back, and nothing else?"""

from __future__ import annotations

import io
import json
import pickle
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest

from chariots.errors import ConflictError, NotLoadedError, StoreError
from chariots.ml import BaseMLOp, MLMode, UnreadableOpError
from chariots.ml._op_bytes import read_manifest
from chariots.ml.serializers import BaseSerializer, JSONSerializer, SkopsSerializer
from tests.ml.sample_ops import ARRAY, FRAME, SUPERVISED, TARGET, UNSUPERVISED, Centre, PCAOp


class JSONCentre(Centre):
    serializer_cls = JSONSerializer


class SkopsPCA(PCAOp):
    serializer_cls = SkopsSerializer


def trained(op_class: type[BaseMLOp]) -> BaseMLOp:
    op = op_class(MLMode.FIT)
    if issubclass(op_class, Centre):
        op.execute([1.0, 3.0])
    else:
        op.execute(*((FRAME, TARGET) if op_class in SUPERVISED else (FRAME,)))
    return op


def archive(model: bytes, meta: Any) -> bytes:
    """What chariots 0.2 wrote: the two members, deflated, and no format."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("model", model)
        members.writestr("_meta.json", meta if isinstance(meta, (str, bytes)) else json.dumps(meta))
    return buffer.getvalue()


@pytest.mark.parametrize("op_class", [*UNSUPERVISED, *SUPERVISED, Centre, JSONCentre, SkopsPCA])
def test_a_loaded_op_has_the_version_of_the_saved_one(op_class: type[BaseMLOp]) -> None:
    op, loaded = trained(op_class), op_class(MLMode.PREDICT)
    loaded.load(op.serialize())
    assert loaded.op_version == op.op_version
    assert str(loaded.op_version) == str(op.op_version)


@pytest.mark.parametrize("op_class", [*UNSUPERVISED, *SUPERVISED, Centre, JSONCentre, SkopsPCA])
def test_saving_twice_gives_the_same_bytes(op_class: type[BaseMLOp]) -> None:
    op = trained(op_class)
    assert op.serialize() == op.serialize()


def test_the_bytes_are_an_archive_of_the_model_and_its_training_time() -> None:
    op = trained(Centre)
    with zipfile.ZipFile(io.BytesIO(op.serialize())) as members:
        assert sorted(members.namelist()) == ["_meta.json", "model"]
        assert json.loads(members.read("_meta.json"))["train_time"] == op.op_version.creation_time


def test_the_manifest_tells_what_is_inside_without_building_it() -> None:
    manifest = read_manifest(trained(PCAOp).serialize())
    assert (manifest.op, manifest.format) == ("pcaop", "dill")
    assert manifest.model == "sklearn.decomposition._pca.PCA"


def test_an_untrained_op_cannot_be_saved_and_says_what_to_run() -> None:
    with pytest.raises(ConflictError, match=r"op 'pcaop' cannot be saved: .* Run the pipeline that trains it"):
        PCAOp(MLMode.FIT).serialize()


def test_an_sklearn_op_that_was_never_loaded_refuses_to_predict_and_says_what_to_do() -> None:
    with pytest.raises(NotLoadedError, match=r"op 'pcaop' .* is not fitted: .* then load this one"):
        PCAOp(MLMode.PREDICT).execute(ARRAY)


def test_an_archive_of_chariots_0_2_is_dill() -> None:
    fitted = PCAOp(MLMode.FIT)
    fitted.execute(ARRAY)
    model = fitted._model
    op = PCAOp(MLMode.PREDICT)
    op.load(archive(pickle.dumps(model), {"train_time": 1_560_000_000.5}))
    assert numpy.array_equal(op.execute(ARRAY), model.transform(ARRAY))
    assert op.op_version.creation_time == 1_560_000_000.5


def test_an_archive_of_chariots_0_2_in_the_format_of_the_op_can_be_loaded() -> None:
    op = JSONCentre(MLMode.PREDICT)
    op.load(archive(b'{"mean": 2.0}', {"train_time": 1.0}))
    assert op.execute([5.0]) == [3.0]


def test_dill_bytes_never_reach_dill_through_an_op_with_a_safe_format(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (tmp_path / "exploded").touch, ()

    payload = pickle.dumps(Bomb())
    for meta in ({"train_time": 1.0}, {"train_time": 1.0, "format": "skops"}):
        with pytest.raises(UnreadableOpError, match="skopspca"):
            SkopsPCA(MLMode.PREDICT).load(archive(payload, meta))
    assert not (tmp_path / "exploded").exists()


def test_an_op_refuses_bytes_in_another_format_than_its_own() -> None:
    with pytest.raises(UnreadableOpError, match="saved in the format 'dill', and its serializer_cls, Skops"):
        SkopsPCA(MLMode.PREDICT).load(trained(PCAOp).serialize())


def test_a_refused_load_leaves_the_op_as_it_was() -> None:
    op = trained(SkopsPCA)
    version = op.op_version
    with pytest.raises(UnreadableOpError):
        op.load(trained(PCAOp).serialize())
    assert op.op_version == version
    assert op.has_learned


def test_a_serializer_of_a_users_own_is_recorded_under_its_name() -> None:
    class Mine(BaseSerializer):
        def serialize_object(self, target: Any) -> bytes:
            return json.dumps(target).encode()

        def deserialize_object(self, serialized_object: bytes) -> Any:
            return json.loads(serialized_object)

    class MyCentre(Centre):
        serializer_cls = Mine

    data = trained(MyCentre).serialize()
    assert read_manifest(data).format == "Mine"
    op = MyCentre(MLMode.PREDICT)
    op.load(data)
    assert op.execute([5.0]) == [3.0]


@pytest.mark.parametrize("op_class", [PCAOp, SkopsPCA, JSONCentre])
def test_truncated_bytes_are_refused_with_the_name_of_the_op(op_class: type[BaseMLOp]) -> None:
    data = trained(op_class).serialize()
    for length in range(0, len(data), max(1, len(data) // 50)):
        with pytest.raises(UnreadableOpError, match=op_class.__name__.lower()):
            op_class(MLMode.PREDICT).load(data[:length])


def test_a_flipped_byte_in_the_model_is_refused() -> None:
    data = bytearray(trained(PCAOp).serialize())
    middle = len(data) // 2
    data[middle] ^= 0xFF
    with pytest.raises(UnreadableOpError, match="pcaop"):
        PCAOp(MLMode.PREDICT).load(bytes(data))


def test_what_is_refused_is_a_store_error_and_a_value_error() -> None:
    for kind in (StoreError, ValueError):
        with pytest.raises(kind, match="its 7 bytes are no intact archive"):
            PCAOp(MLMode.PREDICT).load(b"garbage")


@pytest.mark.parametrize(
    "meta",
    [
        "[]",
        "{",
        b"\xff",
        '{"train_time": "yesterday"}',
        '{"train_time": NaN}',
        '{"train_time": true}',
        '{"train_time": 1, "format": 3}',
        '{"train_time": 1, "manifest": 2}',
        '{"train_time": 1, "manifest": "new"}',
        " " * (2**20 + 1),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(meta: str | bytes) -> None:
    with pytest.raises(UnreadableOpError, match="centre"):
        Centre(MLMode.PREDICT).load(archive(b"", meta))


def test_a_model_whose_class_is_gone_is_refused_with_the_reason() -> None:
    gone = b"cno_such_module\nThing\n."
    with pytest.raises(UnreadableOpError, match=r"ModuleNotFoundError.*no_such_module"):
        Centre(MLMode.PREDICT).load(archive(gone, {"train_time": 1.0}))


def test_a_model_that_cannot_be_saved_names_the_op() -> None:
    class Locked(Centre):
        serializer_cls = JSONSerializer

        def fit(self, values: list[float]) -> None:
            self._model = {"lock": threading.Lock()}

    op = Locked(MLMode.FIT)
    op.execute([1.0])
    with pytest.raises(TypeError) as caught:
        op.serialize()
    assert any("op 'locked'" in note for note in caught.value.__notes__)


def test_predictions_are_not_disturbed_by_loading_another_op() -> None:
    one, other = trained(PCAOp), trained(PCAOp)
    data, expected = other.serialize(), one.predict(ARRAY)
    stop, wrong = threading.Event(), []

    def predict() -> None:
        while not stop.is_set():
            if not numpy.array_equal(one.predict(ARRAY), expected):
                wrong.append(one)

    threads = [threading.Thread(target=predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        PCAOp(MLMode.PREDICT).load(data)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not wrong


def test_a_prediction_uses_one_model_while_the_same_op_is_loaded_again_and_again() -> None:
    low, high = Centre(MLMode.FIT), Centre(MLMode.FIT)
    low.execute([0.0])
    high.execute([100.0])
    both = [low.serialize(), high.serialize()]
    op = Centre(MLMode.PREDICT)
    op.load(both[0])
    stop, seen = threading.Event(), set()

    def predict() -> None:
        while not stop.is_set():
            seen.add(op.predict([0.0])[0])

    threads = [threading.Thread(target=predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(200):
        op.load(both[turn % 2])
    stop.set()
    for thread in threads:
        thread.join(30)
    assert seen <= {0.0, -100.0}
