"""Is the hash of a file that of its bytes, however they come, and are those in memory not read again?"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from chariots.transfer.buffers import BUFFER, BUFFERS
from chariots.transfer.hashing import Hashing
from tests.transfer.conftest import some_bytes

STEP = 100_000
DATA = some_bytes(8 * STEP)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "part"
    path.write_bytes(DATA)
    return path


def hand_over(hashing: Hashing, position: int) -> bool:
    """Gives the bytes at an offset, if they are wanted."""
    if not hashing.is_next(position):
        return False
    buffer = BUFFERS.take()
    buffer[:STEP] = DATA[position : position + STEP]
    hashing.hand_over(buffer, STEP)
    return True


def hash_all(hashing: Hashing, frontier: int, place: Path) -> None:
    with place.open("rb") as file:
        while (batch := hashing.take(frontier)) is not None:
            batch.hash(file.fileno())
            hashing.hashed = batch.stop


def test_bytes_in_order_are_hashed_from_memory(place: Path) -> None:
    place.write_bytes(b"")  # nothing could be read
    hashing = Hashing(hashlib.sha256())
    for position in range(0, len(DATA), STEP):
        assert hand_over(hashing, position)
        if position % (3 * STEP) == 0:
            hash_all(hashing, position + STEP, place)
    hash_all(hashing, len(DATA), place)
    assert hashing.hasher is not None
    assert hashing.hasher.hexdigest() == hashlib.sha256(DATA).hexdigest()


def test_what_came_out_of_order_is_read_from_the_file(place: Path) -> None:
    hashing = Hashing(hashlib.sha256())
    assert not hand_over(hashing, STEP)  # the first bytes are missing
    assert hand_over(hashing, 0)
    hash_all(hashing, 2 * STEP, place)
    assert hashing.hashed == 2 * STEP
    assert not hand_over(hashing, STEP)
    assert hand_over(hashing, 2 * STEP)  # it has caught up
    assert not hand_over(hashing, 2 * STEP)
    hash_all(hashing, len(DATA), place)
    assert hashing.hasher is not None
    assert hashing.hasher.hexdigest() == hashlib.sha256(DATA).hexdigest()


def test_what_comes_too_fast_waits(place: Path) -> None:
    hashing = Hashing(hashlib.sha256())
    handed = 0
    while not hashing.is_to_be_waited_for(handed):
        assert hand_over(hashing, handed)
        handed += STEP
    assert handed < len(DATA)
    hash_all(hashing, handed, place)
    assert not hashing.is_to_be_waited_for(handed)


def test_who_is_ahead_of_a_hash_that_never_waits_lets_it_catch_up(tmp_path: Path) -> None:
    data = some_bytes(16 * BUFFER)
    place = tmp_path / "part"
    place.write_bytes(data)
    hashing = Hashing(hashlib.sha256())
    assert not hashing.is_to_be_waited_for(len(data))
    hash_all(hashing, len(data) - BUFFER, place)
    assert hashing.is_to_be_waited_for(len(data))
    hashing.waited()
    assert not hashing.is_to_be_waited_for(len(data))


def test_a_file_that_has_lost_its_end_is_told(place: Path) -> None:
    hashing = Hashing(hashlib.sha256())
    place.write_bytes(DATA[:STEP])
    with pytest.raises(OSError, match="lost its end, from byte 100000 on"):
        hash_all(hashing, 2 * STEP, place)


def test_without_a_hash_nothing_is_wanted() -> None:
    hashing = Hashing(None)
    assert not hashing.is_next(0)
    assert not hashing.is_to_be_waited_for(0)
    assert hashing.take(STEP) is None
