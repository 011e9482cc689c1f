"""Does the cache give files to many directories, never a wrong one, and give up what nobody needs?"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from chariots.transfer import LazyDataResolver, Manifest, TransferSettings, cache, resolve
from tests.transfer.conftest import MEBIBYTE, files_in, pointer, served, sha256, some_bytes
from tests.transfer.hostile import HostileServer

BIG = some_bytes(9 * MEBIBYTE)
SMALL = some_bytes(30_000, seed=2)


@pytest.fixture
def settings(tmp_path: Path) -> TransferSettings:
    return TransferSettings(cache_enabled=True, cache_dir=tmp_path / "cache", expected_speed_mbps=0.001)


def entry(settings: TransferSettings, data: bytes) -> Path:
    return settings.cache_dir / f"sha256-{sha256(data)}"


@pytest.mark.parametrize("data", [BIG, SMALL], ids=["large", "small"])
def test_a_second_directory_gets_the_file_without_a_request(
    server: HostileServer, tmp_path: Path, settings: TransferSettings, data: bytes
) -> None:
    manifest = served(server, "sub/a.bin", data)
    for name in ("one", "two"):
        resolve(tmp_path / name, manifest=manifest, settings=settings)
        assert files_in(tmp_path / name) == {"sub/a.bin": data}
    assert server.bytes_sent() == len(data)
    assert (tmp_path / "one/sub/a.bin").samefile(tmp_path / "two/sub/a.bin")
    assert files_in(settings.cache_dir) == {f"sha256-{sha256(data)}": data}


def test_a_file_of_the_cache_that_was_changed_is_never_served(
    server: HostileServer, tmp_path: Path, settings: TransferSettings
) -> None:
    manifest = served(server, "a.bin", BIG)
    resolve(tmp_path / "one", manifest=manifest, settings=settings)
    place = entry(settings, BIG)
    before = place.stat()
    place.chmod(0o644)
    with place.open("r+b") as file:
        file.seek(1000)
        file.write(b"poison")
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    resolve(tmp_path / "two", manifest=manifest, settings=settings)
    assert files_in(tmp_path / "two") == {"a.bin": BIG}
    assert place.read_bytes() == BIG


def test_files_of_the_cache_cannot_be_written_by_accident(
    server: HostileServer, tmp_path: Path, settings: TransferSettings
) -> None:
    resolve(tmp_path / "one", manifest=served(server, "a.bin", SMALL), settings=settings)
    assert stat.S_IMODE((tmp_path / "one/a.bin").stat().st_mode) & 0o222 == 0


def test_two_names_of_the_same_bytes_are_fetched_once(
    server: HostileServer, tmp_path: Path, settings: TransferSettings
) -> None:
    server.put("/a.bin", BIG, rate=40e6)
    pointers = [pointer(server.url("/a.bin"), f"{name}.bin", BIG) for name in "abc"]
    resolve(tmp_path / "one", manifest=Manifest(tuple(pointers)), settings=settings)
    assert files_in(tmp_path / "one") == {f"{name}.bin": BIG for name in "abc"}
    assert server.bytes_sent() == len(BIG)


def test_several_at_a_time_share_one_fetch(server: HostileServer, tmp_path: Path, settings: TransferSettings) -> None:
    manifest = served(server, "a.bin", BIG, rate=20e6)
    resolvers = [LazyDataResolver(tmp_path / name, manifest=manifest, settings=settings) for name in "abcd"]
    for resolver in resolvers:
        assert files_in(resolver.wait(60)) == {"a.bin": BIG}
    assert server.bytes_sent() == len(BIG)


def test_what_cannot_be_checked_is_not_kept(server: HostileServer, tmp_path: Path, settings: TransferSettings) -> None:
    server.put("/a.bin", SMALL, etag='"opaque"')
    opaque = Manifest((pointer(server.url("/a.bin"), "a.bin", SMALL, hashtype="etag", hash="opaque"),))
    for name in ("one", "two"):
        resolve(tmp_path / name, manifest=opaque, settings=settings)
        assert files_in(tmp_path / name) == {"a.bin": SMALL}
    assert files_in(settings.cache_dir) == {}
    assert len(server.requests("/a.bin")) == 2


def test_where_there_are_no_hard_links_there_are_others(
    server: HostileServer, tmp_path: Path, settings: TransferSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(cache.os, "link", no_links)
    manifest = served(server, "a.bin", SMALL)
    for _ in range(2):
        resolve(tmp_path / "one", manifest=manifest, settings=settings)
        assert (tmp_path / "one/a.bin").is_symlink()
        assert files_in(tmp_path / "one") == {"a.bin": SMALL}
    assert len(server.requests("/a.bin")) == 1
    # Without the cache a link is none of ours, and its file is no longer known to be right.
    resolve(tmp_path / "one", manifest=manifest, settings=replace(settings, cache_enabled=False))
    assert not (tmp_path / "one/a.bin").is_symlink()


def aged(path: Path, hours: float) -> None:
    moment = time.time() - hours * 3600
    os.utime(path, (moment, moment))


def test_what_nobody_has_used_for_long_is_removed(
    server: HostileServer, tmp_path: Path, settings: TransferSettings
) -> None:
    other = some_bytes(1000, seed=5)
    for name, data in (("a.bin", SMALL), ("b.bin", other), ("c.bin", b"kept")):
        resolve(tmp_path / name, manifest=served(server, name, data), settings=settings)
    aged(entry(settings, SMALL), 97)
    aged(entry(settings, other), 95)
    aged(entry(settings, b"kept"), 500)
    stale = settings.cache_dir / ".chariots-transfer" / "left.part"
    stale.write_bytes(b"x")
    aged(stale, 97)
    resolve(tmp_path / "again", manifest=served(server, "c.bin", b"kept"), settings=settings)
    assert set(files_in(settings.cache_dir)) == {f"sha256-{sha256(other)}", f"sha256-{sha256(b'kept')}"}
    assert not stale.exists()
    assert (tmp_path / "a.bin/a.bin").read_bytes() == SMALL  # who has a file keeps it


def test_to_use_a_file_keeps_it(server: HostileServer, tmp_path: Path, settings: TransferSettings) -> None:
    resolve(tmp_path / "one", manifest=served(server, "a.bin", SMALL), settings=settings)
    aged(entry(settings, SMALL), 500)
    resolve(tmp_path / "two", manifest=served(server, "a.bin", SMALL), settings=settings)
    resolve(tmp_path / "three", manifest=served(server, "b.bin", b"other"), settings=settings)
    assert entry(settings, SMALL).exists()
    resolve(tmp_path / "one", manifest=served(server, "a.bin", SMALL), settings=settings)
    assert len(server.requests("/a.bin")) == 1


def test_the_oldest_goes_where_there_is_too_much(
    server: HostileServer, tmp_path: Path, settings: TransferSettings
) -> None:
    limited = replace(settings, cache_max_stale_gb=0.00007)
    for number in range(4):
        data = some_bytes(30_000, seed=number)
        resolve(tmp_path / str(number), manifest=served(server, f"{number}.bin", data), settings=settings)
        aged(entry(settings, data), 10 - number)
    resolve(tmp_path / "now", manifest=served(server, "now.bin", some_bytes(90_000, seed=9)), settings=limited)
    kept = [number for number in range(4) if entry(settings, some_bytes(30_000, seed=number)).exists()]
    assert kept == [2, 3]


def test_a_cache_that_is_slower_than_a_download_is_not_used(
    server: HostileServer, tmp_path: Path, settings: TransferSettings, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = served(server, "a.bin", BIG)
    resolve(tmp_path / "one", manifest=manifest, settings=settings)
    resolve(tmp_path / "two", manifest=manifest, settings=replace(settings, expected_speed_mbps=1e9))
    assert "it is not used this time" in caplog.text
    assert not (tmp_path / "one/a.bin").samefile(tmp_path / "two/a.bin")
    assert files_in(tmp_path / "two") == {"a.bin": BIG}
