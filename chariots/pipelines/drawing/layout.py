"""Where does each node of a pipeline go in a picture? (layers from top to bottom, few crossings)

The time that this takes is about proportional to the number of links: a link that passes many layers goes round by the
side, in a lane that it shares with its likes, instead of taking a place in each of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from chariots.pipelines.drawing.lanes import Link, lanes_of, long_ones

__all__ = ["BOX_HEIGHT", "Box", "Layout", "Link", "Route", "Size", "place"]

LAYER_GAP = 62.0  # from the bottom of one layer to the top of the next
BOX_GAP = 34.0
BOX_HEIGHT = 46.0
PASSAGE = 8.0  # the width that a line takes where it passes a layer
PASSAGE_GAP = 12.0  # between two of them
PORT_GAP = 22.0  # between two lines at one box
WIDEST_LAYER = 1300.0  # of a small pipeline; what is wider stands in several rows
SWEEPS = 6


class Size(NamedTuple):
    """How much room a node takes."""

    width: float
    height: float = BOX_HEIGHT


@dataclass(frozen=True, slots=True)
class Box:
    """The place of a node: the middle of its box, and how large it is."""

    x: float
    y: float
    width: float
    height: float = BOX_HEIGHT

    @property
    def top(self) -> float:
        """Where lines arrive."""
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        """Where lines leave."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Route:
    """The way of a link: the points that it passes, from the upstream box to the downstream one."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of all nodes and the ways of all links, from (0, 0) to the given width and height."""

    boxes: Mapping[str, Box]
    routes: Mapping[Link, Route]
    width: float
    height: float


def place(
    sizes: Mapping[str, Size], links: Iterable[Link], ports: Mapping[str, Mapping[str, float]] | None = None
) -> Layout:
    """Places the nodes of a pipeline.

    Args:
        sizes: the size of each node's box; nodes come after what they read, as they do in a pipeline.
        links: the links.
        ports: for nodes whose outputs leave at places of their own, how far right of its middle each does, by the name
            of the output.

    Returns:
        the layout. A link that leads back up, as between two uses of one nested pipeline, is drawn as it comes.
    """
    if not sizes:
        return Layout({}, {}, 0.0, 0.0)
    unique = list(dict.fromkeys(links))
    position = {name: number for number, name in enumerate(sizes)}
    down = [link for link in unique if position[link.upstream] < position[link.downstream]]
    layer = _folded(_layers(sizes, down), sizes)
    long = long_ones(down, layer)
    chains = {link: _chain(link, layer) for link in down if link not in long}
    rows, near = _rows(sizes, layer, chains)
    for sweep in range(SWEEPS):
        _reorder(rows, near, downwards=sweep % 2 == 0)
    across = _across(rows, near, sizes)
    tops, bottoms = _heights(rows, sizes)
    boxes = {name: Box(across[name], (tops[at] + bottoms[at]) / 2, *sizes[name]) for name, at in layer.items()}
    width = max(box.x + box.width / 2 for box in boxes.values())
    width = max([width, *(across[item] for item in across if isinstance(item, _Passage))])
    lanes = lanes_of([link for link in down if link in long], layer, width)
    bends = {
        link: [
            (across[item], at)
            for item in chain
            if isinstance(item, _Passage)
            for at in (tops[item.layer], bottoms[item.layer])
        ]
        for link, chain in chains.items()
    }
    bends.update((link, lanes.bends(link, layer, tops, bottoms)) for link in lanes.links)
    routes = _routes(unique, boxes, bends, ports or {}, _Levels(lanes.links, layer, tops, bottoms))
    return Layout(boxes, routes, max(width, lanes.width), bottoms[-1])


class _Levels(NamedTuple):
    """Where each layer begins and ends, which one a node stands in, and which links have a lane."""

    lanes: Collection[Link]
    layer: Mapping[str, int]
    tops: Sequence[float]
    bottoms: Sequence[float]


def _routes(
    links: Sequence[Link],
    boxes: Mapping[str, Box],
    bends: Mapping[Link, list[tuple[float, float]]],
    ports: Mapping[str, Mapping[str, float]],
    levels: _Levels,
) -> dict[Link, Route]:
    """The ways of the links; those that meet at one box do so side by side, in the order in which they come."""
    leaving: dict[str, list[Link]] = {}
    arriving: dict[str, list[Link]] = {}
    for link in links:
        leaving.setdefault(link.upstream, []).append(link)
        arriving.setdefault(link.downstream, []).append(link)
    first = {link: bends[link][0][0] if bends.get(link) else boxes[link.downstream].x for link in links}
    last = {link: bends[link][-1][0] if bends.get(link) else boxes[link.upstream].x for link in links}
    starts: dict[Link, float] = {}
    for name, group in leaving.items():
        own = ports.get(name, {})
        free = [link for link in group if link.output not in own]
        starts.update(_side_by_side(boxes[name], free, first, levels.lanes))
        starts.update((link, boxes[name].x + own[link.output]) for link in group if link.output in own)
    ends = {
        link: x for name, group in arriving.items() for link, x in _side_by_side(boxes[name], group, last, levels.lanes)
    }
    routes = {}
    for link in links:
        upstream, downstream = boxes[link.upstream], boxes[link.downstream]
        points = [(starts[link], upstream.bottom), (ends[link], downstream.top)]
        if levels.layer[link.upstream] < levels.layer[link.downstream]:
            # A line bends between the layers only, so that it meets no box that is higher than its own.
            leaves = (starts[link], levels.bottoms[levels.layer[link.upstream]])
            arrives = (ends[link], levels.tops[levels.layer[link.downstream]])
            points = list(dict.fromkeys((points[0], leaves, *bends.get(link, ()), arrives, points[1])))
        routes[link] = Route(tuple(points))
    return routes


def _side_by_side(
    box: Box, links: list[Link], towards: Mapping[Link, float], lanes: Collection[Link]
) -> list[tuple[Link, float]]:
    if not links:
        return []
    # Lines that share a lane share their place at the box as well.
    groups: dict[tuple[float, Link | None], list[Link]] = {}
    for link in links:
        groups.setdefault((towards[link], None if link in lanes else link), []).append(link)
    step = min(PORT_GAP, 0.7 * box.width / len(groups))
    ordered = sorted(groups, key=lambda group: group[0])
    return [
        (link, box.x + (place - (len(ordered) - 1) / 2) * step)
        for place, group in enumerate(ordered)
        for link in groups[group]
    ]


@dataclass(frozen=True, slots=True)
class _Passage:
    """The place where a link passes a layer."""

    link: Link
    layer: int


_Item: TypeAlias = str | _Passage  # a node by its name, or a passage
_Near: TypeAlias = Mapping[_Item, tuple[list[_Item], list[_Item]]]


def _layers(sizes: Mapping[str, Size], links: Sequence[Link]) -> dict[str, int]:
    """The layer of each node: one below the lowest that it reads; a source stands right above its first reader."""
    reads: dict[str, list[str]] = {name: [] for name in sizes}
    readers: dict[str, list[str]] = {name: [] for name in sizes}
    for link in links:
        reads[link.downstream].append(link.upstream)
        readers[link.upstream].append(link.downstream)
    layer: dict[str, int] = {}
    for name in sizes:
        layer[name] = max((layer[upstream] + 1 for upstream in reads[name]), default=0)
    for name in sizes:
        if not reads[name] and readers[name]:
            layer[name] = min(layer[reader] for reader in readers[name]) - 1
    return layer


def _folded(layer: dict[str, int], sizes: Mapping[str, Size]) -> dict[str, int]:
    """The layers again, with those that are too wide to be looked at stood in several rows."""
    members: list[list[str]] = [[] for _ in range(max(layer.values()) + 1)]
    for name in sizes:
        members[layer[name]].append(name)
    area = sum((width + BOX_GAP) * (height + LAYER_GAP) for width, height in sizes.values())
    widest = max(WIDEST_LAYER, 1.3 * math.sqrt(area))
    folded, number = {}, 0
    for row in members:
        total = sum(sizes[name].width + BOX_GAP for name in row)
        share, filled = total / max(1, math.ceil(total / widest)), 0.0
        for name in row:
            if filled and filled + (sizes[name].width + BOX_GAP) / 2 > share:
                number, filled = number + 1, 0.0
            folded[name] = number
            filled += sizes[name].width + BOX_GAP
        number += 1
    return folded


def _chain(link: Link, layer: Mapping[str, int]) -> list[_Item]:
    """A link as steps from one layer to the next."""
    between = [_Passage(link, number) for number in range(layer[link.upstream] + 1, layer[link.downstream])]
    return [link.upstream, *between, link.downstream]


def _rows(
    sizes: Mapping[str, Size], layer: Mapping[str, int], chains: Mapping[Link, list[_Item]]
) -> tuple[list[list[_Item]], _Near]:
    """What stands in each layer, and what each item is joined to above and below."""
    rows: list[list[_Item]] = [[] for _ in range(max(layer.values()) + 1)]
    near: dict[_Item, tuple[list[_Item], list[_Item]]] = {}
    for name in sizes:
        rows[layer[name]].append(name)
        near[name] = ([], [])
    for chain in chains.values():
        for item in chain:
            if isinstance(item, _Passage):
                rows[item.layer].append(item)
                near[item] = ([], [])
        for above, below in itertools.pairwise(chain):
            near[above][1].append(below)
            near[below][0].append(above)
    return rows, near


def _reorder(rows: list[list[_Item]], near: _Near, *, downwards: bool) -> None:
    """Moves each item of a layer near the middle of what it is joined to, which leaves few crossings."""
    order = range(1, len(rows)) if downwards else range(len(rows) - 2, -1, -1)
    for number in order:
        other = rows[number - 1] if downwards else rows[number + 1]
        at = {item: place for place, item in enumerate(other)}
        middle = {}
        for place_now, item in enumerate(rows[number]):
            places = [at[joined] for joined in near[item][0 if downwards else 1]]
            middle[item] = sum(places) / len(places) if places else float(place_now)
        rows[number].sort(key=middle.__getitem__)


def _heights(rows: Sequence[Sequence[_Item]], sizes: Mapping[str, Size]) -> tuple[list[float], list[float]]:
    """Where each layer begins and where it ends."""
    tops, bottoms, y = [], [], 0.0
    for row in rows:
        tops.append(y)
        y += max(sizes[item].height for item in row if isinstance(item, str))
        bottoms.append(y)
        y += LAYER_GAP
    return tops, bottoms


def _across(rows: Sequence[Sequence[_Item]], near: _Near, sizes: Mapping[str, Size]) -> dict[_Item, float]:
    """The x of every item: as straight above what it is joined to as its neighbours in the layer leave room for."""
    half = {item: (sizes[item].width if isinstance(item, str) else PASSAGE) / 2 for row in rows for item in row}
    offsets = [_offsets(row, half) for row in rows]
    across: dict[_Item, float] = {}
    for row, side_by_side in zip(rows, offsets, strict=True):
        _spread(row, dict.fromkeys(row, 0.0), side_by_side, across)
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        numbers = range(len(rows)) if downwards else range(len(rows) - 1, -1, -1)
        for number in numbers:
            wished = {}
            for item in rows[number]:
                joined = near[item][0 if downwards else 1] or near[item][1 if downwards else 0]
                wished[item] = sum(across[one] for one in joined) / len(joined) if joined else across[item]
            _spread(rows[number], wished, offsets[number], across)
    left = min(across[item] - half[item] for item in across)
    return {item: x - left for item, x in across.items()}


def _offsets(row: Sequence[_Item], half: Mapping[_Item, float]) -> list[float]:
    """How far each item of a layer is from the first one, where all stand as near to one another as they may."""
    offsets = [0.0]
    for one, other in itertools.pairwise(row):
        are_boxes = isinstance(one, str) + isinstance(other, str)
        gap = (PASSAGE_GAP, BOX_GAP / 2 + PASSAGE_GAP / 2, BOX_GAP)[are_boxes]
        offsets.append(offsets[-1] + half[one] + gap + half[other])
    return offsets


def _spread(
    row: Sequence[_Item], wished: Mapping[_Item, float], offsets: Sequence[float], across: dict[_Item, float]
) -> None:
    """Puts the items of a layer side by side, as near to where they wish to be as that goes.

    Items that would overlap are joined into a block, which stands where its members wish to be on average (the pooling
    of adjacent violators).
    """
    blocks: list[tuple[float, int]] = []  # the sum of what its members wish for their block, and how many they are
    for item, offset in zip(row, offsets, strict=True):
        total, count = wished[item] - offset, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
            more, others = blocks.pop()
            total, count = total + more, count + others
        blocks.append((total, count))
    at = itertools.chain.from_iterable(itertools.repeat(total / count, count) for total, count in blocks)
    for item, offset, x in zip(row, offsets, at, strict=True):
        across[item] = x + offset
