"""Does every route of a store ask for the scope that what it does deserves?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import flask
import pytest

from chariots import web
from chariots.errors import ForbiddenError, UnauthorizedError
from chariots.op_store import OpStoreClient, OpStoreServer
from chariots.op_store.savers import FileSaver
from tests.op_store.support import query, save_pair, serving, version

READ, WRITE, ADMIN = "read-token-1234567890", "write-token-123456789", "admin-token-123456789"
ZEROS = "0" * 64


@pytest.fixture
def guarded(tmp_path: Path) -> OpStoreServer:
    """A store that knows a client of each scope."""
    return OpStoreServer(
        FileSaver(str(tmp_path / "ops")),
        f"sqlite:///{tmp_path / 'db.sqlite'}",
        tokens={"read": READ, "write": WRITE, "admin": ADMIN},
    )


@pytest.fixture
def url(guarded: OpStoreServer) -> Iterator[str]:
    """Where it is served."""
    with serving(guarded) as address:
        yield address


def everything(store: OpStoreServer) -> list[tuple[str, str]]:
    """Every method and path that the store answers."""
    rules = store.flask.url_map.iter_rules()
    return [
        (method, rule.rule.replace("<sha256>", ZEROS).replace("<path:filename>", "x"))
        for rule in rules
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"})
    ]


def page_of_another_service() -> bytes:
    """What a service without any routes of its own answers there."""
    app = flask.Flask("another")
    web.install(app, title="another")
    return app.test_client().get("/docs").data


def test_nothing_but_health_and_an_empty_page_is_answered_without_a_token(guarded: OpStoreServer) -> None:
    asking = guarded.flask.test_client()
    answered = {path for method, path in everything(guarded) if asking.open(path, method=method).status_code != 401}
    assert answered == {"/livez", "/readyz", "/docs"}
    # The page is the same for every service: what it shows it has to ask for, and for that it needs a token.
    assert asking.get("/docs").data == page_of_another_service()
    assert asking.get("/openapi.json").status_code == 401


def test_a_reader_can_change_nothing_and_a_writer_can_administer_nothing(guarded: OpStoreServer) -> None:
    asking = guarded.flask.test_client()

    def refused(token: str) -> set[str]:
        headers = {"Authorization": f"Bearer {token}"}
        return {
            path
            for method, path in everything(guarded)
            if asking.open(path, method=method, headers=headers).status_code == 403
        }

    assert refused(READ) >= {
        "/v1/save_op_bytes",
        "/v1/register_valid_link",
        "/v1/register_new_pipeline",
        "/v2/saves",
        "/v2/versions",
        "/v2/deployments",
        "/v2/blobs",
        f"/v2/blobs/{ZEROS}",
    }
    assert (
        refused(READ)
        & {"/v2/resolve", "/v2/saves/attempt", "/v2/blobs/read", "/v2/blobs/check", "/v2/deployments/last"}
        == set()
    )
    assert refused(WRITE) & refused(READ) == refused(WRITE), "a writer may do whatever a reader may"
    assert refused(ADMIN) == set()


def test_a_writer_saves_and_a_reader_loads(url: str) -> None:
    save_pair(OpStoreClient(url, token=WRITE), 1)
    reader = OpStoreClient(url, token=READ)
    resolution = reader.resolve("train", [query("pca"), query("forest")], [("pca", "forest")])
    assert reader.read_version(resolution.versions["pca"]) == b"pca 1"
    with pytest.raises(ForbiddenError):
        save_pair(reader, 2)
    with pytest.raises(UnauthorizedError):
        OpStoreClient(url).get_all_versions_of_op("pca")


def test_who_holds_the_server_in_the_process_needs_no_token(guarded: OpStoreServer) -> None:
    client = guarded.client()
    client.save_op_bytes("pca", version("1"), b"model")
    assert client.get_op_bytes_for_version("pca", version("1")) == b"model"


def test_the_documentation_of_the_routes_names_their_scopes(guarded: OpStoreServer) -> None:
    asking = guarded.flask.test_client()
    paths = asking.get("/openapi.json", headers={"Authorization": f"Bearer {READ}"}).get_json()["paths"]
    assert "scope write" in paths["/v2/saves"]["post"]["summary"]
    assert "scope read" in paths["/v2/resolve"]["post"]["summary"]


def test_a_store_without_tokens_answers_to_names_of_this_machine_only(tmp_path: Path) -> None:
    saver, database = FileSaver(str(tmp_path / "ops")), f"sqlite:///{tmp_path / 'db.sqlite'}"
    asking = OpStoreServer(saver, database, allowed_hosts=["store"]).flask.test_client()
    asked = {"json": {"pipeline_name": "train"}}
    statuses = {
        host: asking.post("/v1/pipeline_exists", headers={"Host": host}, **asked).status_code  # type: ignore[arg-type]
        for host in ("localhost:5001", "127.0.0.1", "store", "evil.example")
    }
    assert statuses == {"localhost:5001": 200, "127.0.0.1": 200, "store": 200, "evil.example": 403}
