"""Do the files of a manifest come into a directory, complete, right and only once?"""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import pytest

from chariots.errors import (
    ConflictError,
    DamagedError,
    ExpiredError,
    ForbiddenError,
    InputError,
    StoreError,
    UnauthorizedError,
    UnknownNameError,
    UnreachableError,
)
from chariots.transfer import HttpResolution, LazyDataResolver, Manifest, Pointer, Progress, TransferSettings, resolve
from tests.transfer.conftest import MEBIBYTE, files_in, pointer, served, some_bytes
from tests.transfer.hostile import Fault, HostileServer

BIG = some_bytes(20 * MEBIBYTE + 17)
SMALL = some_bytes(100_000, seed=2)


@pytest.mark.parametrize("data", [BIG, SMALL, b"", b"x", some_bytes(4 * MEBIBYTE), some_bytes(4 * MEBIBYTE + 1)])
@pytest.mark.parametrize("verify", [True, False])
def test_a_file_comes_whole(server: HostileServer, target: Path, data: bytes, verify: bool) -> None:
    manifest = served(server, "a.bin", data)
    assert resolve(target, manifest=manifest, verify=verify) == target
    assert files_in(target) == {"a.bin": data}
    assert server.bytes_sent() == len(data)


def test_a_large_file_comes_over_several_connections_and_a_small_one_in_one_piece(
    server: HostileServer, target: Path
) -> None:
    resolve(target, manifest=served(server, "a.bin", BIG, rate=5e6))
    assert server.connections > 2
    server.forget()
    resolve(target, manifest=served(server, "b.bin", SMALL))
    assert len(server.requests("/b.bin")) == 1


def test_many_files_in_folders_come(server: HostileServer, target: Path) -> None:
    files = {f"f{number % 7}/deep/{number}.bin": some_bytes(3000 + number, seed=number) for number in range(300)}
    files["f0/large.bin"] = BIG
    pointers = []
    for name, data in files.items():
        server.put(f"/{name}", data)
        pointers.append(pointer(server.url(f"/{name}"), name, data))
    resolve(target, manifest=Manifest(tuple(pointers)))
    assert files_in(target) == files
    assert server.bytes_sent() == sum(map(len, files.values()))
    assert not list((target / ".chariots-transfer").glob("*.part"))


def test_what_is_there_is_not_asked_for_again(server: HostileServer, target: Path) -> None:
    manifest = served(server, "a.bin", BIG)
    resolve(target, manifest=manifest)
    server.stop()
    resolve(target, manifest=manifest)
    (target / "moved").mkdir()
    (target / "a.bin").rename(target / "moved" / "a.bin")
    with pytest.raises(UnreachableError, match=r"a\.bin"):
        resolve(target, manifest=manifest)


def test_a_file_that_somebody_else_has_put_there_is_looked_into(server: HostileServer, target: Path) -> None:
    manifest = served(server, "a.bin", BIG)
    target.mkdir()
    (target / "a.bin").write_bytes(BIG)
    resolve(target, manifest=manifest)
    assert server.requests("/a.bin") == []


@pytest.mark.parametrize(
    "wrong", [b"", BIG[:-1], BIG + b"x", b"\0" * len(BIG)], ids=["empty", "short", "long", "other"]
)
def test_a_wrong_file_is_replaced(server: HostileServer, target: Path, wrong: bytes) -> None:
    manifest = served(server, "a.bin", BIG)
    target.mkdir()
    (target / "a.bin").write_bytes(wrong)
    resolve(target, manifest=manifest)
    assert files_in(target) == {"a.bin": BIG}


def test_a_file_that_was_changed_afterwards_is_fetched_again(server: HostileServer, target: Path) -> None:
    manifest = served(server, "a.bin", SMALL)
    resolve(target, manifest=manifest)
    changed = bytearray(SMALL)
    changed[5] ^= 1
    (target / "a.bin").write_bytes(changed)
    resolve(target, manifest=manifest)
    assert files_in(target) == {"a.bin": SMALL}


HASHES = {
    "sha256": hashlib.sha256(BIG).hexdigest(),
    "sha1": hashlib.sha1(BIG).hexdigest(),
    "md5": hashlib.md5(BIG).hexdigest(),
    "git-sha1": hashlib.sha1(b"blob %d\0" % len(BIG) + BIG).hexdigest(),
}


@pytest.mark.parametrize(
    ("hashtype", "digest"),
    [
        *HASHES.items(),
        ("etag", HASHES["sha256"].upper()),
        ("etag", f'"{HASHES["git-sha1"]}"'),
        ("etag", f"_{HASHES['md5']}_"),
        ("SHA256", HASHES["sha256"]),
    ],
)
def test_every_hash_that_is_one_of_the_bytes_is_checked(
    server: HostileServer, target: Path, hashtype: str, digest: str
) -> None:
    server.put("/a.bin", BIG)
    right = pointer(server.url("/a.bin"), "a.bin", BIG, hashtype=hashtype, hash=digest)
    resolve(target, manifest=Manifest((right,)))
    assert files_in(target) == {"a.bin": BIG}
    other = some_bytes(len(BIG), seed=9)
    server.put("/a.bin", other)
    (target / "a.bin").unlink()
    with pytest.raises(DamagedError, match=r"'a\.bin' is not what the manifest says.*make a new manifest"):
        resolve(target, manifest=Manifest((right,)))
    assert files_in(target) == {}


def test_blake3_is_checked(server: HostileServer, target: Path) -> None:
    from blake3 import blake3

    server.put("/a.bin", BIG)
    digest = blake3(BIG).hexdigest()
    resolve(target, manifest=Manifest((pointer(server.url("/a.bin"), "a.bin", BIG, hashtype="blake3", hash=digest),)))
    wrong = pointer(server.url("/a.bin"), "b.bin", BIG, hashtype="blake3", hash="0" * 64)
    with pytest.raises(DamagedError):
        resolve(target, manifest=Manifest((wrong,)))
    assert files_in(target) == {"a.bin": BIG}


def test_an_opaque_hash_is_compared_with_what_the_server_says(server: HostileServer, target: Path) -> None:
    server.put("/a.bin", BIG, etag='"version-7"')
    right = pointer(server.url("/a.bin"), "a.bin", BIG, hashtype="etag", hash="version-7")
    resolve(target, manifest=Manifest((right,)))
    assert files_in(target) == {"a.bin": BIG}
    stale = pointer(server.url("/a.bin"), "b.bin", BIG, hashtype="etag", hash="version-6")
    with pytest.raises(ConflictError, match=r"'b\.bin' has changed at .*'?\"version-7\".*version-6"):
        resolve(target, manifest=Manifest((stale,)))
    assert files_in(target) == {"a.bin": BIG}


def test_an_entity_tag_that_only_looks_like_a_hash_is_found_out(
    server: HostileServer, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tag = "0123456789abcdef0123456789abcdef"  # as S3 gives them to objects that it encrypts with keys of KMS
    server.put("/a.bin", BIG, etag=f'"{tag}"')
    encrypted = Manifest((pointer(server.url("/a.bin"), "a.bin", BIG, hashtype="etag", hash=tag),))
    resolve(target, manifest=encrypted)
    assert files_in(target) == {"a.bin": BIG}
    assert "is no MD5 of its bytes" in caplog.text
    assert server.bytes_sent() == 2 * len(BIG)
    resolve(target, manifest=encrypted)
    assert server.bytes_sent() == 2 * len(BIG)
    for manners in ({"etag": '"another"'}, {"etag": f'"{tag}"', "faults": [Fault(flip_at=7, first=1)]}):
        server.put("/b.bin", BIG, **manners)
        told = Manifest((pointer(server.url("/b.bin"), "b.bin", BIG, hashtype="etag", hash=tag),))
        if "faults" in manners:
            resolve(target, manifest=told)
            assert files_in(target) == {"a.bin": BIG, "b.bin": BIG}
        else:
            with pytest.raises(DamagedError):
                resolve(target, manifest=told)


def test_a_gated_repository_is_called_so(server: HostileServer, target: Path) -> None:
    server.put("/a.bin", BIG, faults=[Fault(status=403)], headers={"X-Error-Code": "GatedRepo"})
    with pytest.raises(ForbiddenError, match="accept its terms"):
        resolve(target, manifest=Manifest((pointer(server.url("/a.bin"), "a.bin", BIG),)))


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, UnauthorizedError, "secret"),
        (403, ForbiddenError, "token"),
        (404, UnknownNameError, "no such file"),
        (410, UnknownNameError, "no such file"),
        (418, UnreachableError, "418"),
    ],
)
def test_a_refusal_is_told_at_once(
    server: HostileServer, target: Path, status: int, error: type[Exception], words: str
) -> None:
    server.put("/a.bin", BIG, faults=[Fault(status=status)])
    manifest = Manifest((pointer(server.url("/a.bin") + "?signature=geheim", "a.bin", BIG),))
    with pytest.raises(error, match=words) as caught:
        resolve(target, manifest=manifest)
    assert "geheim" not in str(caught.value)
    assert files_in(target) == {}
    assert len(server.requests("/a.bin")) <= 2


def test_an_expired_address_is_tried_and_then_called_expired(server: HostileServer, target: Path) -> None:
    server.put("/a.bin", SMALL)
    data = pointer("", "a.bin", SMALL)

    def expired(url: str) -> Manifest:
        return Manifest((Pointer(HttpResolution(url, 1000), "a", "a.bin", "sha256", data.hash, data.size),))

    resolve(target, manifest=expired(server.url("/a.bin")))
    server.put("/b.bin", SMALL, signed=True)
    with pytest.raises(ExpiredError, match="make a new manifest"):
        resolve(target / "other", manifest=expired(server.url("/b.bin")))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/a", "file:///etc/passwd", "a.bin", "https://", "http://user:password@127.0.0.1/a",
        "http://example.com/a.bin", "http://127.0.0.1:99999/a", "http://127.0.0.1/a\r\nX: y",
    ],
)  # fmt: skip
def test_an_address_that_may_not_be_used_is_refused(target: Path, url: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve(target, manifest=Manifest((pointer(url, "a.bin", b"x"),)))
    assert "password@" not in str(caught.value)
    assert files_in(target) == {}


@pytest.mark.parametrize(
    "name",
    ["../a", "a/../../b", "/etc/a", "", ".", "..", "a\0b", "a\\b", "a\nb", "x" * 300, ".chariots-transfer/a", "a/"],
)
def test_no_file_is_written_elsewhere(server: HostileServer, tmp_path: Path, name: str) -> None:
    target = tmp_path / "inside" / "target"
    server.put("/a.bin", SMALL)
    manifest = Manifest((pointer(server.url("/a.bin"), name, SMALL),))
    if name == "a/":
        resolve(target, manifest=manifest)
        assert files_in(target) == {"a": SMALL}
        return
    with pytest.raises(InputError, match="file name"):
        resolve(target, manifest=manifest)
    assert files_in(tmp_path) == {}


def test_an_absolute_name_below_the_directory_is_one_within_it(server: HostileServer, target: Path) -> None:
    server.put("/a.bin", SMALL)
    resolve(target, manifest=Manifest((pointer(server.url("/a.bin"), f"{target}/model/a.bin", SMALL),)))
    assert files_in(target) == {"model/a.bin": SMALL}


def test_the_directory_that_manifests_are_usually_written_for_stands_for_any(
    server: HostileServer, target: Path
) -> None:
    server.put("/a.bin", SMALL)
    resolve(target, manifest=Manifest((pointer(server.url("/a.bin"), "/app/model_cache/model/a.bin", SMALL),)))
    assert files_in(target) == {"model/a.bin": SMALL}
    with pytest.raises(InputError, match="leads out of"):
        resolve(target, manifest=Manifest((pointer(server.url("/a.bin"), "/app/model_cache/../../etc/a", SMALL),)))


def test_links_are_not_followed(server: HostileServer, tmp_path: Path, target: Path) -> None:
    server.put("/a.bin", SMALL)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"kept")
    target.mkdir()
    (target / "folder").symlink_to(outside)
    with pytest.raises(InputError, match="link"):
        resolve(target, manifest=Manifest((pointer(server.url("/a.bin"), "folder/a.bin", SMALL),)))
    (target / "a.bin").symlink_to(outside / "kept")
    resolve(target, manifest=Manifest((pointer(server.url("/a.bin"), "a.bin", SMALL),)))
    assert not (target / "a.bin").is_symlink()
    assert files_in(outside) == {"kept": b"kept"}


def test_names_that_contradict_each_other_are_refused(server: HostileServer, target: Path) -> None:
    url = server.url("/a.bin")
    server.put("/a.bin", SMALL)
    with pytest.raises(InputError, match=r"different bytes.*'a'"):
        Manifest((pointer(url, "a", SMALL), pointer(url, "a", BIG)))
    for first, second in (("a", "./a"), ("a", f"{target}/a")):
        with pytest.raises(InputError, match="mean the same file"):
            resolve(target, manifest=Manifest((pointer(url, first, SMALL), pointer(url, second, BIG))))
    with pytest.raises(InputError, match="as a folder"):
        resolve(target, manifest=Manifest((pointer(url, "a", SMALL), pointer(url, "a/b", SMALL))))
    (target / "d").mkdir(parents=True)
    with pytest.raises(InputError, match="is a folder"):
        resolve(target, manifest=Manifest((pointer(url, "d", SMALL),)))


def test_a_directory_that_cannot_be_is_told(server: HostileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="Give a directory that can be written into"):
        resolve(tmp_path / "file" / "target", manifest=served(server, "a.bin", SMALL))


def test_progress_is_told_from_the_beginning_to_the_end(server: HostileServer, target: Path) -> None:
    told: list[Progress] = []
    manifest = served(server, "a.bin", BIG, rate=10e6)
    resolve(target, manifest=manifest, settings=TransferSettings(range_download_workers=2), progress=told.append)
    last = told[-1]
    assert (last.files, last.files_done, last.size, last.there, last.is_over) == (1, 1, len(BIG), len(BIG), True)
    assert [one.there for one in told] == sorted(one.there for one in told)
    assert any(0 < one.there < len(BIG) and one.rate > 0 for one in told)


def test_the_log_tells_how_far_it_is(server: HostileServer, target: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = TransferSettings(download_monitor_secs=0.01, range_download_workers=2)
    with caplog.at_level("INFO", "chariots.transfer"):
        resolve(target, manifest=served(server, "a.bin", BIG, rate=10e6), settings=settings)
    lines = [record.message for record in caplog.records if record.message.startswith("transfer files=")]
    assert lines
    assert all("/1 bytes=" in line and f"/{len(BIG)} " in line and "rate_mb_s=" in line for line in lines)


def test_one_plain_request_where_ranges_are_switched_off(server: HostileServer, target: Path) -> None:
    settings = TransferSettings(use_range_download=False)
    resolve(target, manifest=served(server, "a.bin", BIG), settings=settings)
    (asked,) = server.requests("/a.bin")
    assert "range" not in asked.headers
    assert files_in(target) == {"a.bin": BIG}


def test_never_more_connections_than_the_settings_allow(server: HostileServer, target: Path) -> None:
    settings = TransferSettings(range_download_workers=3, range_download_workers_per_file=2)
    manifests = [served(server, f"{number}.bin", BIG, rate=10e6) for number in range(2)]
    resolve(target, manifest=Manifest.merged(manifests), settings=settings)
    assert server.most_at_once <= 3


def test_a_resolver_in_the_background_is_waited_for(server: HostileServer, target: Path) -> None:
    released = threading.Event()
    manifest = served(server, "a.bin", BIG, faults=[Fault(stall_after=1000, until=released, first=1)])
    resolver = LazyDataResolver(target, manifest=manifest)
    assert not resolver.is_done
    with pytest.raises(TimeoutError, match="they come all the same"):
        resolver.wait(0.01)
    released.set()
    assert resolver.wait(60) == target
    assert files_in(target) == {"a.bin": BIG}
    failing = LazyDataResolver(target / "b", manifest=Manifest((pointer(server.url("/none"), "b", SMALL),)))
    with pytest.raises(UnknownNameError):
        failing.wait(60)


def test_two_at_a_time_fetch_a_file_once(server: HostileServer, target: Path) -> None:
    manifest = served(server, "a.bin", BIG, rate=40e6)
    resolvers = [LazyDataResolver(target, manifest=manifest) for _ in range(4)]
    for resolver in resolvers:
        resolver.wait(60)
    assert files_in(target) == {"a.bin": BIG}
    assert server.bytes_sent() == len(BIG)


def test_nothing_is_left_running(server: HostileServer, target: Path) -> None:
    before = set(threading.enumerate())
    resolve(target, manifest=served(server, "a.bin", BIG))
    with pytest.raises(UnknownNameError):
        resolve(target, manifest=Manifest((pointer(server.url("/none"), "b", BIG),)))
    deadline = time.monotonic() + 10
    while {one for one in threading.enumerate() if one.name.startswith("transfer")} - before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    links = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert [link for link in links if link.is_relative_to(target)] == []
