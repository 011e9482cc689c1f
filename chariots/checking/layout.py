"""Where does each node of a pipeline go in a picture? (layers from top to bottom, few crossings)"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Box", "Layout", "Route", "place"]

LAYER_GAP = 62.0  # from the bottom of a box to the top of the next layer
BOX_GAP = 34.0
BOX_HEIGHT = 46.0
PASSAGE = 16.0  # the width that a line takes where it passes a layer
PORT_GAP = 22.0  # between two lines at one box
SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Box:
    """The place of a node: the middle of its box, and how large it is."""

    x: float
    y: float
    width: float
    height: float = BOX_HEIGHT


@dataclass(frozen=True, slots=True)
class Route:
    """The way of a link: the points that it passes, from the upstream box to the downstream one."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of all nodes and the ways of all links, from (0, 0) to the given width and height."""

    boxes: Mapping[str, Box]
    routes: Mapping[tuple[str, str], Route]
    width: float
    height: float


def place(widths: Mapping[str, float], links: Sequence[tuple[str, str]]) -> Layout:
    """Places the nodes of a pipeline.

    Args:
        widths: the width of each node's box; nodes come after what they read, as they do in a pipeline.
        links: pairs of names, (upstream, downstream).

    Returns:
        the layout. A link that leads back up, as between two uses of one nested pipeline, is drawn as it comes.
    """
    if not widths:
        return Layout({}, {}, 0.0, 0.0)
    position = {name: number for number, name in enumerate(widths)}
    down = [link for link in dict.fromkeys(links) if position[link[0]] < position[link[1]]]
    layer = _layers(widths, down)
    chains = {link: _chain(link, layer) for link in down}
    rows, near = _rows(widths, layer, chains)
    for sweep in range(SWEEPS):
        _reorder(rows, near, downwards=sweep % 2 == 0)
    spaces = {item: widths[item] if isinstance(item, str) else PASSAGE for row in rows for item in row}
    across = _across(rows, near, spaces)
    heights = [BOX_HEIGHT / 2 + number * (BOX_HEIGHT + LAYER_GAP) for number in range(len(rows))]
    boxes = {name: Box(across[name], heights[layer[name]], widths[name]) for name in widths}
    passages = {link: [item for item in chain if isinstance(item, _Passage)] for link, chain in chains.items()}
    bends = {link: [(across[item], heights[item.layer]) for item in items] for link, items in passages.items()}
    routes = _routes(links, boxes, bends)
    width = max(box.x + box.width / 2 for box in boxes.values())
    bent = [x for route in routes.values() for x, _ in route.points]
    return Layout(boxes, routes, max([width, *bent]), heights[-1] + BOX_HEIGHT / 2)


def _routes(
    links: Sequence[tuple[str, str]],
    boxes: Mapping[str, Box],
    bends: Mapping[tuple[str, str], list[tuple[float, float]]],
) -> dict[tuple[str, str], Route]:
    """The ways of the links; those that meet at one box do so side by side, in the order in which they come."""
    unique = list(dict.fromkeys(links))
    leaving: dict[str, list[tuple[str, str]]] = {}
    arriving: dict[str, list[tuple[str, str]]] = {}
    for link in unique:
        leaving.setdefault(link[0], []).append(link)
        arriving.setdefault(link[1], []).append(link)
    first = {link: bends[link][0][0] if bends.get(link) else boxes[link[1]].x for link in unique}
    last = {link: bends[link][-1][0] if bends.get(link) else boxes[link[0]].x for link in unique}
    starts = {link: x for name, group in leaving.items() for link, x in _ports(boxes[name], group, first)}
    ends = {link: x for name, group in arriving.items() for link, x in _ports(boxes[name], group, last)}
    return {
        link: Route(
            (
                (starts[link], boxes[link[0]].y + BOX_HEIGHT / 2),
                *bends.get(link, ()),
                (ends[link], boxes[link[1]].y - BOX_HEIGHT / 2),
            )
        )
        for link in unique
    }


def _ports(
    box: Box, links: list[tuple[str, str]], towards: Mapping[tuple[str, str], float]
) -> list[tuple[tuple[str, str], float]]:
    step = min(PORT_GAP, 0.7 * box.width / len(links))
    ordered = sorted(links, key=towards.__getitem__)
    return [(link, box.x + (place - (len(ordered) - 1) / 2) * step) for place, link in enumerate(ordered)]


@dataclass(frozen=True, slots=True)
class _Passage:
    """The place where a link passes a layer."""

    link: tuple[str, str]
    layer: int


_Item: TypeAlias = str | _Passage  # a node by its name, or a passage


def _layers(widths: Mapping[str, float], links: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The layer of each node: one below the lowest that it reads; a source stands right above its first reader."""
    reads: dict[str, list[str]] = {name: [] for name in widths}
    readers: dict[str, list[str]] = {name: [] for name in widths}
    for upstream, downstream in links:
        reads[downstream].append(upstream)
        readers[upstream].append(downstream)
    layer: dict[str, int] = {}
    for name in widths:
        layer[name] = max((layer[upstream] + 1 for upstream in reads[name]), default=0)
    for name in widths:
        if not reads[name] and readers[name]:
            layer[name] = min(layer[reader] for reader in readers[name]) - 1
    return layer


def _chain(link: tuple[str, str], layer: Mapping[str, int]) -> list[_Item]:
    """A link as steps from one layer to the next."""
    between: list[_Item] = [_Passage(link, number) for number in range(layer[link[0]] + 1, layer[link[1]])]
    return [link[0], *between, link[1]]


def _rows(
    widths: Mapping[str, float], layer: Mapping[str, int], chains: Mapping[tuple[str, str], list[_Item]]
) -> tuple[list[list[_Item]], dict[_Item, tuple[list[_Item], list[_Item]]]]:
    """What stands in each layer, and what each item is joined to above and below."""
    rows: list[list[_Item]] = [[] for _ in range(max(layer.values()) + 1)]
    near: dict[_Item, tuple[list[_Item], list[_Item]]] = {}
    for name in widths:
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


def _reorder(
    rows: list[list[_Item]], near: Mapping[_Item, tuple[list[_Item], list[_Item]]], *, downwards: bool
) -> None:
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


def _across(
    rows: Sequence[Sequence[_Item]],
    near: Mapping[_Item, tuple[list[_Item], list[_Item]]],
    spaces: Mapping[_Item, float],
) -> dict[_Item, float]:
    """The x of every item: as straight above what it is joined to as its neighbours in the layer leave room for."""
    across: dict[_Item, float] = {}
    for row in rows:
        _spread(row, dict.fromkeys(row, 0.0), spaces, across)
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        for row in rows if downwards else reversed(rows):
            wished = {}
            for item in row:
                joined = near[item][0 if downwards else 1] or near[item][1 if downwards else 0]
                wished[item] = sum(across[one] for one in joined) / len(joined) if joined else across[item]
            _spread(row, wished, spaces, across)
    left = min(across[item] - spaces[item] / 2 for item in across)
    return {item: x - left for item, x in across.items()}


def _spread(
    row: Sequence[_Item], wished: Mapping[_Item, float], spaces: Mapping[_Item, float], across: dict[_Item, float]
) -> None:
    """Puts the items of a layer side by side, as near to where they wish to be as that goes.

    Items that would overlap are joined into a block, which stands where its members wish to be on average.
    """
    # Each block: the sum, over its members, of where it would begin for that one; how many; its width; its members
    # with the distance of their middle from its beginning.
    blocks: list[tuple[float, int, float, list[tuple[_Item, float]]]] = []
    for item in row:
        half = spaces[item] / 2
        block = (wished[item] - half, 1, spaces[item], [(item, half)])
        while blocks and blocks[-1][0] / blocks[-1][1] + blocks[-1][2] + BOX_GAP > block[0] / block[1]:
            total, count, width, members = blocks.pop()
            shift = width + BOX_GAP
            moved = [(one, middle + shift) for one, middle in block[3]]
            block = (total + block[0] - block[1] * shift, count + block[1], shift + block[2], members + moved)
        blocks.append(block)
    for total, count, _, members in blocks:
        for item, middle in members:
            across[item] = total / count + middle
