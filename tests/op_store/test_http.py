"""What do the routes of chariots 0.2 and the raw routes answer, right and wrong? (over a real socket)"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from chariots.op_store import OpStoreServer
from tests.op_store.support import blob_files, count_rows, version

FIRST = str(version("a"))
SHA = hashlib.sha256(b"model").hexdigest()


class Caller:
    """Sends requests as any HTTP client may."""

    def __init__(self, url: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Returns status and body, decoded where it is JSON."""
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        data = answer.read()
        is_json = "json" in (answer.headers["Content-Type"] or "")
        return answer.status, json.loads(data) if is_json else data

    def post(self, path: str, body: object) -> tuple[int, Any]:
        """Posts JSON."""
        return self.send("POST", path, json.dumps(body), **{"Content-Type": "application/json"})


@pytest.fixture
def caller(url: str) -> Iterator[Caller]:
    """A caller of the store."""
    made = Caller(url)
    yield made
    made.connection.close()


def test_versions_of_an_unknown_op_are_null(caller: Caller) -> None:
    assert caller.post("/v1/get_all_versions_of_op", {"desired_op_name": "pca"}) == (200, None)


def test_bytes_are_saved_and_read_as_base64(caller: Caller) -> None:
    saved = {"op_name": "pca", "version": FIRST, "bytes": base64.b64encode(b"model").decode()}
    assert caller.post("/v1/save_op_bytes", saved) == (200, {})
    asked = {"desired_op_name": "pca", "version": FIRST}
    assert caller.post("/v1/get_op_bytes_for_version", asked) == (
        200,
        {"op_name": "pca", "op_version": FIRST, "bytes": saved["bytes"]},
    )
    assert caller.post("/v1/get_all_versions_of_op", {"desired_op_name": "pca"}) == (
        200,
        {"op_name": "pca", "all_versions": [FIRST]},
    )


def test_a_link_is_registered_and_read(caller: Caller) -> None:
    pair = {"downstream_op_name": "forest", "upstream_op_name": "pca"}
    assert caller.post("/v1/get_validated_links", pair) == (200, None)
    assert caller.post("/v1/register_valid_link", {**pair, "upstream_op_version": FIRST}) == (200, {})
    assert caller.post("/v1/get_validated_links", pair) == (200, {**pair, "upstream_versions": [FIRST]})


def test_a_link_may_have_null_for_its_downstream_op(caller: Caller) -> None:
    link = {"downstream_op_name": None, "upstream_op_name": "pca", "upstream_op_version": FIRST}
    assert caller.post("/v1/register_valid_link", link) == (200, {})


def test_a_pipeline_is_registered(caller: Caller) -> None:
    assert caller.post("/v1/pipeline_exists", {"pipeline_name": "train"}) == (200, {"exists": False})
    registered = caller.post("/v1/register_new_pipeline", {"pipeline_name": "train", "last_op_name": "pca"})
    assert registered == (200, {})
    assert caller.post("/v1/pipeline_exists", {"pipeline_name": "train"}) == (200, {"exists": True})


REQUESTS: dict[str, dict[str, object]] = {
    "/v1/get_all_versions_of_op": {"desired_op_name": "pca"},
    "/v1/get_validated_links": {"downstream_op_name": "forest", "upstream_op_name": "pca"},
    "/v1/get_op_bytes_for_version": {"desired_op_name": "pca", "version": FIRST},
    "/v1/save_op_bytes": {"op_name": "pca", "version": FIRST, "bytes": ""},
    "/v1/register_valid_link": {
        "downstream_op_name": "forest",
        "upstream_op_name": "pca",
        "upstream_op_version": FIRST,
    },
    "/v1/pipeline_exists": {"pipeline_name": "train"},
    "/v1/register_new_pipeline": {"pipeline_name": "train", "last_op_name": "pca"},
    "/v2/resolve": {"pipeline": "p", "nodes": [], "edges": []},
    "/v2/saves": {"pipeline": "p", "last_op": "pca", "versions": [], "links": []},
    "/v2/saves/attempt": {"key": "job"},
    "/v2/versions": {"op": "pca", "version": FIRST},
    "/v2/versions/find": {"op": "pca", "version": FIRST},
    "/v2/deployments": {"pipeline": "p", "versions": {}},
    "/v2/deployments/last": {"pipeline": "p"},
    "/v2/blobs": {"bytes": ""},
    "/v2/blobs/read": {"sha256": SHA},
    "/v2/blobs/check": {"sha256": SHA},
}
FIELDS = [(route, field) for route, request in REQUESTS.items() for field in request]


@pytest.mark.parametrize(("route", "field"), FIELDS)
def test_a_missing_field_is_named(caller: Caller, route: str, field: str) -> None:
    request = {name: value for name, value in REQUESTS[route].items() if name != field}
    status, problem = caller.post(route, request)
    assert status == 422
    assert problem["errors"][0]["loc"] == [field]
    assert field in problem["detail"]


@pytest.mark.parametrize(("route", "field"), FIELDS)
def test_a_field_of_the_wrong_kind_is_named(caller: Caller, route: str, field: str) -> None:
    status, problem = caller.post(route, {**REQUESTS[route], field: 3.5})
    assert status == 422
    assert problem["errors"][0]["loc"] == [field]


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"3", b'"x"'])
def test_a_body_that_is_no_object_is_refused(caller: Caller, body: bytes) -> None:
    for route in REQUESTS:
        assert caller.send("POST", route, body)[0] == 422


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_json_is_refused(caller: Caller, body: bytes) -> None:
    for route in REQUESTS:
        assert caller.send("POST", route, body)[0] == 400


@pytest.mark.parametrize(
    "text",
    ["", "x", "da39a.da39a.da39a_1", FIRST.replace("_", "_x"), f"{FIRST}e999", FIRST.partition("_")[0], "../../x"],
)
def test_a_text_that_is_no_version_is_refused(caller: Caller, text: str) -> None:
    status, problem = caller.post("/v1/save_op_bytes", {"op_name": "pca", "version": text, "bytes": ""})
    assert (status, problem["errors"][0]["loc"]) == (422, ["version"])


def test_a_text_that_is_no_base64_is_refused(caller: Caller, tmp_path: Path) -> None:
    status, problem = caller.post("/v1/save_op_bytes", {"op_name": "pca", "version": FIRST, "bytes": "*"})
    assert (status, problem["errors"][0]["loc"]) == (422, ["bytes"])
    assert blob_files(tmp_path) == []


def test_a_json_body_beyond_the_limit_is_refused(caller: Caller) -> None:
    headers = {"Content-Length": str(65 * 2**20)}
    status, problem = caller.send("POST", "/v2/resolve", b"", **headers)
    assert (status, problem["type"]) == (413, "urn:chariots:body-too-large")


def test_raw_bytes_go_in_and_out_as_they_are(caller: Caller, tmp_path: Path) -> None:
    assert caller.send("PUT", f"/v2/blobs/{SHA}", b"model") == (200, {"sha256": SHA})
    assert caller.send("GET", f"/v2/blobs/{SHA}") == (200, b"model")
    assert caller.send("HEAD", f"/v2/blobs/{SHA}") == (200, b"")
    assert [path.read_bytes() for path in blob_files(tmp_path)] == [b"model"]


def test_raw_bytes_may_arrive_in_chunks_of_unknown_number(caller: Caller) -> None:
    assert caller.send("PUT", f"/v2/blobs/{SHA}", iter([b"mo", b"del"]))[0] == 200
    assert caller.send("GET", f"/v2/blobs/{SHA}") == (200, b"model")


def test_raw_bytes_larger_than_the_limit_for_json_are_taken(caller: Caller, store: OpStoreServer) -> None:
    store.flask.config["MAX_CONTENT_LENGTH"] = 1000
    data = b"x" * 5000
    sha256 = hashlib.sha256(data).hexdigest()
    assert caller.send("PUT", f"/v2/blobs/{sha256}", data)[0] == 200
    assert caller.send("GET", f"/v2/blobs/{sha256}") == (200, data)


def test_bytes_with_another_hash_than_announced_are_not_kept(caller: Caller, tmp_path: Path) -> None:
    status, problem = caller.send("PUT", f"/v2/blobs/{SHA}", b"modem")
    assert (status, problem["errors"][0]["loc"]) == (422, ["sha256"])
    assert blob_files(tmp_path) == []


def test_an_upload_that_breaks_off_leaves_nothing(caller: Caller, url: str, tmp_path: Path) -> None:
    caller.connection.putrequest("PUT", f"/v2/blobs/{SHA}")
    caller.connection.putheader("Content-Length", "1000")
    caller.connection.endheaders(b"mod")
    caller.connection.close()
    after = Caller(url)
    assert after.send("GET", f"/v2/blobs/{SHA}")[0] == 404
    after.connection.close()
    assert [path for path in blob_files(tmp_path) if not path.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["x", SHA.upper(), SHA[:-1], "..%2f..%2fdb.sqlite", "%00", "a" * 10_000])
def test_bytes_can_only_be_named_by_their_hash(caller: Caller, tmp_path: Path, name: str) -> None:
    assert caller.send("PUT", f"/v2/blobs/{name}", b"model")[0] in (404, 422)
    assert caller.send("GET", f"/v2/blobs/{name}")[0] in (404, 422)
    assert list(tmp_path.rglob("*")) == []


def test_bytes_that_nobody_saved_are_unknown(caller: Caller) -> None:
    status, problem = caller.send("GET", f"/v2/blobs/{SHA}")
    assert (status, problem["type"]) == (404, "urn:chariots:unknown-name")


@pytest.mark.parametrize("number", [0, -1, 2**63, 10**30])
def test_a_number_that_no_version_can_have_is_refused(caller: Caller, number: int) -> None:
    status, problem = caller.post("/v2/deployments", {"pipeline": "p", "versions": {"pca": number}})
    assert (status, problem["errors"][0]["loc"][0]) == (422, "versions")
    assert caller.post("/v2/resolve", {**REQUESTS["/v2/resolve"], "pinned": {"pca": number}})[0] == 422


def test_a_refused_request_changes_nothing(caller: Caller, tmp_path: Path) -> None:
    caller.post("/v1/pipeline_exists", {"pipeline_name": "any"})
    rows = count_rows(tmp_path)
    good = {"op": "pca", "version": FIRST}
    bad = {"pipeline": "p", "last_op": "pca", "versions": [good, {**good, "op": "b\0d"}], "links": []}
    assert caller.post("/v2/saves", bad)[0] == 422
    assert count_rows(tmp_path) == rows


def test_every_route_is_described(caller: Caller) -> None:
    status, document = caller.send("GET", "/openapi.json")
    assert status == 200
    assert set(REQUESTS) | {"/v2/blobs/{sha256}"} <= set(document["paths"])


def test_the_service_says_that_it_is_ready(caller: Caller) -> None:
    assert caller.send("GET", "/readyz") == (200, {"status": "ready"})
