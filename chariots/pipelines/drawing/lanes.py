"""Which way do links take that lead past many layers? (round by the right side, those of one node in one lane)"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Lanes", "Link", "lanes_of", "long_ones"]

MOST_PASSED = 12  # layers that a link passes between the boxes; one that would pass more takes a lane
FEW_PASSED, FEW = 2, 3  # the same where more than a few links of one node would pass more than a few layers
LANE_GAP = 14.0


class Link(NamedTuple):
    """A link between two nodes.

    Attributes:
        upstream: the node that is read.
        downstream: the node that reads it.
        output: the name of the output that is read, where the node has several places where lines leave.
    """

    upstream: str
    downstream: str
    output: str = ""


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes of long links.

    Attributes:
        links: the x of the lane of each long link.
        width: where the last lane is; 0 where there is none.
    """

    links: Mapping[Link, float]
    width: float

    def bends(
        self, link: Link, layer: Mapping[str, int], tops: Sequence[float], bottoms: Sequence[float]
    ) -> list[tuple[float, float]]:
        """Where a long link enters its lane, and where it leaves it.

        Args:
            link: the link.
            layer: the layer of each node.
            tops: where each layer begins.
            bottoms: where each layer ends.
        """
        x = self.links[link]
        return [(x, tops[layer[link.upstream] + 1]), (x, bottoms[layer[link.downstream] - 1])]


def long_ones(links: Sequence[Link], layer: Mapping[str, int]) -> set[Link]:
    """Which links take a lane.

    Args:
        links: all that lead down.
        layer: the layer of each node.
    """
    passed = {link: layer[link.downstream] - layer[link.upstream] - 1 for link in links}
    some = [link for link in links if passed[link] > FEW_PASSED]
    leaving = Counter((link.upstream, link.output) for link in some)
    arriving = Counter(link.downstream for link in some)
    return {
        link
        for link in some
        if passed[link] > MOST_PASSED or leaving[link.upstream, link.output] > FEW or arriving[link.downstream] > FEW
    }


def lanes_of(links: Sequence[Link], layer: Mapping[str, int], width: float) -> Lanes:
    """Gives long links their lanes: one for all that leave a node by one output, or for all that arrive at a node.

    Args:
        links: the long links.
        layer: the layer of each node.
        width: what the rest of the picture takes; the lanes lie to the right of it.
    """
    leaving = Counter((link.upstream, link.output) for link in links)
    arriving = Counter(link.downstream for link in links)
    bundles: dict[tuple[str, ...], list[Link]] = {}
    for link in links:
        source = (link.upstream, link.output)
        key = ("from", *source) if leaving[source] >= arriving[link.downstream] else ("to", link.downstream)
        bundles.setdefault(key, []).append(link)
    spans = sorted(
        (min(layer[link.upstream] for link in bundle), max(layer[link.downstream] for link in bundle), number)
        for number, bundle in enumerate(bundles.values())
    )
    ordered = list(bundles.values())
    taken: list[tuple[int, int]] = []  # until which layer, which lane
    free: list[int] = []
    count, found = 0, {}
    for begins, ends, number in spans:
        while taken and taken[0][0] < begins:
            heapq.heappush(free, heapq.heappop(taken)[1])
        if free:
            lane = heapq.heappop(free)
        else:
            lane, count = count, count + 1
        heapq.heappush(taken, (ends, lane))
        found.update(dict.fromkeys(ordered[number], width + (lane + 1.5) * LANE_GAP))
    return Lanes(found, width + (count + 0.5) * LANE_GAP if count else 0.0)
