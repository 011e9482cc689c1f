"""How does a pipeline look as SVG? (boxes for its nodes, boxes around what nodes hold, arrows for what is read)"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from chariots.pipelines.drawing.boxes import (
    TEXTS,
    Style,
    box,
    box_width,
    document,
    line,
    rect,
    text,
    text_width,
    texts,
)
from chariots.pipelines.drawing.layout import BOX_HEIGHT, Box, Layout, Size, place
from chariots.pipelines.drawing.scene import Element, Scene
from chariots.pipelines.drawing.texts import escaped, shortened

__all__ = ["STATE_STYLES", "as_svg"]

LONGEST_NAME = 34
LONGEST_DETAIL = 48
LONGEST_OUTPUT = 22
MOST_OUTPUTS = 12  # of one node that are named; the others leave it together

PADDING = 16.0  # inside of a box that holds nodes
CHIP_HEIGHT = 16.0
CHIP_GAP = 8.0
END_HEIGHT = 24.0

PLAIN, END, GROUP = Style("plain"), Style("grey"), Style("group", "6 4")
STATE_STYLES = {
    "ran": Style("green", width=1.6),
    "cached": Style("blue", width=1.6),
    "running": Style("amber", width=2.4),
    "failed": Style("red", width=2.4),
    "waiting": Style("grey", "5 3"),
    "canceled": Style("grey", "2 3"),
}


class _Drawn(NamedTuple):
    """An element that has its size: what is written into it, where its outputs leave, and what it holds."""

    element: Element
    size: Size
    lines: list[tuple[str, str]]
    ports: dict[str, float]
    chips: list[tuple[str, float, float]]  # what each says, its middle, its width
    inside: _Arranged | None


class _Arranged(NamedTuple):
    """A scene in which everything has its place."""

    scene: Scene
    drawn: dict[str, _Drawn]
    layout: Layout


def as_svg(scene: Scene, title: str, note: str) -> str:
    """Draws a pipeline.

    Args:
        scene: the pipeline.
        title: what is written above it.
        note: what is written below that.

    Returns:
        an SVG document.
    """
    arranged = _arranged(scene)
    heading = [(title, "title"), (note, "note")]
    body: list[str] = []
    top = texts(body, heading, 0.0, 60) + 14
    width = max([arranged.layout.width, *(text_width(shortened(words, 60), kind) for words, kind in heading)])
    left = max(0.0, (width - arranged.layout.width) / 2) if len(scene.elements) > 1 else 0.0
    body.append(f'<g transform="translate({left:.1f} {top:.1f})">')
    _draw(body, arranged)
    body.append("</g>")
    return document(f"Pipeline {title}: {note}", body, width, top + arranged.layout.height)


def _arranged(scene: Scene) -> _Arranged:
    drawn = {key: _drawn(element) for key, element in scene.elements.items()}
    sizes = {key: one.size for key, one in drawn.items()}
    ports = {key: one.ports for key, one in drawn.items() if one.ports}
    return _Arranged(scene, drawn, place(sizes, scene.links, ports))


def _drawn(element: Element) -> _Drawn:
    if element.is_end:
        words = [(element.name, "small")]
        return _Drawn(element, Size(box_width(words, 30.0), END_HEIGHT), words, {}, [], None)
    lines = [(shortened(element.name, LONGEST_NAME), "name")]
    lines += [(shortened(words, LONGEST_DETAIL), "detail") for words in element.details]
    lines += [(element.state, "small")] if element.state is not None else []
    width = box_width(lines)
    inside = _arranged(element.inside) if element.inside is not None else None
    if inside is None:
        height = max(BOX_HEIGHT, _text_height(lines) + 14)
    else:
        width = max(width, inside.layout.width + 2 * PADDING)
        height = _heading_height(lines) + inside.layout.height + PADDING
    chips, ports = _chips(element.outputs)
    if chips:
        width = max(width, chips[-1][1] + chips[-1][2] / 2 - (chips[0][1] - chips[0][2] / 2) + 2 * PADDING)
        height += CHIP_HEIGHT  # half of it inside of the box, and half below
    return _Drawn(element, Size(width, height), lines, ports, chips, inside)


def _chips(outputs: tuple[str, ...]) -> tuple[list[tuple[str, float, float]], dict[str, float]]:
    """The names of outputs side by side on the lower edge of a box, and where each of them leaves it."""
    if not outputs:
        return [], {}
    shown = [(name, shortened(name, LONGEST_OUTPUT)) for name in outputs[:MOST_OUTPUTS]]
    if len(outputs) > MOST_OUTPUTS:
        shown.append((outputs[MOST_OUTPUTS], f"{len(outputs) - MOST_OUTPUTS} more"))
    widths = [text_width(words, "small") + 14 if words else CHIP_GAP for _, words in shown]
    x = -(sum(widths) + CHIP_GAP * (len(widths) - 1)) / 2
    chips, ports = [], {}
    for (name, words), width in zip(shown, widths, strict=True):
        chips.append((words, x + width / 2, width))
        ports[name] = x + width / 2
        x += width + CHIP_GAP
    for name in outputs[MOST_OUTPUTS:]:
        ports[name] = chips[-1][1]
    return chips, ports


def _text_height(lines: list[tuple[str, str]]) -> float:
    return sum(TEXTS[kind].height for _, kind in lines)


def _heading_height(lines: list[tuple[str, str]]) -> float:
    return _text_height(lines) + 20


def _draw(body: list[str], arranged: _Arranged) -> None:
    # Boxes that hold nodes come first: a line that passes behind one would be taken for one that begins in it.
    layout = arranged.layout
    for key, one in arranged.drawn.items():
        if one.inside is not None:
            _draw_group(body, one, one.inside, layout.boxes[key])
    body.extend(line(layout.routes[link]) for link in arranged.scene.links)
    for key, one in arranged.drawn.items():
        if one.inside is None:
            body.append(_leaf(one, layout.boxes[key]))
        body.extend(_chip(words, layout.boxes[key], dx, width) for words, dx, width in one.chips if words)


def _leaf(one: _Drawn, whole: Box) -> str:
    if one.element.is_end:
        return box(whole, END, one.lines, one.element.told, END_HEIGHT / 2)
    lift = CHIP_HEIGHT / 4 if one.chips else 0.0
    return box(_without_chips(one, whole), _style(one.element, PLAIN), one.lines, one.element.told, 8, lift)


def _draw_group(body: list[str], one: _Drawn, inside: _Arranged, whole: Box) -> None:
    outline = _without_chips(one, whole)
    tip = escaped("\n".join(one.element.told))
    body.append(f"<g><title>{tip}</title>{rect(outline, _style(one.element, GROUP), 12)}</g>")
    y = outline.top + 4
    for words, kind in one.lines:
        y += TEXTS[kind].height
        body.append(text(outline.x - outline.width / 2 + PADDING, y, words, kind))
    left = outline.x - inside.layout.width / 2
    top = outline.top + _heading_height(one.lines)
    body.append(f'<g transform="translate({left:.1f} {top:.1f})">')
    _draw(body, inside)
    body.append("</g>")


def _style(element: Element, otherwise: Style) -> Style:
    return otherwise if element.state is None else STATE_STYLES[element.state]


def _without_chips(one: _Drawn, whole: Box) -> Box:
    """The outline of a box: the names of its outputs stand half below it."""
    if not one.chips:
        return whole
    return replace(whole, y=whole.y - CHIP_HEIGHT / 4, height=whole.height - CHIP_HEIGHT / 2)


def _chip(words: str, whole: Box, dx: float, width: float) -> str:
    place = Box(whole.x + dx, whole.bottom - CHIP_HEIGHT / 2, width, CHIP_HEIGHT)
    return f"<g>{rect(place, END, CHIP_HEIGHT / 2)}{text(place.x, place.y + 3.7, words, 'small', 'middle')}</g>"
