"""Is every byte of a file given out once, in order, and known when it is there?"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chariots.transfer.pieces import Pieces

MEBIBYTE = 2**20


@given(
    size=st.integers(0, 40 * MEBIBYTE),
    prefix=st.integers(0, 10 * MEBIBYTE),
    cuts=st.lists(st.integers(0, 40 * MEBIBYTE), max_size=8),
    seed=st.integers(0, 1000),
)
def test_what_is_missing_is_given_out_once(size: int, prefix: int, cuts: list[int], seed: int) -> None:
    prefix = min(prefix, size)
    bounds = sorted(min(cut, size) for cut in cuts)
    spans = list(zip(bounds[::2], bounds[1::2], strict=False))
    pieces, chance = Pieces(size, prefix, spans), random.Random(seed)
    there = set()
    taken: list[tuple[int, int]] = []
    position = pieces.there
    while not pieces.is_complete:
        piece = pieces.take(chance.randint(0, 9), chance.choice([0.0, 1e6, 1e9]))
        if piece is not None:
            taken.append(piece)
        start, stop = taken.pop(chance.randrange(len(taken)))
        half = chance.randint(start, stop)
        pieces.got(start, half)
        pieces.give_back(half, stop)
        assert (start, half) not in there or start == half
        there.add((start, half))
        position += half - start
        assert pieces.there == position
    assert pieces.there == pieces.frontier == size
    assert not pieces.has_free


@pytest.mark.parametrize(
    ("sharers", "rate", "most"), [(1, 0.0, 1), (1, 1e9, 32), (2, 1e9, 16), (84, 20e6, 4), (0, 0.0, 1000)]
)
def test_a_piece_takes_a_while_and_not_longer(sharers: int, rate: float, most: int) -> None:
    piece = Pieces(1000 * MEBIBYTE).take(sharers, rate)
    assert piece == (0, most * MEBIBYTE)


def test_the_last_pieces_are_small() -> None:
    pieces, sizes = Pieces(10 * MEBIBYTE), []
    while (piece := pieces.take(4, 1e9)) is not None:
        sizes.append(piece[1] - piece[0])
    assert sizes == sorted(sizes, reverse=True) or sizes[:-1] == sorted(sizes[:-1], reverse=True)
    assert max(sizes[-3:]) <= MEBIBYTE // 2


def test_without_ranges_all_from_the_first_gap_on_is_one_piece() -> None:
    pieces = Pieces(10 * MEBIBYTE)
    first, second = pieces.take(2), pieces.take(2)
    assert first is not None
    assert second is not None
    pieces.got(0, 1000)
    pieces.got(*second)
    pieces.only_in_order()
    assert pieces.there == 1000
    assert pieces.take(0) == (1000, 10 * MEBIBYTE)
    assert pieces.take(0) is None
