"""Does a repository of the hub become the right pointers, with one request and without telling secrets?"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from chariots.errors import (
    ChariotsError,
    ForbiddenError,
    InputError,
    TooManyRequestsError,
    UnauthorizedError,
    UnknownNameError,
    UnreachableError,
)
from chariots.transfer import HttpResolution, Manifest, ModelRepo, create_manifest, resolve
from chariots.transfer.sources import hugging_face
from chariots.web.retry import RetryPolicy
from tests.transfer.hub import COMMIT, OTHER_COMMIT, Hub, Repository, blob_id, running_hub

TOKEN = "hf_hush_hush"
FILES = {
    "config.json": b"{}",
    "model.safetensors": b"weights" * 1000,
    "sub/deep/weights.bin": b"w" * 3000,
    "a name #1 100%.txt": "ä?".encode(),
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub with one repository."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHARIOTS_TRANSFER_SECRETS_DIR", str(tmp_path / "secrets"))
    monkeypatch.setattr(hugging_face, "_POLICY", RetryPolicy(attempts=3, base=0.01))
    with running_hub() as hub:
        hub.repositories["org/name"] = Repository(dict(FILES), frozenset({"model.safetensors"}))
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def repo(name: str = "org/name", **arguments: object) -> ModelRepo:
    """The repository of these tests."""
    return ModelRepo(name, **{"volume_folder": "vol", **arguments})  # type: ignore[arg-type]


def test_every_file_becomes_a_pointer_to_the_commit_with_one_request(hub: Hub) -> None:
    manifest = create_manifest([repo(revision="main")])
    found = {pointer.file_name.removeprefix("/app/model_cache/vol/"): pointer for pointer in manifest.pointers}
    assert list(found) == sorted(FILES)
    for path, pointer in found.items():
        large = path == "model.safetensors"
        assert pointer.hash == (hashlib.sha256(FILES[path]).hexdigest() if large else blob_id(FILES[path]))
        assert (pointer.size, pointer.hashtype) == (len(FILES[path]), "etag")
        assert (pointer.uid, pointer.runtime_secret_name) == (f"org/name:main:{path}", "hf_access_token")
        assert isinstance(pointer.resolution, HttpResolution)
        assert pointer.resolution.url.startswith(f"{hub.url}/org/name/resolve/{COMMIT}/")
    odd = found["a name #1 100%.txt"].resolution
    assert isinstance(odd, HttpResolution) and odd.url.endswith("/a%20name%20%231%20100%25.txt")
    assert [(one.method, one.path) for one in hub.requests] == [
        ("GET", "/api/models/org/name/revision/main?blobs=true")
    ]


def test_the_files_of_such_a_manifest_arrive(hub: Hub, tmp_path: Path) -> None:
    manifest = create_manifest([repo()], root="")
    assert {pointer.file_name for pointer in manifest.pointers} == {f"vol/{path}" for path in FILES}
    resolve(tmp_path / "there", manifest=manifest)
    assert {path: (tmp_path / "there" / "vol" / path).read_bytes() for path in FILES} == FILES


def test_such_a_manifest_is_written_and_read_again(hub: Hub) -> None:
    manifest = create_manifest([repo()])
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_a_pointer_stays_with_its_commit_when_the_branch_moves_on(hub: Hub) -> None:
    hub.repositories["org/name"].revisions["refs/pr/1"] = OTHER_COMMIT
    (pointer,) = create_manifest([repo(revision="refs/pr/1", allow_patterns=["config.json"])]).pointers
    assert isinstance(pointer.resolution, HttpResolution)
    assert pointer.resolution.url == f"{hub.url}/org/name/resolve/{OTHER_COMMIT}/config.json"
    assert hub.requests[0].path == "/api/models/org/name/revision/refs%2Fpr%2F1?blobs=true"


@pytest.mark.parametrize(
    ("allow", "ignore", "expected"),
    [
        (["*.json", "*.bin"], None, {"config.json", "sub/deep/weights.bin"}),
        (None, ["*.bin", "*.txt"], {"config.json", "model.safetensors"}),
        (["sub/*", "config.json"], ["*.json"], {"sub/deep/weights.bin"}),
    ],
)
def test_patterns_choose_files(hub: Hub, allow: list[str], ignore: list[str], expected: set[str]) -> None:
    manifest = create_manifest([repo(allow_patterns=allow, ignore_patterns=ignore)], root="/x")
    assert {pointer.file_name for pointer in manifest.pointers} == {f"/x/vol/{path}" for path in expected}


def test_patterns_that_no_file_matches_are_told(hub: Hub) -> None:
    with pytest.raises(UnknownNameError, match=r"'org/name' has 4 files, of which none .*\['\*\.gguf'\].*'a name"):
        create_manifest([repo(allow_patterns=["*.gguf"])])


def test_the_token_opens_a_private_repository_and_goes_to_no_other_server(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.repositories["org/name"].tokens = frozenset({TOKEN})
    resolve(tmp_path / "there", manifest=create_manifest([repo()], root=""))
    assert {one.headers.get("authorization") for one in hub.requests} == {f"Bearer {TOKEN}"}
    assert hub.files_requests and not any("authorization" in one.headers for one in hub.files_requests)
    assert TOKEN not in caplog.text and "very-secret" not in caplog.text


def test_the_token_is_the_secret_that_the_repository_names(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "mine").write_text(f"{TOKEN}\n")
    hub.repositories["org/name"].tokens = frozenset({TOKEN})
    assert create_manifest([repo(runtime_secret_name="mine")]).pointers[0].runtime_secret_name == "mine"


def test_a_private_repository_without_a_token_says_where_to_put_one(hub: Hub) -> None:
    hub.repositories["org/name"].tokens = frozenset({TOKEN})
    with pytest.raises(UnauthorizedError) as caught:
        create_manifest([repo()])
    for part in ("'org/name'", "does not exist or is private", "'hf_access_token'", "HF_TOKEN", "/settings/tokens"):
        assert part in str(caught.value)


def test_a_wrong_token_is_told_without_showing_it(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.repositories["org/name"].tokens = frozenset({"another"})
    with pytest.raises(UnauthorizedError, match="the secret 'hf_access_token' holds no token that opens it") as caught:
        create_manifest([repo()])
    assert TOKEN not in str(caught.value) + caplog.text


def test_a_gated_repository_says_where_to_ask_for_access(hub: Hub) -> None:
    hub.answers.append((403, {"X-Error-Code": "GatedRepo"}, b"{}"))
    with pytest.raises(ForbiddenError, match=r"'org/name' .* is gated .*: ask for access on http.*/org/name"):
        create_manifest([repo()])


def test_the_list_of_a_gated_repository_needs_no_token(hub: Hub) -> None:
    hub.repositories["org/name"].tokens, hub.repositories["org/name"].is_gated = frozenset({TOKEN}), True
    assert len(create_manifest([repo()]).pointers) == len(FILES)


def test_a_missing_revision_is_told(hub: Hub) -> None:
    with pytest.raises(UnknownNameError, match=r"has no revision 'v9' .*give a branch, a tag or a whole commit"):
        create_manifest([repo(revision="v9")])


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, ForbiddenError), (404, UnknownNameError), (500, UnreachableError), (418, UnreachableError)],
)
def test_other_refusals_name_repository_and_status(hub: Hub, status: int, kind: type[ChariotsError]) -> None:
    hub.answers.append((status, {}, b"<html>no</html>"))
    with pytest.raises(kind, match=f"'org/name' at http.*{status}"):
        create_manifest([repo()])


def test_what_passes_is_asked_again(hub: Hub) -> None:
    hub.answers.extend([(503, {}, b""), (429, {"Retry-After": "0"}, b"")])
    assert len(create_manifest([repo()]).pointers) == len(FILES)
    assert len(hub.requests) == 3


def test_a_hub_that_is_asked_too_often_is_told_as_that(hub: Hub) -> None:
    hub.answers.extend([(429, {"Retry-After": "0"}, b"")] * 3)
    with pytest.raises(TooManyRequestsError, match=r"asked for too often .*or with a token"):
        create_manifest([repo()])


def test_a_renamed_repository_is_followed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.renamed["old/name"] = "org/name"
    assert len(create_manifest([repo("old/name")]).pointers) == len(FILES)
    assert [one.headers.get("authorization") for one in hub.requests] == [f"Bearer {TOKEN}"] * 2


def test_the_token_does_not_follow_to_another_server(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.answers.append((302, {"Location": f"{hub.files_url}/elsewhere"}, b""))
    with pytest.raises(UnknownNameError):
        create_manifest([repo()])
    assert len(hub.files_requests) == 1 and "authorization" not in hub.files_requests[0].headers


@pytest.mark.parametrize("place", ["http://example.com/x", "ftp://example.com/", "https://me:hush@example.com/x"])
def test_a_hub_does_not_lead_to_where_nobody_is_safe(hub: Hub, place: str) -> None:
    hub.answers.append((302, {"Location": place}, b""))
    with pytest.raises(InputError, match="does not begin with https://") as caught:
        create_manifest([repo()])
    assert "hush" not in str(caught.value)


def test_a_hub_that_leads_in_circles_is_left(hub: Hub) -> None:
    hub.renamed["org/name"] = "org/name"
    with pytest.raises(UnreachableError, match="from one address to the next without an end"):
        create_manifest([repo()])


def test_an_older_hub_is_asked_for_each_file(hub: Hub) -> None:
    expected = create_manifest([repo()])
    hub.requests.clear()
    hub.tells_blobs = False
    assert create_manifest([repo(ignore_patterns=["x"])]) == expected
    assert [one.method for one in hub.requests] == ["GET", *["HEAD"] * len(FILES)]


def test_a_server_that_tells_no_sizes_at_all_is_refused(hub: Hub) -> None:
    hub.tells_blobs = False
    hub.repositories["org/name"].files = {"config.json": b"{}"}
    hub.answers.append((200, {}, json.dumps(hub.metadata(hub.repositories["org/name"], COMMIT)).encode()))
    hub.answers.append((302, {"Location": "/elsewhere"}, b""))
    with pytest.raises(InputError, match=r"neither .* tells hash and size of the file"):
        create_manifest([repo()])


def told(**sibling: object) -> bytes:
    """What a hostile hub may say of one file."""
    file = {"rfilename": "a", "size": 1, "blobId": "0" * 40, **sibling}
    return json.dumps({"sha": COMMIT, "siblings": [file]}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"<html>a proxy</html>",
        b"",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"siblings": []}',
        b'{"sha": "main", "siblings": []}',
        json.dumps({"sha": COMMIT}).encode(),
        json.dumps({"sha": COMMIT, "siblings": {}}).encode(),
        json.dumps({"sha": COMMIT, "siblings": [1]}).encode(),
        json.dumps({"sha": COMMIT, "siblings": [{"size": 1}]}).encode(),
        told(size=-1),
        told(size=1.5),
        told(size=True),
        told(size="1"),
        told(size=2**70),
        told(blobId="x"),
        told(blobId=7),
        told(lfs={"sha256": "0" * 40, "size": 1}),
        told(lfs={"sha256": "0" * 64, "size": -5}),
        told(rfilename=""),
        told(rfilename="../../etc/passwd"),
        told(rfilename="/etc/passwd"),
        told(rfilename="a/../../b"),
        told(rfilename="a\0b"),
        told(rfilename="a\nb"),
        told(rfilename="a\\b"),
        told(rfilename="x" * 300),
        told().replace(b'"a"', b'"\\ud800"'),
        json.dumps(
            {"sha": COMMIT, "siblings": [*json.loads(told())["siblings"], *json.loads(told(size=2))["siblings"]]}
        ).encode(),
    ],
    ids=str,
)
def test_what_no_hub_answers_is_refused(hub: Hub, body: bytes) -> None:
    hub.answers.append((200, {}, body))
    with pytest.raises(InputError, match=r"the repository 'org/name' cannot|of the repository 'org/name' leads"):
        create_manifest([repo()])


def test_a_hub_that_lies_about_the_commit_is_refused(hub: Hub) -> None:
    hub.answers.append((200, {}, told()))
    with pytest.raises(InputError, match=f"it is of the commit {COMMIT}, where {OTHER_COMMIT} was asked for"):
        create_manifest([repo(revision=OTHER_COMMIT)])


def test_an_endless_answer_is_not_read(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hugging_face, "LARGEST_ANSWER", 2**20)
    hub.answers.append((200, {}, b" " * 2**21))
    with pytest.raises(InputError, match="it has more than 1 MiB"):
        create_manifest([repo()])


@pytest.mark.parametrize("name", ["../x", "a/b/c", "org/na me", "org/name?x=1", "org/..", "https://huggingface.co/a/b"])
def test_what_no_repository_is_called_is_not_asked_for(hub: Hub, name: str) -> None:
    with pytest.raises(InputError, match="none that the Hugging Face hub can have"):
        create_manifest([repo(name)])
    assert not hub.requests


@pytest.mark.parametrize("folder", ["../up", "/abs", "a/../../b"])
def test_a_folder_that_leads_out_of_the_root_is_refused(hub: Hub, folder: str) -> None:
    with pytest.raises(InputError, match=r"the volume_folder .* leads out of where its files go"):
        create_manifest([repo(volume_folder=folder)])


def test_a_hub_without_tls_elsewhere_is_not_asked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example.com")
    with pytest.raises(InputError, match="correct HF_ENDPOINT, or set CHARIOTS_TRANSFER_ALLOW_HTTP=1"):
        create_manifest([repo()])


def test_a_hub_that_is_away_is_told(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        UnreachableError, match=r"the repository 'org/name' cannot be looked up: GET http://127.0.0.1:9"
    ):
        create_manifest([repo()])


def test_two_models_may_share_a_file_but_not_a_name_for_different_ones(hub: Hub) -> None:
    hub.repositories["org/twin"] = Repository({"config.json": b"{}"})
    hub.repositories["org/other"] = Repository({"config.json": b"[]"})
    assert len(create_manifest([repo(), repo("org/twin")]).pointers) == len(FILES)
    with pytest.raises(InputError, match=r"two pointers mean different bytes by .*vol/config\.json"):
        create_manifest([repo(), repo("org/other")])


def test_no_models_make_an_empty_manifest() -> None:
    assert create_manifest([]).pointers == ()


def test_only_repositories_make_a_manifest() -> None:
    with pytest.raises(InputError, match="'org/name', which is no ModelRepo"):
        create_manifest(["org/name"])  # type: ignore[list-item]
