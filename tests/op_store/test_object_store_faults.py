"""What happens to a save and a load while an object store fails, is slow, is full or is gone?"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from chariots.errors import DamagedError, StoreFullError, StoreUnavailableError
from chariots.op_store import OpStoreClient, OpStoreServer
from chariots.op_store.blobs import blob_path
from chariots.op_store.savers import ObjectStoreSaver
from chariots.transfer import ordered_download
from chariots.web import deadline
from tests.faulty_proxy import Fault, FaultyProxy, Request, faulty_proxy
from tests.object_stores import KINDS, ObjectStores, make_bucket, open_saver
from tests.op_store.support import serving, version

MIB = 2**20
LARGE = 20 * MIB  # more than one request carries
FURTHER = 32 * MIB  # more than two connections fetch before somebody uses it
PASSING = {
    "500": Fault(status=500),
    "503": Fault(status=503, code="SlowDown"),
    "reset": Fault(reset=True),
    "answer lost": Fault(after=0),
}
"""What goes away by itself."""
CASES = [*((kind, "500") for kind in KINDS), *(("s3", name) for name in PASSING if name != "500")]
"""The savers share what they do about it, so that one service stands for all where the fault is the same for all."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of object store, one after the other."""
    return str(request.param)


@pytest.fixture
def bucket(kind: str, object_stores: ObjectStores) -> str:
    """A bucket that no other test uses."""
    return make_bucket(kind, object_stores.url(kind))


@pytest.fixture
def direct(kind: str, bucket: str, object_stores: ObjectStores) -> ObjectStoreSaver:
    """A saver that goes round the proxy."""
    return open_saver(kind, object_stores.url(kind), bucket)


@pytest.fixture
def proxy(kind: str, object_stores: ObjectStores) -> Iterator[FaultyProxy]:
    """What stands between the saver and the server."""
    with faulty_proxy(object_stores.url(kind)) as proxy:
        yield proxy


@pytest.fixture
def saver(kind: str, bucket: str, proxy: FaultyProxy) -> ObjectStoreSaver:
    """A saver that goes through the proxy."""
    return open_saver(kind, proxy.url, bucket)


def impatient(kind: str, bucket: str, proxy: FaultyProxy) -> ObjectStoreSaver:
    """A saver that goes through the proxy and gives up soon."""
    return open_saver(kind, proxy.url, bucket, deadline=0.4)


@cache
def data(size: int = LARGE) -> bytes:
    """So many bytes that do not repeat."""
    return random.Random(size).randbytes(size)


def in_pieces(whole: bytes) -> Iterator[bytes]:
    """Bytes in pieces of a MiB."""
    for start in range(0, len(whole), MIB):
        yield whole[start : start + MIB]


def is_part(request: Request) -> bool:
    """Whether a request carries a part of an upload."""
    return request.method == "PUT" and int(request.headers.get("content-length", 0)) >= MIB


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_load_goes_on_when_a_fault_has_passed(saver: ObjectStoreSaver, proxy: FaultyProxy, name: str) -> None:
    saver.save(b"model", "m")
    proxy.plan.extend([PASSING[name]] * 2)
    assert saver.load("m") == b"model"


@pytest.mark.parametrize(("kind", "name"), [(kind, "500") for kind in KINDS])
def test_a_save_goes_on_when_a_fault_has_passed(saver: ObjectStoreSaver, proxy: FaultyProxy, name: str) -> None:
    proxy.plan.extend([PASSING[name]] * 2)
    saver.save(b"model", "m")
    assert saver.load("m") == b"model"


@pytest.mark.parametrize(("kind", "name"), [*CASES, ("google", "answer lost"), ("azure", "answer lost")])
def test_bytes_are_kept_once_when_a_fault_has_passed(saver: ObjectStoreSaver, proxy: FaultyProxy, name: str) -> None:
    proxy.plan.extend([PASSING[name]] * 2)
    created = saver.create_stream(iter((b"model",)), "m")
    assert created is (name != "answer lost")
    assert saver.load("m") == b"model"


@pytest.mark.parametrize(("kind", "name"), [*((kind, "500") for kind in KINDS), ("s3", "answer lost")])
def test_an_upload_goes_on_when_a_fault_of_a_part_has_passed(
    saver: ObjectStoreSaver, proxy: FaultyProxy, name: str
) -> None:
    proxy.strikes = is_part
    proxy.plan.extend([PASSING[name]] * 3)
    whole = data()
    assert saver.create_stream(in_pieces(whole), "m") is True
    assert not proxy.plan
    assert saver.load("m") == whole


@pytest.mark.parametrize(("kind", "size"), [("s3", MIB), *((kind, LARGE) for kind in KINDS)])
def test_a_body_that_breaks_off_is_fetched_again(
    saver: ObjectStoreSaver, direct: ObjectStoreSaver, proxy: FaultyProxy, size: int
) -> None:
    whole = data(size)
    direct.save(whole, "m")
    proxy.plan.extend([Fault(after=1), None, Fault(after=500_000)])
    assert saver.load("m") == whole


@pytest.mark.parametrize("kind", ["s3"])
def test_a_body_that_stops_is_fetched_again(
    kind: str, bucket: str, direct: ObjectStoreSaver, proxy: FaultyProxy
) -> None:
    direct.save(data(MIB), "m")
    proxy.plan.append(Fault(stall=1000))
    assert open_saver(kind, proxy.url, bucket, deadline=2.0).load("m") == data(MIB)


def test_an_object_replaced_while_it_is_read_is_never_mixed(
    saver: ObjectStoreSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered_download, "_MOST", 2)  # with more, more is fetched before somebody uses it
    whole = data(FURTHER)
    saver.save(whole, "m")
    pieces = saver.load_stream("m")
    found = bytearray(next(pieces))
    saver.save(bytes(FURTHER), "m")
    with pytest.raises(StoreUnavailableError, match=r"'models/m'.*it was replaced meanwhile"):
        for piece in pieces:
            found += piece
    assert found == whole[: len(found)]


LASTING = {"500": Fault(status=500), "reset": Fault(reset=True), "no answer": Fault(silent=True)}
"""What does not go away before the deadline."""


@pytest.mark.parametrize(("kind", "name"), [*((kind, "500") for kind in KINDS), ("s3", "reset"), ("s3", "no answer")])
def test_after_the_deadline_it_is_said_what_was_tried(kind: str, bucket: str, proxy: FaultyProxy, name: str) -> None:
    saver = impatient(kind, bucket, proxy)
    proxy.always = LASTING[name]
    with pytest.raises(StoreUnavailableError) as caught:
        saver.load("m")
    assert "the object 'models/m'" in caught.value.detail
    assert bucket in caught.value.detail
    assert "attempt" in caught.value.detail
    assert "nothing was changed" in caught.value.detail
    for use in (lambda: saver.save(b"model", "m"), lambda: list(saver.list()), saver.check):
        with pytest.raises(StoreUnavailableError):
            use()


@pytest.mark.parametrize("kind", ["s3"])
def test_what_will_not_pass_is_not_tried_again(saver: ObjectStoreSaver, proxy: FaultyProxy) -> None:
    proxy.always = Fault(status=400, code="BadRequest")
    with pytest.raises(StoreUnavailableError, match="BadRequest"):
        saver.load("m")
    assert len(proxy.requests) == 1


def test_an_upload_that_fails_leaves_nothing_to_be_seen(
    kind: str, bucket: str, direct: ObjectStoreSaver, proxy: FaultyProxy
) -> None:
    proxy.strikes = is_part
    proxy.always = Fault(status=500)
    with pytest.raises(StoreUnavailableError, match="writing"):
        impatient(kind, bucket, proxy).create_stream(in_pieces(data()), "m")
    assert list(direct.list()) == []


@pytest.mark.parametrize("kind", ["azure"])
def test_a_copy_that_was_only_promised_is_not_taken_for_one(
    saver: ObjectStoreSaver, proxy: FaultyProxy, direct: ObjectStoreSaver
) -> None:
    proxy.strikes = lambda request: "x-ms-copy-source" in request.headers
    proxy.always = Fault(status=202)
    with pytest.raises(StoreUnavailableError, match="has not copied it whole; save it again"):
        saver.create_stream(in_pieces(data()), "m")
    assert list(direct.list()) == []


@pytest.mark.parametrize("kind", ["s3"])
def test_a_race_that_the_service_has_not_decided_is_asked_about_again(
    saver: ObjectStoreSaver, proxy: FaultyProxy
) -> None:
    proxy.plan.extend([Fault(status=409, code="ConditionalRequestConflict")] * 2)
    assert saver.create_stream(iter((b"model",)), "m") is True
    assert saver.load("m") == b"model"


@pytest.mark.parametrize("kind", ["s3"])
def test_a_server_that_is_gone_is_unavailable(kind: str) -> None:
    with pytest.raises(StoreUnavailableError, match=r"attempts in \d.* refused"):
        open_saver(kind, "http://127.0.0.1:9/account", "ops", deadline=0.4).load("m")


@pytest.mark.parametrize("kind", ["s3"])
def test_a_full_service_is_said_to_be_full(kind: str, bucket: str, proxy: FaultyProxy) -> None:
    proxy.always = Fault(status=507, code="XMinioStorageFull")
    with pytest.raises(StoreFullError, match="no room"):
        impatient(kind, bucket, proxy).save(b"model", "m")


def test_a_list_of_several_pages_goes_on_where_a_fault_broke_it_off(object_stores: ObjectStores) -> None:
    url = object_stores.url("s3")
    bucket = make_bucket("s3", url)
    names = [f"{number:04}" for number in range(1_002)]
    with faulty_proxy(url) as proxy:
        saver = open_saver("s3", proxy.url, bucket)
        for name in names:
            saver.save(b"", name)
        proxy.plan.extend([None, Fault(status=503), Fault(reset=True)])
        assert [kept.path for kept in saver.list()] == names


@pytest.mark.parametrize("kind", ["s3"])
def test_the_deadline_of_whoever_reads_ends_the_attempts_for_each_piece(
    kind: str, bucket: str, direct: ObjectStoreSaver, proxy: FaultyProxy
) -> None:
    direct.save(data(), "m")
    proxy.strikes = lambda request: not request.headers.get("range", "bytes=0-").startswith("bytes=0-")
    proxy.always = Fault(status=503)
    found = 0
    with deadline.scope(0.5), pytest.raises(StoreUnavailableError, match="'models/m'"):
        for piece in open_saver(kind, proxy.url, bucket, deadline=3600).load_stream("m"):
            found += len(piece)
    assert found == 8 * MIB


# The op store on top of them.


@pytest.fixture
def store(saver: ObjectStoreSaver, tmp_path: Path) -> OpStoreServer:
    """A store that keeps its bytes behind the proxy."""
    return OpStoreServer(saver, f"sqlite:///{tmp_path / 'db.sqlite'}")


def test_ops_are_saved_and_loaded_through_a_server(store: OpStoreServer) -> None:
    small, large = b"model", data()
    with serving(store) as url:
        client = OpStoreClient(url)
        client.save_op_bytes("small", version("a"), small)
        client.save_op_bytes("large", version("a"), large)
        assert client.get_op_bytes_for_version("small", version("a")) == small
        assert client.get_op_bytes_for_version("large", version("a")) == large


@pytest.mark.parametrize("kind", ["s3"])
def test_bytes_that_are_there_are_not_sent_again(store: OpStoreServer, proxy: FaultyProxy) -> None:
    store.client().save_op_bytes("forest", version("a"), b"model")
    proxy.forget()
    store.registry.blobs.put(hashlib.sha256(b"model").hexdigest(), (b"model",))
    assert [request.method for request in proxy.requests if request.method not in ("GET", "HEAD")] == []


@pytest.mark.parametrize("kind", ["s3"])
def test_bytes_that_somebody_else_keeps_meanwhile_are_kept(store: OpStoreServer, direct: ObjectStoreSaver) -> None:
    sha256 = hashlib.sha256(b"model").hexdigest()

    def slow() -> Iterator[bytes]:
        yield b"mo"
        direct.save(b"model", blob_path(sha256))
        yield b"del"

    store.registry.blobs.put(sha256, slow())
    assert store.registry.blobs.read(sha256) == b"model"


@pytest.mark.parametrize("kind", ["s3"])
def test_damage_in_the_bucket_is_found_and_mended(store: OpStoreServer, direct: ObjectStoreSaver) -> None:
    client = store.client()
    client.save_op_bytes("forest", version("a"), b"model")
    direct.save(b"mode1", blob_path(hashlib.sha256(b"model").hexdigest()))
    with pytest.raises(DamagedError, match="'forest' version number 1"):
        client.get_op_bytes_for_version("forest", version("a"))
    client.save_op_bytes("forest", version("a"), b"model")
    assert client.get_op_bytes_for_version("forest", version("a")) == b"model"


@pytest.mark.parametrize("kind", ["s3"])
def test_a_server_is_not_ready_while_its_bucket_is_gone(
    kind: str, bucket: str, proxy: FaultyProxy, tmp_path: Path
) -> None:
    store = OpStoreServer(impatient(kind, bucket, proxy), f"sqlite:///{tmp_path / 'db.sqlite'}")
    application = store.flask.test_client()
    assert application.get("/readyz").status_code == 200
    proxy.always = Fault(status=503)
    answer = application.get("/readyz")
    assert answer.status_code == 503
    assert bucket in answer.json["detail"]
    saved = application.put(f"/v2/blobs/{hashlib.sha256(b'model').hexdigest()}", data=b"model")
    assert saved.status_code == 503
    assert "attempt" in saved.json["detail"]
    assert application.get("/livez").status_code == 200
    proxy.forget()
    assert application.get("/readyz").status_code == 200


@pytest.mark.parametrize("kind", ["s3"])
def test_the_deadline_of_a_request_ends_the_attempts(
    kind: str, bucket: str, proxy: FaultyProxy, tmp_path: Path
) -> None:
    patient = open_saver(kind, proxy.url, bucket, deadline=3600)
    application = OpStoreServer(patient, f"sqlite:///{tmp_path / 'db.sqlite'}").flask.test_client()
    proxy.always = Fault(status=503)
    answer = application.get(f"/v2/blobs/{'0' * 64}", headers={"X-Request-Deadline": "0.5"})
    assert answer.status_code == 503
