"""What does a box, a line or a text look like in a picture? (one SVG without scripts, in light and in dark)

Every shape has the colours of daylight as attributes, which any program shows; the style sheet of the picture, for
those that read it, sets the same by variables, which are others in the dark.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chariots.pipelines.drawing.layout import Box, Route
from chariots.pipelines.drawing.texts import escaped, shortened, width_of

__all__ = ["INK", "MARGIN", "RED", "TEXTS", "Style", "box", "document", "legend", "line", "text", "text_width", "texts"]

MARGIN = 28.0
NARROWEST_BOX = 120.0
FONTS = "-apple-system, Segoe UI, Helvetica, Arial, sans-serif"

INK, NOTE, PAPER, RED, GREY = "#1f2933", "#52606d", "#ffffff", "#c62828", "#78909c"


class Tone(NamedTuple):
    """A colour of boxes: what fills them and what surrounds them, by day and in the dark."""

    fill: str
    stroke: str
    dark_fill: str
    dark_stroke: str


TONES = {
    "plain": Tone(PAPER, GREY, "#1c242b", "#90a4ae"),
    "grey": Tone("#eceff1", "#90a4ae", "#263238", "#78909c"),
    "group": Tone("#f7f9fa", "#b0bec5", "#151b20", "#546e7a"),
    "red": Tone("#fdecea", RED, "#43191b", "#ff8a80"),
    "green": Tone("#e8f5e9", "#2e7d32", "#16331b", "#81c784"),
    "amber": Tone("#fff8e1", "#ef8f00", "#3d2c07", "#ffca28"),
    "blue": Tone("#e3f2fd", "#1565c0", "#102c47", "#82b1ff"),
}
_INKS = {"ink": (INK, "#e8edf1"), "note": (NOTE, "#a9b7c2"), "red": (RED, "#ff8a80"), "paper": (PAPER, "#10151a")}


class Style(NamedTuple):
    """How a box is drawn."""

    tone: str
    dashes: str = ""
    width: float = 1.2


class Text(NamedTuple):
    """How a text is set: the size and weight of its font, the height of its line, and its colour."""

    size: float
    weight: int
    height: float
    ink: str = "ink"


TEXTS = {
    "headline": Text(17, 700, 26),
    "title": Text(15, 700, 26),
    "failing": Text(15, 700, 26, "red"),
    "note": Text(12.5, 400, 20, "note"),
    "plain": Text(13, 400, 21),
    "name": Text(13.5, 600, 17),
    "detail": Text(11.5, 400, 15, "note"),
    "small": Text(10.5, 600, 14, "note"),
}


def document(title: str, body: Iterable[str], width: float, height: float) -> str:
    """Puts what was drawn into a document.

    Args:
        title: what it shows, in one sentence.
        body: what was drawn, from (0, 0).
        width: how wide that is.
        height: how high that is.

    Returns:
        an SVG document.
    """
    full_width, full_height = width + 2 * MARGIN, height + 2 * MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chariots-picture" '
            f'viewBox="0 0 {full_width:.0f} {full_height:.0f}" width="{full_width:.0f}" height="{full_height:.0f}" '
            f'role="img" font-family="{FONTS}">',
            f"<title>{escaped(title)}</title>",
            f"<style>{_STYLE_SHEET}</style>",
            f'<rect class="paper" width="{full_width:.0f}" height="{full_height:.0f}" fill="{PAPER}"/>',
            f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">',
            *body,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _style_sheet() -> str:
    by_day = "".join(f"--{name}-fill:{tone.fill};--{name}-stroke:{tone.stroke};" for name, tone in TONES.items())
    by_day += "".join(f"--{name}:{ink[0]};" for name, ink in _INKS.items())
    dark = "".join(
        f"--{name}-fill:{tone.dark_fill};--{name}-stroke:{tone.dark_stroke};" for name, tone in TONES.items()
    )
    dark += "".join(f"--{name}:{ink[1]};" for name, ink in _INKS.items())
    picture = ".chariots-picture"
    rules = [
        f"{picture}{{{by_day}}}",
        f"@media (prefers-color-scheme:dark){{{picture}{{{dark}}}}}",
        # Notebooks have a theme of their own, whatever the system is set to.
        f"[data-jp-theme-light=true] {picture},.vscode-light {picture}{{{by_day}}}",
        f"[data-jp-theme-light=false] {picture},.vscode-dark {picture}{{{dark}}}",
    ]
    rules += [f"{picture} .t-{name}{{fill:var(--{name}-fill);stroke:var(--{name}-stroke)}}" for name in TONES]
    rules += [f"{picture} .{name}{{fill:var(--{name})}}" for name in _INKS]
    rules += [f"{picture} .line{{stroke:var(--plain-stroke)}}", f"{picture} .head{{fill:var(--plain-stroke)}}"]
    rules += [f"{picture} .broken .line{{stroke:var(--red)}}", f"{picture} .broken .head{{fill:var(--red)}}"]
    return "".join(rules)


_STYLE_SHEET = _style_sheet()


def text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    """Draws a text.

    Args:
        x: where it begins, or its middle or end, as `anchor` says.
        y: the line that it stands on.
        words: the text.
        kind: one of `TEXTS`.
        anchor: ``start``, ``middle`` or ``end``.
    """
    size, weight, _, ink = TEXTS[kind]
    held = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return (
        f'<text class="{ink}" x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'fill="{_INKS[ink][0]}"{held}>{escaped(words)}</text>'
    )


def text_width(words: str, kind: str) -> float:
    """How wide a text is at most.

    Args:
        words: the text.
        kind: one of `TEXTS`.
    """
    return width_of(words, TEXTS[kind].size, is_bold=TEXTS[kind].weight >= 600)


def texts(body: list[str], lines: Iterable[tuple[str, str]], top: float, longest: int = 110) -> float:
    """Draws lines of text below one another.

    Args:
        body: what is drawn already; the lines are added.
        lines: each text with its kind.
        top: where the first one begins.
        longest: how many characters of a line are shown.

    Returns:
        where the last one ends.
    """
    for words, kind in lines:
        top += TEXTS[kind].height
        body.append(text(0, top - 7, shortened(words, longest), kind))
    return top


def box(
    place: Box,
    style: Style,
    lines: Sequence[tuple[str, str]],
    told: Iterable[str] = (),
    radius: float = 10,
    lift: float = 0.0,
) -> str:
    """Draws a box with lines of text in its middle.

    Args:
        place: where it stands.
        style: how it is drawn.
        lines: what is written into it, each text with its kind.
        told: what it says when it is pointed at.
        radius: how round its corners are.
        lift: how far above the middle the text stands.
    """
    tip = "\n".join(filter(None, told))
    title = f"<title>{escaped(tip)}</title>" if tip else ""
    # The baseline of the first line: the lines together stand in the middle, a little above their descenders.
    y = place.y - sum(TEXTS[kind].height for _, kind in lines) / 2 - 4 - lift
    shown = []
    for words, kind in lines:
        y += TEXTS[kind].height
        shown.append(text(place.x, y, words, kind, "middle"))
    return f"<g>{title}{rect(place, style, radius)}{''.join(shown)}</g>"


def rect(place: Box, style: Style, radius: float) -> str:
    """Draws the outline of a box.

    Args:
        place: where it stands.
        style: how it is drawn.
        radius: how round its corners are.
    """
    tone = TONES[style.tone]
    dashes = f' stroke-dasharray="{style.dashes}"' if style.dashes else ""
    return (
        f'<rect class="t-{style.tone}" x="{place.x - place.width / 2:.1f}" y="{place.top:.1f}" '
        f'width="{place.width:.1f}" height="{place.height:.1f}" rx="{radius:g}" '
        f'fill="{tone.fill}" stroke="{tone.stroke}" stroke-width="{style.width}"{dashes}/>'
    )


def box_width(lines: Iterable[tuple[str, str]], narrowest: float = NARROWEST_BOX) -> float:
    """How wide a box must be for what is written into it.

    Args:
        lines: each text with its kind.
        narrowest: what it is at least.
    """
    return max([narrowest, *(text_width(words, kind) for words, kind in lines)]) + 22


def line(route: Route, broken: str = "") -> str:
    """Draws a link with its arrow.

    Args:
        route: its way.
        broken: what is wrong with it, for one that breaks; it is drawn in red then, with a cross.
    """
    points = route.points
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        half = (y + to_y) / 2
        straight = f" L{to_x:.1f} {to_y:.1f}"
        path += straight if x == to_x else f" C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}"
    (x, y), down = points[-1], 1 if points[-2][1] <= points[-1][1] else -1
    reach = (7.0 if broken else 4.5) * down
    head = f"M{x:.1f} {y:.1f}l{-reach:.1f} {-2 * reach:.1f}h{2 * reach:.1f}z"
    if not broken:
        return (
            f'<path class="line" d="{path}" fill="none" stroke="{GREY}" stroke-width="1.4"/>'
            f'<path class="head" d="{head}" fill="{GREY}"/>'
        )
    middle = len(points) // 2
    cross_x = (points[middle - 1][0] + points[middle][0]) / 2
    cross_y = (points[middle - 1][1] + points[middle][1]) / 2
    return (
        f'<g class="broken"><title>{escaped(broken)}</title>'
        f'<path class="line" d="{path}" fill="none" stroke="{RED}" stroke-width="2.6" stroke-dasharray="8 5"/>'
        f'<path class="head" d="{head}" fill="{RED}"/>'
        f'<circle class="paper" cx="{cross_x:.1f}" cy="{cross_y:.1f}" r="9" fill="{PAPER}"/>'
        f'<path class="line" d="M{cross_x - 4:.1f} {cross_y - 4:.1f}l8 8m0 -8l-8 8'
        f'M{cross_x - 9:.1f} {cross_y:.1f}a9 9 0 1 0 18 0a9 9 0 1 0 -18 0" fill="none" stroke="{RED}" '
        'stroke-width="2"/></g>'
    )


def legend(body: list[str], entries: Iterable[tuple[str, Style]], top: float, widest: float) -> float:
    """Draws what the styles mean.

    Args:
        body: what is drawn already; the legend is added.
        entries: for each style, what it means.
        top: where it begins.
        widest: where a line of it ends at the latest.

    Returns:
        where it ends.
    """
    x, y = 0.0, top + 14
    for words, style in entries:
        width = 25 + text_width(words, "detail")
        if x and x + width > widest:
            x, y = 0.0, y + 22
        body.append(rect(Box(x + 9, y - 4.5, 18, 13), style, 3) + text(x + 25, y, words, "detail"))
        x += width + 20
    return y + 6 if x else top
