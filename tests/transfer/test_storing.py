"""Is the disk set to work while a large file comes, and not only at its end?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chariots.transfer import resolve
from tests.transfer.conftest import MEBIBYTE, files_in, served, some_bytes
from tests.transfer.hostile import Fault, HostileServer


@pytest.mark.parametrize("faults", [[], [Fault(ignores_range=True)]], ids=["in pieces", "in one piece"])
def test_every_byte_is_on_its_way_to_the_disk_before_the_end(
    server: HostileServer, target: Path, monkeypatch: pytest.MonkeyPatch, faults: list[Fault]
) -> None:
    spans: list[tuple[int, int]] = []
    begin, wait = os.posix_fadvise, os.fsync

    def noted(fd: int, start: int, count: int, advice: int) -> None:
        spans.append((start, start + count))
        begin(fd, start, count, advice)

    def waited(fd: int) -> None:
        position = 0
        for start, stop in sorted(spans):
            assert start <= position
            position = max(position, stop)
        assert position == os.fstat(fd).st_size
        wait(fd)

    monkeypatch.setattr(os, "posix_fadvise", noted)
    monkeypatch.setattr(os, "fsync", waited)
    data = some_bytes(40 * MEBIBYTE + 3)
    resolve(target, manifest=served(server, "a.bin", data, faults=faults))
    assert files_in(target) == {"a.bin": data}
    assert len(spans) > 2
