"""Is a manifest read as it is meant, and is everything else refused?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from chariots.errors import InputError, UnknownNameError
from chariots.transfer import (
    AzureResolution,
    GcsResolution,
    HttpResolution,
    Manifest,
    ModelRepo,
    Pointer,
    PyModelRepo,
    S3Resolution,
    lazy_data_resolve,
    pointers,
    resolve,
)
from tests.transfer.conftest import files_in, pointer, some_bytes
from tests.transfer.hostile import HostileServer

URL = "https://example.com/a.bin"
POINTER: dict[str, Any] = {
    "resolution": {"resolution_type": "http", "url": URL, "expiration_timestamp": 4044816725},
    "uid": "org/name:main:a.bin",
    "file_name": "model/a.bin",
    "hashtype": "etag",
    "hash": "0" * 64,
    "size": 3000,
    "runtime_secret_name": "hf_access_token",
}
RESOLUTIONS = [
    ({"resolution_type": "http", "url": URL, "expiration_timestamp": 5}, HttpResolution(URL, 5)),
    ({"url": URL, "expiration_timestamp": 5}, HttpResolution(URL, 5)),
    ({"url": URL, "expiration_timestamp": -1}, HttpResolution(URL, -1)),
    ({"url": URL}, HttpResolution(URL)),
    ({"resolution_type": "gcs", "path": "a/b", "bucket_name": "c"}, GcsResolution("a/b", "c")),
    ({"path": "a/b", "bucket_name": "c"}, GcsResolution("a/b", "c")),
    ({"resolution_type": "s3", "bucket_name": "c", "key": "k", "region": None}, S3Resolution("c", "k")),
    ({"bucket_name": "c", "key": "k", "region": "us-west-2"}, S3Resolution("c", "k", "us-west-2")),
    (
        {"resolution_type": "azure", "account_name": "a", "container_name": "c", "blob_name": "b"},
        AzureResolution("a", "c", "b"),
    ),
]


@pytest.mark.parametrize(("told", "meant"), RESOLUTIONS)
def test_every_form_of_a_resolution_is_read_and_written(told: dict[str, Any], meant: object) -> None:
    manifest = Manifest.from_json(json.dumps({"pointers": [{**POINTER, "resolution": told}], "models": None}))
    assert manifest.pointers[0].resolution == meant
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert Manifest.from_json(yaml.safe_dump(json.loads(manifest.to_json()))) == manifest


def test_what_is_written_has_the_form_of_the_original() -> None:
    manifest = Manifest.from_json(json.dumps({"pointers": [{**POINTER, "last_modified_time": "2026-11-30T08:15:31Z"}]}))
    assert manifest.to_json() == json.dumps({"pointers": [POINTER], "models": None}, indent=2)
    assert manifest.size == 3000


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("", "nothing"),
        ("{", "neither JSON nor YAML"),
        ("[1]", r"pointers\[0\] is a int"),
        ("{}", "no manifest"),
        ('{"pointers": {}}', "pointers holds a dict"),
        ('"text"', "no manifest"),
        ("\0\1\2", "neither JSON nor YAML"),
        ("[" * 100_000, "neither JSON nor YAML|nested deeper"),
        ("a: &x [1]\nb: *x\npointers: []", "aliases"),
        ("!!python/object/apply:os.system ['true']", "neither JSON nor YAML"),
    ],
)
def test_what_is_no_manifest_is_refused(told: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Manifest.from_json(told, "the file")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": -1}, r"pointers\[0\] \('model/a.bin'\)\.size is -1"),
        ({"size": "3000"}, "size is 3000"),
        ({"size": 1.5}, "size is 1.5"),
        ({"size": 2**64}, "size is"),
        ({"size": True}, "size is True"),
        ({"size": None}, "size is None"),
        ({"file_name": None}, "file_name is missing"),
        ({"file_name": 5}, "file_name is a int"),
        ({"hash": None}, "hash is missing"),
        ({"resolution": None}, "resolution is nothing"),
        ({"resolution": {"resolution_type": "ftp", "path": "x"}}, "'ftp', which is not known"),
        ({"resolution": {"resolution_type": "s3", "bucket_name": "b"}}, "resolution.key is missing"),
        ({"resolution": {"url": URL, "expiration_timestamp": "soon"}}, "expiration_timestamp is soon"),
    ],
)
def test_a_pointer_that_cannot_be_is_refused_by_its_name(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Manifest.from_json(json.dumps({"pointers": [{**POINTER, **change}]}))


def test_a_manifest_larger_than_any_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)  # it has no blocks, so it costs nothing
    with pytest.raises(InputError, match="256 MiB"):
        Manifest.from_file(path)
    with pytest.raises(UnknownNameError, match="cannot be read"):
        Manifest.from_file(tmp_path / "none")


def test_manifests_that_are_where_they_usually_are_are_merged(tmp_path: Path) -> None:
    other = {**POINTER, "file_name": "b.bin"}
    places = (tmp_path / "bptr-manifest", tmp_path / "bptr-manifest.json", tmp_path / "static.json")
    places[0].write_text(yaml.safe_dump({"pointers": [POINTER]}))
    places[2].write_text(json.dumps({"pointers": [POINTER, other], "models": None}))
    assert [one.file_name for one in Manifest.find(places).pointers] == ["model/a.bin", "b.bin"]
    places[1].write_text(json.dumps({"pointers": [{**POINTER, "hash": "1" * 64}]}))
    with pytest.raises(InputError, match="different bytes"):
        Manifest.find(places)
    with pytest.raises(UnknownNameError, match="there is no manifest"):
        Manifest.find([tmp_path / "none"])


def test_the_original_name_resolves_what_lies_about_and_returns_text(
    server: HostileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = some_bytes(1000)
    server.put("/a.bin", data)
    place = tmp_path / "bptr-manifest"
    monkeypatch.setattr(pointers, "PLACES", (place,))
    monkeypatch.setattr(Manifest.find.__func__, "__defaults__", ((place,),))
    assert lazy_data_resolve(str(tmp_path / "nothing")) == str(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    place.write_text(Manifest((pointer(server.url("/a.bin"), "a.bin", data),)).to_json())
    monkeypatch.setenv("TRUSS_TRANSFER_DOWNLOAD_DIR", str(tmp_path / "of truss"))
    monkeypatch.delenv("CHARIOTS_TRANSFER_DOWNLOAD_DIR")
    assert lazy_data_resolve() == str(tmp_path / "of truss")
    assert files_in(tmp_path / "of truss") == {"a.bin": data}
    monkeypatch.chdir(tmp_path)
    assert lazy_data_resolve("relative") == "relative"
    assert files_in(tmp_path / "relative") == {"a.bin": data}


def test_a_repository_has_the_arguments_of_the_original() -> None:
    assert PyModelRepo("a/b") == ModelRepo("a/b", "", "", "hf", None, None, "hf_access_token")
    positional = PyModelRepo("a/b", "main", "folder", "gcs", ["*.json"], ["x*"], "secret")
    assert (positional.volume_folder, positional.kind, positional.runtime_secret_name) == ("folder", "gcs", "secret")
    for wrong in ({"kind": "gs"}, {"repo_id": ""}, {"allow_patterns": "*.json"}, {"revision": None}):
        with pytest.raises(ValueError, match="repositor"):
            PyModelRepo(**{"repo_id": "a/b", **wrong})


@pytest.mark.parametrize(
    ("allow", "ignore", "wanted"),
    [
        (None, None, ["config.json", "sub/deep/weights.bin", "sub/readme.txt", "a[1].bin"]),
        (["*.bin"], None, ["sub/deep/weights.bin", "a[1].bin"]),
        (["sub/*"], ["*.txt"], ["sub/deep/weights.bin"]),
        (["sub/"], None, ["sub/deep/weights.bin", "sub/readme.txt"]),
        (["a[1].bin", "?onfig.json"], None, ["a[1].bin"]),
        ([], None, []),
        (["**********************a"], None, []),
    ],
)
def test_patterns_choose_files(allow: list[str] | None, ignore: list[str] | None, wanted: list[str]) -> None:
    repository = ModelRepo("a/b", allow_patterns=allow, ignore_patterns=ignore)
    names = ["config.json", "sub/deep/weights.bin", "sub/readme.txt", "a[1].bin"]
    assert [name for name in names if repository.wants(name)] == wanted


def test_a_manifest_and_models_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give one of them"):
        resolve(tmp_path, manifest=Manifest(), models=[ModelRepo("a/b")])


def test_nothing_to_fetch_is_nothing_to_do(tmp_path: Path) -> None:
    assert resolve(tmp_path / "empty", manifest=Manifest()) == tmp_path / "empty"
    assert isinstance(Manifest().pointers, tuple)
    assert Pointer(HttpResolution(URL), "u", "a", "md5", "0" * 32, 1).runtime_secret_name == "hf_access_token"
