"""Do pictures of pipelines keep their boxes apart and their links downwards?"""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from chariots.pipelines.drawing.layout import Box, Layout, Link, Size, place


def numbered(count: int, pairs: list[tuple[int, int]]) -> list[Link]:
    """Links between nodes named by numbers, from the smaller to the greater."""
    found = {(min(pair) % count, max(pair) % count) for pair in pairs}
    return [Link(str(first), str(second)) for first, second in sorted(found) if first < second]


def overlapping(layout: Layout) -> list[tuple[str, str]]:
    """The pairs of boxes that lie on one another."""
    return [
        (first, second)
        for (first, one), (second, other) in combinations(layout.boxes.items(), 2)
        if abs(one.x - other.x) < (one.width + other.width) / 2
        and abs(one.y - other.y) < (one.height + other.height) / 2
    ]


def crossed(layout: Layout) -> list[tuple[Link, str]]:
    """The straight pieces of links that lead through a box which is not at one of their ends."""
    return [
        (link, name)
        for link, route in layout.routes.items()
        for (x, y), (to_x, to_y) in pairwise(route.points)
        for name, box in layout.boxes.items()
        if x == to_x and name not in (link.upstream, link.downstream)
        if abs(x - box.x) < box.width / 2 - 1e-6 and y < box.bottom - 1e-6 and to_y > box.top + 1e-6
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(20, 300), st.floats(20, 400)), min_size=1, max_size=20),
    st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=40),
)
def test_boxes_lie_apart_inside_of_the_picture_and_links_lead_down(
    sizes: list[tuple[float, float]], pairs: list[tuple[int, int]]
) -> None:
    given_sizes = {str(number): Size(*size) for number, size in enumerate(sizes)}
    links = numbered(len(sizes), pairs)
    layout = place(given_sizes, links)
    assert overlapping(layout) == []
    assert crossed(layout) == []
    for box in layout.boxes.values():
        assert box.x - box.width / 2 >= -1e-6
        assert box.x + box.width / 2 <= layout.width + 1e-6
        assert box.bottom <= layout.height + 1e-6
    assert set(layout.routes) == set(links)
    for route in layout.routes.values():
        heights = [y for _, y in route.points]
        assert all(y <= to_y + 1e-6 for y, to_y in pairwise(heights))
        assert all(-1e-6 <= x <= layout.width + 1e-6 for x, _ in route.points)


def test_a_chain_stands_straight() -> None:
    names = [f"node {number}" for number in range(20)]
    layout = place(dict.fromkeys(names, Size(100.0)), [Link(*pair) for pair in pairwise(names)])
    assert {round(box.x, 6) for box in layout.boxes.values()} == {50.0}


def test_a_link_passes_beside_the_box_between_its_ends() -> None:
    links = [Link("a", "b"), Link("b", "c"), Link("a", "c")]
    layout = place(dict.fromkeys("abc", Size(100.0)), links)
    points = layout.routes[links[2]].points
    assert all(abs(x - layout.boxes["b"].x) > 50 for x, y in points if abs(y - layout.boxes["b"].y) < 25)
    assert crossed(layout) == []


def test_links_past_many_layers_share_a_lane_beside_everything_else() -> None:
    names = [f"node {number}" for number in range(40)]
    chain = [Link(*pair) for pair in pairwise(names)]
    long = [Link(names[0], name) for name in names[20:]]
    layout = place(dict.fromkeys(names, Size(100.0)), chain + long)
    right = max(box.x + box.width / 2 for box in layout.boxes.values())
    lanes = {max(x for x, _ in layout.routes[link].points) for link in long}
    assert len(lanes) == 1
    assert right < lanes.pop() <= layout.width
    assert len({layout.routes[link].points[0] for link in long}) == 1


def test_a_layer_that_would_be_too_wide_stands_in_several_rows() -> None:
    names = [f"work {number}" for number in range(300)]
    links = [Link("source", name) for name in names] + [Link(name, "join") for name in names]
    layout = place(dict.fromkeys(["source", *names, "join"], Size(150.0)), links)
    assert overlapping(layout) == []
    assert layout.width < 10_000
    assert layout.boxes["source"].bottom < min(layout.boxes[name].top for name in names)
    assert layout.boxes["join"].top > max(layout.boxes[name].bottom for name in names)


def test_a_line_leaves_where_its_output_is() -> None:
    links = [Link("a", "b", "left"), Link("a", "b", "right")]
    layout = place(dict.fromkeys("ab", Size(100.0)), links, {"a": {"left": -30.0, "right": 30.0}})
    assert [layout.routes[link].points[0][0] for link in links] == [20.0, 80.0]
    ends = [layout.routes[link].points[-1][0] for link in links]
    assert ends[0] < ends[1]


def test_a_low_box_stands_in_the_middle_of_its_layer() -> None:
    layout = place({"low": Size(100.0, 20.0), "high": Size(100.0, 200.0)}, [])
    assert layout.boxes["low"] == Box(layout.boxes["low"].x, 100.0, 100.0, 20.0)
    assert layout.height == 200.0


def test_links_that_go_round_are_drawn_as_they_come() -> None:
    layout = place(dict.fromkeys("ab", Size(100.0)), [Link("a", "b"), Link("b", "a")])
    assert set(layout.routes) == {Link("a", "b"), Link("b", "a")}


def test_nothing_takes_no_room() -> None:
    assert place({}, []) == Layout({}, {}, 0.0, 0.0)
