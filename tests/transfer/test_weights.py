"""Do the weights of an op count for its version, come once, and keep a server from saying that it is ready?"""

from __future__ import annotations

import json
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest

from chariots.errors import InputError, UnknownNameError
from chariots.pipelines import Pipeline, PipelinesServer
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.reporting import reporting_to
from chariots.pipelines.runners import SequentialRunner
from chariots.transfer import HttpResolution, Manifest, ModelRepo, Weights
from chariots.versioning import VersionType
from chariots.web.metrics import metrics
from tests.transfer.conftest import MEBIBYTE, eventually, files_in, pointer, served, some_bytes
from tests.transfer.hostile import Fault, HostileServer

BIG = some_bytes(9 * MEBIBYTE)


def op_with(weights: Weights) -> type[BaseOp]:
    class Measuring(BaseOp):
        model = weights

        def execute(self, name: str) -> int:
            return (self.model.path / name).stat().st_size

    return Measuring


def pipeline_with(op: type[BaseOp]) -> Pipeline:
    return Pipeline([Node(op(), ["__pipeline_input__"], "__pipeline_output__")], "measuring")


def manifest(**changed: Any) -> Manifest:
    told = {"url": "https://example.com/a", "name": "a.bin", "data": BIG, **changed}
    return Manifest((pointer(**told),))


def test_the_version_is_that_of_the_bytes() -> None:
    version = op_with(Weights(manifest())).__version__
    assert op_with(Weights(manifest(url="https://elsewhere.example.com/b"))).__version__ == version
    assert op_with(Weights(manifest(), download_dir="/elsewhere")).__version__ == version
    assert op_with(Weights(manifest(data=BIG + b"x"))).__version__.major != version.major
    assert op_with(Weights(manifest(name="b.bin"))).__version__.major != version.major
    patch = op_with(Weights(manifest(data=BIG + b"x"), VersionType.PATCH)).__version__
    assert patch.major == op_with(Weights(manifest(), VersionType.PATCH)).__version__.major


def test_the_files_come_when_they_are_needed_and_once(server: HostileServer, tmp_path: Path) -> None:
    path = tmp_path / "face.json"
    path.write_text(served(server, "a.bin", BIG).to_json())
    pipeline = pipeline_with(op_with(Weights(path)))
    assert server.asked == []
    assert [SequentialRunner().run(pipeline, "a.bin") for _ in range(2)] == [len(BIG)] * 2
    assert SequentialRunner().run(pipeline_with(op_with(Weights(path))), "a.bin") == len(BIG)
    assert server.bytes_sent() == len(BIG)
    assert list(files_in(tmp_path / "default").values()) == [BIG]


def test_they_go_where_they_are_told_to(server: HostileServer, tmp_path: Path) -> None:
    weights = Weights(served(server, "a.bin", BIG), download_dir=tmp_path / "here")
    assert weights.value.path == tmp_path / "here"
    assert pickle.loads(pickle.dumps(weights.value)).path == tmp_path / "here"
    assert files_in(tmp_path / "here") == {"a.bin": BIG}


def test_a_failure_is_told_and_the_next_who_asks_tries_again(server: HostileServer) -> None:
    files = Weights(served(server, "a.bin", BIG, faults=[Fault(status=404, first=1)])).value
    with pytest.raises(UnknownNameError):
        _ = files.path
    assert not files.is_there
    assert (files.path / "a.bin").read_bytes() == BIG
    assert files.is_there


def test_whoever_listens_hears_how_far_it_is(server: HostileServer) -> None:
    released = threading.Event()
    files = Weights(served(server, "a.bin", BIG, faults=[Fault(stall_after=1000, until=released, first=1)])).value
    heard: list[tuple[float, float | None, str]] = []

    def hear(*told: Any) -> None:
        heard.append(told)
        released.set()

    before = metrics().transfer_bytes._value.get()
    with reporting_to(hear):
        _ = files.path
    assert {(total, message) for _, total, message in heard} == {(len(BIG), "fetching weights")}
    assert [current for current, _, _ in heard] == sorted(current for current, _, _ in heard)
    assert metrics().transfer_bytes._value.get() - before == len(BIG)


def test_a_server_is_ready_when_the_weights_are_there(server: HostileServer) -> None:
    released = threading.Event()
    weights = Weights(served(server, "a.bin", BIG, faults=[Fault(stall_after=1000, until=released, first=1)]))
    app = PipelinesServer([pipeline_with(op_with(weights))], import_name="my_app")
    client = app.test_client()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "The weights of Measuring.model are not there yet" in answer.get_json()["detail"]
    assert client.get("/livez").status_code == 200
    eventually(lambda: f"of {len(BIG)} bytes are there" in client.get("/readyz").get_json()["detail"])
    released.set()
    eventually(lambda: client.get("/readyz").status_code == 200)
    answer = client.post("/pipelines/measuring/main", data=json.dumps({"pipeline_input": "a.bin"}))
    assert answer.get_json()["pipeline_output"] == len(BIG)


def test_a_server_says_why_weights_cannot_be_had(server: HostileServer) -> None:
    resource = server.put("/a.bin", BIG, faults=[Fault(status=403)])
    weights = Weights(Manifest((pointer(server.url("/a.bin"), "a.bin", BIG),)))
    client = PipelinesServer([pipeline_with(op_with(weights))], import_name="my_app").test_client()
    eventually(lambda: "/a.bin was answered with 403" in client.get("/readyz").get_json()["detail"])
    resource.faults.clear()
    eventually(lambda: client.get("/readyz").status_code == 200)


def test_a_manifest_that_does_not_name_every_file_is_no_version(tmp_path: Path) -> None:
    for wrong in (Manifest(), Manifest((), (ModelRepo("a/b"),))):
        with pytest.raises(InputError, match="name every file"):
            Weights(wrong)
    with pytest.raises(UnknownNameError):
        Weights(tmp_path / "none.json")
    assert isinstance(Weights(manifest()).value.manifest.pointers[0].resolution, HttpResolution)
