"""Do the savers for S3, Google Cloud Storage and Azure keep bytes whole, below their root, and never twice?"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import obstore
import pytest
import urllib3

from chariots.errors import StoreUnavailableError
from chariots.op_store.savers import Kept, ObjectStoreSaver, S3Saver, is_leftover
from chariots.op_store.savers.bucket import Habits
from tests.faulty_proxy import faulty_proxy
from tests.object_stores import KINDS, ObjectStores, make_bucket, open_saver
from tests.op_store.support import ROOT

MIB = 2**20
LARGE = 20 * MIB  # more than one request carries


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of object store, one after the other."""
    return str(request.param)


@pytest.fixture
def bucket(kind: str, object_stores: ObjectStores) -> str:
    """A bucket that no other test uses."""
    return make_bucket(kind, object_stores.url(kind))


@pytest.fixture
def saver(kind: str, bucket: str, object_stores: ObjectStores) -> ObjectStoreSaver:
    """A saver of each kind."""
    return open_saver(kind, object_stores.url(kind), bucket)


def pieces(size: int = LARGE, seed: int = 0) -> Iterator[bytes]:
    """So many bytes, always the same for a seed, in pieces of a MiB."""
    source = random.Random(seed)
    for start in range(0, size, MIB):
        yield source.randbytes(min(MIB, size - start))


def broken(size: int) -> Iterator[bytes]:
    """Pieces that end in a failure."""
    yield from pieces(size)
    raise ConnectionError("the sender is gone")


def digest(chunks: Iterator[bytes]) -> str:
    """The hash of some pieces."""
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()


def test_bytes_come_back_as_they_were_saved(saver: ObjectStoreSaver) -> None:
    assert saver.save(b"model", "/foo/bar.bin") is True
    assert saver.load("/foo/bar.bin") == b"model"


def test_later_bytes_replace_earlier_ones(saver: ObjectStoreSaver) -> None:
    saver.save(b"a longer model", "m")
    saver.save(b"short", "m")
    assert saver.load("m") == b"short"


def test_nothing_can_be_saved_too(saver: ObjectStoreSaver) -> None:
    saver.save(b"", "m")
    assert saver.load("m") == b""
    assert saver.size("m") == 0


@pytest.mark.parametrize("size", [8 * MIB, 8 * MIB + 1, 16 * MIB + 1])
def test_bytes_in_pieces_come_back_in_pieces(saver: ObjectStoreSaver, size: int) -> None:
    assert saver.save_stream(pieces(size), "m") is True
    found = list(saver.load_stream("m"))
    assert digest(iter(found)) == digest(pieces(size))
    assert max(map(len, found)) <= 8 * MIB
    assert saver.size("m") == size


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("size", [MIB, LARGE])
def test_pieces_that_break_off_leave_nothing(saver: ObjectStoreSaver, size: int, create: bool) -> None:
    saver.save(b"old", "other")
    with pytest.raises(ConnectionError, match="the sender is gone"):
        (saver.create_stream if create else saver.save_stream)(broken(size), "m")
    assert [kept.path for kept in saver.list()] == ["other"]


def test_an_upload_that_breaks_off_leaves_no_parts_behind(object_stores: ObjectStores) -> None:
    url = object_stores.url("s3")
    bucket = make_bucket("s3", url)
    with pytest.raises(ConnectionError):
        open_saver("s3", url, bucket).save_stream(broken(LARGE), "m")
    assert b"<Upload>" not in urllib3.request("GET", f"{url}/{bucket}?uploads").data


def test_a_large_object_that_is_replaced_keeps_nothing_of_the_old_one(saver: ObjectStoreSaver) -> None:
    saver.save_stream(pieces(LARGE + 5), "m")
    saver.save_stream(pieces(LARGE, seed=1), "m")
    assert digest(saver.load_stream("m")) == digest(pieces(LARGE, seed=1))
    assert [kept.path for kept in saver.list()] == ["m"]


@pytest.mark.parametrize("size", [MIB, LARGE])
def test_an_object_is_made_only_where_there_is_none(saver: ObjectStoreSaver, size: int) -> None:
    assert saver.create_stream(pieces(size), "m") is True
    assert saver.create_stream(pieces(size, seed=1), "m") is False
    assert digest(saver.load_stream("m")) == digest(pieces(size))
    assert [kept.path for kept in saver.list()] == ["m"]


@pytest.mark.parametrize("size", [MIB, LARGE])
def test_an_object_that_appears_during_an_upload_stays(saver: ObjectStoreSaver, size: int) -> None:
    def slow() -> Iterator[bytes]:
        yield from pieces(size)
        saver.save(b"the faster one", "m")

    assert saver.create_stream(slow(), "m") is False
    assert saver.load("m") == b"the faster one"
    assert [kept.path for kept in saver.list()] == ["m"]


def test_of_many_writers_at_once_one_makes_the_object(saver: ObjectStoreSaver) -> None:
    ready = threading.Barrier(8)

    def write(number: int) -> bool:
        ready.wait()
        return saver.create_stream(iter((bytes([number]) * 1000,)), "m")

    with ThreadPoolExecutor(8) as writers:
        made = list(writers.map(write, range(8)))
    assert made.count(True) == 1
    assert saver.load("m") == bytes([made.index(True)]) * 1000


def test_that_there_must_be_none_is_asked_of_the_service(kind: str, bucket: str, object_stores: ObjectStores) -> None:
    with faulty_proxy(object_stores.url(kind)) as proxy:
        open_saver(kind, proxy.url, bucket).create_stream(iter((b"model",)), "m")
        (put,) = [request for request in proxy.requests if request.method == "PUT"]
    asked = put.headers.get("if-none-match"), put.headers.get("x-goog-if-generation-match")
    assert asked == ((None, "0") if kind == "google" else ("*", None))


def test_more_than_sixteen_mebibytes_travel_in_parts(kind: str, bucket: str, object_stores: ObjectStores) -> None:
    with faulty_proxy(object_stores.url(kind)) as proxy:
        saver = open_saver(kind, proxy.url, bucket)
        saver.save_stream(pieces(16 * MIB), "m")
        whole = [request for request in proxy.requests if request.method == "PUT"]
        proxy.forget()
        saver.save_stream(pieces(16 * MIB + 1), "m")
        sizes = [int(request.headers.get("content-length", 0)) for request in proxy.requests]
    assert len(whole) == 1
    assert max(sizes) <= 8 * MIB
    assert sum(size >= MIB for size in sizes) == 2


class ShortArm(S3Saver):
    """As if S3 copied nothing beyond a MiB by itself; really it is five GiB."""

    habits = Habits(largest_copy=MIB)


def test_what_is_too_large_to_be_copied_is_sent_to_its_place(object_stores: ObjectStores) -> None:
    url = object_stores.url("s3")
    bucket = make_bucket("s3", url)
    settings = {"endpoint": url, "region": "us-east-1", "access_key_id": "name", "secret_access_key": "secret"}
    saver = ShortArm("models", bucket, settings)
    assert saver.create_stream(pieces(), "m") is True
    assert digest(saver.load_stream("m")) == digest(pieces())
    assert saver.create_stream(pieces(seed=1), "m") is False
    assert [kept.path for kept in saver.list()] == ["m"]


def test_what_was_never_saved_is_not_found(saver: ObjectStoreSaver) -> None:
    assert saver.exists("nothing") is False
    for ask in (saver.load, saver.load_stream, saver.size, saver.delete):
        with pytest.raises(FileNotFoundError, match=r"models/nothing.*there is no such object"):
            ask("nothing")


def test_a_deleted_object_is_gone(saver: ObjectStoreSaver) -> None:
    saver.save(b"model", "a/m")
    saver.delete("a/m")
    assert saver.exists("a/m") is False


def test_what_is_kept_is_listed_by_folder(saver: ObjectStoreSaver) -> None:
    for path in ("blobs/ab/1", "blobs/ab/22", "blobs/abc/3", "other"):
        saver.save(path.encode(), path)
    listed = list(saver.list("blobs"))
    assert [(kept.path, kept.size) for kept in listed] == [("blobs/ab/1", 10), ("blobs/ab/22", 11), ("blobs/abc/3", 11)]
    assert all(isinstance(kept, Kept) and kept.modified > 1e9 for kept in listed)
    assert [kept.path for kept in saver.list("/blobs/ab/")] == ["blobs/ab/1", "blobs/ab/22"]
    assert len(list(saver.list())) == 4
    assert list(saver.list("nothing")) == []


def test_the_service_tells_of_objects_by_their_whole_names(saver: ObjectStoreSaver) -> None:
    saver.save(b"one", "blobs/1")
    (told,) = saver.objects("blobs")
    assert (told["path"], told["size"], bool(told["e_tag"])) == ("models/blobs/1", 3, True)


def test_the_library_may_be_given_a_store_of_a_saver(saver: ObjectStoreSaver) -> None:
    saver.save(b"one", "blobs/1")
    store = saver.connected({"timeout": timedelta(seconds=20)}, {"max_retries": 0})
    assert obstore.get(store, "models/blobs/1").bytes().to_bytes() == b"one"


def test_a_saver_sees_nothing_outside_its_root(kind: str, bucket: str, object_stores: ObjectStores) -> None:
    url = object_stores.url(kind)
    inside, beside = (open_saver(kind, url, bucket, root) for root in ("models", "models2"))
    beside.save(b"secret", "m")
    assert inside.exists("m") is False
    assert list(inside.list()) == []
    whole = open_saver(kind, url, bucket, root="")
    assert [kept.path for kept in whole.list()] == ["models2/m"]
    assert whole.load("models2/m") == b"secret"


HOSTILE = ["", "/", ".", "..", "../outside", "a/../../outside", "a/..", "a\0b", "\ud800", "é" * 600]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_leads_out_or_nowhere_is_refused(path: str) -> None:
    saver = S3Saver("models", "bucket", {"endpoint": "http://127.0.0.1:9"})
    for use in (lambda: saver.save(b"x", path), lambda: saver.load(path), lambda: saver.exists(path)):
        with pytest.raises(ValueError, match="a saver cannot use the path"):
            use()


@pytest.mark.parametrize("root", ["..", "a/../b", "a\0b"])
def test_a_root_that_leads_out_is_refused(root: str) -> None:
    with pytest.raises(ValueError, match="a saver cannot use the path"):
        S3Saver(root, "bucket")


@pytest.mark.parametrize("name", ["modèle/ä b+c%20#?.bin", "a&b=c", "~'()*!", "日本語", "%2e%2e/x"])
def test_unusual_names_are_kept_as_they_are(saver: ObjectStoreSaver, name: str) -> None:
    saver.save(name.encode(), name)
    assert saver.load(name) == name.encode()
    assert [kept.path for kept in saver.list()] == [name]


def test_leftovers_of_killed_uploads_are_listed_as_such(saver: ObjectStoreSaver) -> None:
    saver.save(b"x", "blobs/ab/.writing-0123456789abcdef")
    saver.save(b"x", "blobs/ab/abc")
    assert [is_leftover(kept.path) for kept in saver.list()] == [True, False]


def test_a_bucket_that_does_not_exist_is_told_from_a_missing_object(kind: str, object_stores: ObjectStores) -> None:
    saver = open_saver(kind, object_stores.url(kind), "nobody-made-this")
    for use in (saver.check, lambda: saver.save(b"x", "m"), lambda: saver.load("m"), lambda: list(saver.list())):
        with pytest.raises(StoreUnavailableError, match=r"nobody-made-this.*no such bucket or container; make it"):
            use()


def test_a_bucket_that_can_be_used_is_ready(saver: ObjectStoreSaver) -> None:
    saver.check()


def test_wrong_credentials_are_told_as_such_and_not_tried_again(object_stores: ObjectStores) -> None:
    url = object_stores.url("azure")
    bucket = make_bucket("azure", url)
    with faulty_proxy(url) as proxy:
        saver = open_saver("azure", proxy.url, bucket, key="c2VjcmV0")
        for use in (saver.check, lambda: saver.save(b"x", "m"), lambda: saver.load("m")):
            proxy.forget()
            with pytest.raises(StoreUnavailableError, match=r"does not allow it.*check the credentials"):
                use()
            assert len(proxy.requests) == 1


def test_large_objects_need_little_memory(object_stores: ObjectStores) -> None:
    url = object_stores.url("azure")
    program = (
        "import json, sys\n"
        "from tests.object_stores import open_saver\n"
        "from tests.op_store.test_savers import peak\n"
        "saver = open_saver('azure', *sys.argv[1:])\n"
        "saver.check()\n"
        "piece, before = bytes(2**20), peak()\n"
        "saver.create_stream((piece for _ in range(200)), 'm')\n"
        "assert sum(map(len, saver.load_stream('m'))) == 200 * 2**20\n"
        "print(peak() - before)\n"
    )
    assert int(python(program, url, make_bucket("azure", url))) < 120 * MIB


def test_pieces_may_come_from_an_object_store_themselves(saver: ObjectStoreSaver) -> None:
    saver.save_stream(pieces(), "m")
    saver.save_stream(saver.load_stream("m"), "copy")
    assert digest(saver.load_stream("copy")) == digest(pieces())


def test_a_process_forked_after_the_first_use_is_told_so(object_stores: ObjectStores) -> None:
    url = object_stores.url("s3")
    program = (
        "import os, sys\n"
        "from tests.object_stores import open_saver\n"
        "saver = open_saver('s3', *sys.argv[1:])\n"
        "if os.fork() == 0:\n"
        "    saver.save(b'x', 'm')\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "saver.load('m')\n"
        "if os.fork() == 0:\n"
        "    try:\n"
        "        saver.load('m')\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    told = python(program, url, make_bucket("s3", url))
    assert told.startswith("StoreUnavailableError")
    assert "forked" in told


def python(program: str, *arguments: str) -> str:
    """What a program prints in a new interpreter."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
