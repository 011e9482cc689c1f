"""Do savers keep bytes whole, below their root and nowhere else?"""

from __future__ import annotations

import errno
import gc
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chariots.errors import StoreUnavailableError
from chariots.op_store.savers import (
    AzureSaver,
    BaseSaver,
    FileSaver,
    GoogleStorageSaver,
    Kept,
    S3Saver,
    from_url,
    is_leftover,
)
from chariots.op_store.savers.base import writing_name
from tests.op_store.support import ROOT, everything_below


class DictSaver(BaseSaver):
    """The smallest saver a user can write: `save` and `load`, nothing else."""

    def __init__(self, root_path: str = "") -> None:
        super().__init__(root_path)
        self.kept: dict[str, bytes] = {}

    def save(self, serialized_object: bytes, path: str) -> bool:
        """Keeps bytes in memory."""
        self.kept[self.root_path + path] = serialized_object
        return True

    def load(self, path: str) -> bytes:
        """Returns bytes from memory."""
        try:
            return self.kept[self.root_path + path]
        except KeyError:
            raise FileNotFoundError(path) from None


@pytest.fixture(params=["files", "a user's own"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> BaseSaver:
    """A saver of each kind."""
    return FileSaver(str(tmp_path / "root")) if request.param == "files" else DictSaver()


def broken(*pieces: bytes) -> Iterator[bytes]:
    """Pieces that end in a failure."""
    yield from pieces
    raise ConnectionError("the sender is gone")


def test_bytes_come_back_as_they_were_saved(saver: BaseSaver) -> None:
    assert saver.save(b"model", "/foo/bar.bin") is True
    assert saver.load("/foo/bar.bin") == b"model"


def test_later_bytes_replace_earlier_ones(saver: BaseSaver) -> None:
    saver.save(b"a longer model", "m")
    saver.save(b"short", "m")
    assert saver.load("m") == b"short"


def test_bytes_in_pieces_come_back_in_pieces(saver: BaseSaver) -> None:
    assert saver.save_stream(iter([b"mo", b"", b"del"]), "m") is True
    assert b"".join(saver.load_stream("m")) == b"model"


def test_pieces_that_break_off_keep_what_was_there(saver: BaseSaver, tmp_path: Path) -> None:
    saver.save(b"old", "m")
    before = everything_below(tmp_path)
    with pytest.raises(ConnectionError):
        saver.save_stream(broken(b"ne"), "m")
    assert saver.load("m") == b"old"
    assert everything_below(tmp_path) == before


def test_what_was_never_saved_is_not_found(saver: BaseSaver) -> None:
    with pytest.raises(FileNotFoundError):
        saver.load("nothing")
    with pytest.raises(FileNotFoundError):
        saver.load_stream("nothing")
    assert saver.exists("nothing") is False


def test_what_was_saved_exists(saver: BaseSaver) -> None:
    saver.save(b"", "deep/down/m")
    assert saver.exists("deep/down/m") is True


def test_a_saver_that_defines_no_delete_says_so() -> None:
    with pytest.raises(NotImplementedError, match="DictSaver was asked to delete 'm'"):
        DictSaver().delete("m")


def test_a_file_is_where_the_path_says(tmp_path: Path) -> None:
    FileSaver(str(tmp_path / "my/root")).save(b"model", "/foo/bar.txt")
    assert (tmp_path / "my/root/foo/bar.txt").read_bytes() == b"model"


def test_a_deleted_file_is_gone(tmp_path: Path) -> None:
    saver = FileSaver(str(tmp_path))
    saver.save(b"model", "m")
    saver.delete("m")
    assert not saver.exists("m")
    with pytest.raises(FileNotFoundError):
        saver.delete("m")


def test_a_file_that_nobody_reads_to_its_end_is_closed(tmp_path: Path) -> None:
    saver = FileSaver(str(tmp_path))
    saver.save(b"x" * 3_000_000, "m")
    pieces = saver.load_stream("m")
    assert next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # WSGI servers close what can be closed
    assert list(pieces) == []
    gc.collect()  # a file left open would be reported here


HOSTILE = [
    "",
    "/",
    ".",
    "..",
    "../outside",
    "/../outside",
    "a/../../outside",
    "a/..",
    "a\0b",
    "a" * 300,
    "a/" + "é" * 200,
    "\ud800",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_leads_out_or_nowhere_is_refused(tmp_path: Path, path: str) -> None:
    saver = FileSaver(str(tmp_path / "root"))
    (tmp_path / "outside").write_bytes(b"secret")
    before = everything_below(tmp_path)
    for use in (lambda: saver.save(b"x", path), lambda: saver.load(path), lambda: saver.exists(path)):
        with pytest.raises(ValueError):
            use()
    assert everything_below(tmp_path) == before


def test_a_path_of_ten_thousand_characters_is_refused_or_kept_inside(tmp_path: Path) -> None:
    saver = FileSaver(str(tmp_path / "root"))
    with pytest.raises((ValueError, OSError)):
        saver.save(b"x", "/".join(["a" * 100] * 100))
    assert [path for path in everything_below(tmp_path) if path.is_file()] == []


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "m").write_bytes(b"secret")
    root = tmp_path / "root"
    root.mkdir()
    if kind == "directory":
        (root / "link").symlink_to(outside)
        path = "link/m"
    else:
        (root / "link").symlink_to(outside / "m")
        path = "link"
    saver = FileSaver(str(root))
    with pytest.raises(ValueError, match="symbolic link"):
        saver.load(path)
    with pytest.raises(ValueError, match="symbolic link"):
        saver.save(b"x", path)
    assert (outside / "m").read_bytes() == b"secret"


def test_a_root_that_is_itself_a_link_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    FileSaver(str(tmp_path / "root")).save(b"model", "m")
    assert (tmp_path / "real/m").read_bytes() == b"model"


def test_a_relative_root_starts_at_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    FileSaver("root").save(b"model", "m")
    assert (tmp_path / "root/m").read_bytes() == b"model"


@pytest.mark.parametrize("call", ["fsync", "write", "replace"])
def test_every_step_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    saver = FileSaver(str(tmp_path))
    saver.save(b"old", "m")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        saver.save(b"new", "m")
    monkeypatch.undo()
    assert everything_below(tmp_path) == [tmp_path / "m"]
    assert saver.load("m") == b"old"


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    saver = FileSaver(str(tmp_path))
    saver.save(b"old", "m")
    program = (
        "import resource, signal, sys\n"
        "from chariots.op_store.savers import FileSaver\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    FileSaver(sys.argv[1]).save(b'x' * 1_000_000, 'm')\n"
        "except OSError as error:\n"
        "    print(error.errno)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert int(ran.stdout) == errno.EFBIG
    assert everything_below(tmp_path) == [tmp_path / "m"]
    assert saver.load("m") == b"old"


def test_pieces_are_not_collected_in_memory(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from chariots.op_store.savers import FileSaver\n"
        "from tests.op_store.test_savers import peak\n"
        "saver = FileSaver(sys.argv[1])\n"
        "piece = bytes(2**20)\n"
        "before = peak()\n"
        "saver.save_stream((piece for _ in range(100)), 'm')\n"
        "assert sum(map(len, saver.load_stream('m'))) == 100 * 2**20\n"
        "print(peak() - before)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert int(ran.stdout) < 20 * 2**20


def peak() -> int:
    """The most memory this process ever held, in bytes."""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else held * 1024


@pytest.mark.parametrize(
    ("root", "path", "name"),
    [("", "m", "m"), ("/models/", "/a//b", "models/a/b"), ("models", "blobs/ab/abc", "models/blobs/ab/abc")],
)
def test_an_object_in_a_bucket_is_named_by_root_and_path(root: str, path: str, name: str) -> None:
    assert GoogleStorageSaver(root, "bucket").object_name(path) == name


@pytest.mark.parametrize(
    ("make", "extra"),
    [
        (lambda: S3Saver("models", "bucket"), "s3"),
        (lambda: GoogleStorageSaver("models", "bucket"), "gcs"),
        (lambda: AzureSaver("models", "container"), "azure"),
    ],
)
def test_a_bucket_without_its_library_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], BaseSaver], extra: str
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ImportError, match=rf"pip install 'chariots\[{extra}\]'"):
        make()


def test_a_setting_that_is_not_known_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'endpont'.*Did you mean 'endpoint'\?"):
        S3Saver("models", "bucket", {"endpont": "http://127.0.0.1:9"})


@pytest.mark.parametrize("endpoint", ["minio:9000", "minio", "http://", "http://a b", "http://127.0.0.1:99999"])
def test_an_endpoint_that_is_no_address_is_told_when_the_saver_is_made(endpoint: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        S3Saver("models", "bucket", {"endpoint": endpoint})


@pytest.mark.parametrize("deadline", [0, -1, float("nan"), float("inf"), "60", None, True])
def test_a_deadline_that_is_no_number_of_seconds_is_told_when_the_saver_is_made(deadline: Any) -> None:
    with pytest.raises(ValueError, match="is no number of seconds"):
        S3Saver("models", "bucket", deadline=deadline)


@pytest.mark.parametrize("bucket", ["", None, 5])
def test_a_bucket_without_a_name_is_told_when_the_saver_is_made(bucket: Any) -> None:
    with pytest.raises(ValueError, match="is no name of a bucket or container"):
        S3Saver("models", bucket)


@pytest.mark.parametrize(("bucket", "endpoint"), [("two words", "http://127.0.0.1:9"), ("bucket", "minio:9000")])
def test_what_the_library_can_make_no_request_of_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, bucket: str, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    saver = S3Saver("models", bucket, {"access_key_id": "a", "secret_access_key": "b", "region": "here"}, deadline=0.1)
    for use in (saver.check, lambda: saver.save(b"model", "m"), lambda: saver.load("m")):
        with pytest.raises(StoreUnavailableError, match="check that the service is up and its address is right"):
            use()


def test_what_the_client_of_google_takes_is_taken_too() -> None:
    given = {"project": "p", "client_options": {"api_endpoint": "http://127.0.0.1:9"}, "bearer_token": "t"}
    saver = GoogleStorageSaver("models", "bucket", client_kwargs=given, deadline=0.1)
    with pytest.raises(StoreUnavailableError, match=r"http://127\.0\.0\.1:9/bucket"):
        saver.load("m")


def test_a_secret_in_an_address_is_not_repeated() -> None:
    settings = {"account_name": "name", "sas_key": "sv=1&sig=c2VjcmV0", "endpoint": "http://127.0.0.1:9/name"}
    with pytest.raises(StoreUnavailableError) as caught:
        AzureSaver("models", "container", settings, deadline=0.1).load("m")
    assert "sig" not in caught.value.detail


# What is kept, by name.


def test_files_are_listed_by_folder(tmp_path: Path) -> None:
    saver = FileSaver(str(tmp_path / "root"))
    assert list(saver.list()) == []
    for path in ("blobs/ab/1", "blobs/ab/22", "blobs/abc/3", "other"):
        saver.save(path.encode(), path)
    assert [(kept.path, kept.size) for kept in saver.list("blobs/ab")] == [("blobs/ab/1", 10), ("blobs/ab/22", 11)]
    assert [kept.path for kept in saver.list()] == ["blobs/ab/1", "blobs/ab/22", "blobs/abc/3", "other"]
    assert list(saver.list("nothing")) == []
    assert list(saver.list("other")) == []


def test_a_listed_file_tells_when_it_was_written(tmp_path: Path) -> None:
    saver = FileSaver(str(tmp_path))
    saver.save(b"x", "m")
    os.utime(tmp_path / "m", (5.0, 1234.5))
    assert list(saver.list()) == [Kept("m", 1, 1234.5)]


def test_leftovers_of_a_killed_save_are_listed_as_such(tmp_path: Path) -> None:
    saver = FileSaver(str(tmp_path))
    saver.save(b"x", "a/m")
    (tmp_path / "a" / writing_name()).write_bytes(b"half")
    assert sorted(is_leftover(kept.path) for kept in saver.list()) == [False, True]


def test_links_are_not_followed_by_a_list(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    saver = FileSaver(str(tmp_path / "root"))
    saver.save(b"x", "m")
    (tmp_path / "root" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "file").symlink_to(tmp_path / "outside" / "secret")
    assert [kept.path for kept in saver.list()] == ["m"]


def test_a_saver_that_defines_no_list_says_so() -> None:
    with pytest.raises(NotImplementedError, match="DictSaver was asked to list 'blobs'"):
        DictSaver().list("blobs")


def test_bytes_are_made_only_where_there_are_none(saver: BaseSaver) -> None:
    assert saver.create_stream(iter([b"mo", b"del"]), "m") is True
    assert saver.create_stream(iter([b"other"]), "m") is False
    assert saver.load("m") == b"model"


def test_a_file_that_appears_while_another_is_written_stays(tmp_path: Path) -> None:
    saver = FileSaver(str(tmp_path))

    def slow() -> Iterator[bytes]:
        yield b"slower"
        saver.save(b"the faster one", "m")

    assert saver.create_stream(slow(), "m") is False
    assert saver.load("m") == b"the faster one"
    assert [kept.path for kept in saver.list()] == ["m"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_is_made_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    saver = FileSaver(str(tmp_path))
    assert saver.create_stream(iter([b"model"]), "m") is True
    assert saver.load("m") == b"model"
    assert [kept.path for kept in saver.list()] == ["m"]


def test_a_file_that_cannot_be_made_because_of_a_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    saver = FileSaver(str(tmp_path))
    with pytest.raises(FileExistsError):
        saver.create_stream(iter([b"model"]), "m")
    assert list(saver.list()) == []


def test_a_place_that_can_be_used_is_ready(saver: BaseSaver) -> None:
    saver.check()


def test_a_folder_that_is_none_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        FileSaver(str(tmp_path / "file" / "root")).check()


# Savers by URL.


@pytest.mark.parametrize(
    ("url", "kind", "root", "place"),
    [
        ("file:///var/lib/ops", FileSaver, "/var/lib/ops", None),
        ("file:///with%20space", FileSaver, "/with space", None),
        ("s3://bucket/models/prod", S3Saver, "models/prod", "bucket"),
        ("s3://bucket", S3Saver, "", "bucket"),
        ("gs://bucket/models/", GoogleStorageSaver, "models", "bucket"),
        ("az://container/models", AzureSaver, "models", "container"),
    ],
)
def test_a_url_stands_for_a_saver(
    monkeypatch: pytest.MonkeyPatch, url: str, kind: type[BaseSaver], root: str, place: str | None
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    saver = from_url(url)
    assert type(saver) is kind
    assert saver.root_path == root
    assert getattr(saver, "bucket_name", None) == place


def test_further_arguments_go_to_the_saver() -> None:
    saver = from_url("s3://bucket", client_kwargs={"region": "eu-west-1"}, deadline=5.0)
    assert isinstance(saver, S3Saver)
    assert saver.client_kwargs == {"region": "eu-west-1"}
    assert saver.deadline == 5.0


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("gcs://bucket", r"starts with 'gcs'.*Did you mean 'gs'\?"),
        ("/var/lib/ops", "file:///folder"),
        ("file://ops", "names no folder of this machine"),
        ("file:ops", "names no folder of this machine"),
        ("s3:///models", "names no bucket"),
        ("s3://name:secret@bucket", "no place for"),
        ("az://container/models?sig=secret", "no place for"),
    ],
)
def test_a_url_that_stands_for_no_saver_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        from_url(url)
    assert "secret" not in str(caught.value)
