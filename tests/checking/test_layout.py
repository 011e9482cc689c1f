"""Do pictures of pipelines keep their boxes apart and their links downwards?"""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from chariots.checking.layout import BOX_HEIGHT, Layout, place


def numbered(count: int, pairs: list[tuple[int, int]]) -> list[tuple[str, str]]:
    """Links between nodes named by numbers, from the smaller to the greater."""
    found = {(min(pair) % count, max(pair) % count) for pair in pairs}
    return [(str(first), str(second)) for first, second in sorted(found) if first < second]


def overlapping(layout: Layout) -> list[tuple[str, str]]:
    """The pairs of boxes that lie on one another."""
    return [
        (first, second)
        for (first, one), (second, other) in combinations(layout.boxes.items(), 2)
        if abs(one.x - other.x) < (one.width + other.width) / 2 and abs(one.y - other.y) < BOX_HEIGHT
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(20, 300), min_size=1, max_size=14),
    st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13)), max_size=30),
)
def test_boxes_lie_apart_inside_of_the_picture_and_links_lead_down(
    sizes: list[float], pairs: list[tuple[int, int]]
) -> None:
    widths = {str(number): size for number, size in enumerate(sizes)}
    links = numbered(len(sizes), pairs)
    layout = place(widths, links)
    assert overlapping(layout) == []
    for box in layout.boxes.values():
        assert box.x - box.width / 2 >= -1e-6
        assert box.x + box.width / 2 <= layout.width + 1e-6
        assert box.y + BOX_HEIGHT / 2 <= layout.height + 1e-6
    assert set(layout.routes) == set(links)
    for route in layout.routes.values():
        heights = [y for _, y in route.points]
        assert heights == sorted(heights)
        assert all(-1e-6 <= x <= layout.width + 1e-6 for x, _ in route.points)


def test_a_chain_stands_straight() -> None:
    names = [f"node {number}" for number in range(20)]
    layout = place(dict.fromkeys(names, 100.0), list(pairwise(names)))
    assert {round(box.x, 6) for box in layout.boxes.values()} == {50.0}


def test_a_link_passes_beside_the_box_between_its_ends() -> None:
    layout = place({"a": 100.0, "b": 100.0, "c": 100.0}, [("a", "b"), ("b", "c"), ("a", "c")])
    bend = layout.routes["a", "c"].points[1]
    assert abs(bend[0] - layout.boxes["b"].x) > 50


def test_links_that_go_round_are_drawn_as_they_come() -> None:
    layout = place({"a": 100.0, "b": 100.0}, [("a", "b"), ("b", "a")])
    assert set(layout.routes) == {("a", "b"), ("b", "a")}


def test_nothing_takes_no_room() -> None:
    assert place({}, []) == Layout({}, {}, 0.0, 0.0)
