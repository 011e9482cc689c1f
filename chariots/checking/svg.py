"""How does a report look as a picture? (one SVG without scripts; the links that break are red)"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Mapping
from html import escape
from typing import NamedTuple

from chariots.checking.layout import BOX_HEIGHT, Box, Route, place
from chariots.checking.report import NodeCheck, OpCheck, PipelineCheck, Report
from chariots.checking.wording import change_words, listed, op_words, pipeline_words, refusal_words, shortened, visible

__all__ = ["as_svg"]

MARGIN = 28.0
MOST_NODES = 60  # of a pipeline; of a larger one only what matters and its neighbours are drawn
LONGEST_NAME = 34
LONGEST_DETAIL = 48
LONGEST_LINE = 110
LONGEST_HEADLINE = 70
NARROWEST = 640.0

RED, GREEN, GREY, INK = "#c62828", "#2e7d32", "#78909c", "#1f2933"


class Style(NamedTuple):
    """How a box is drawn."""

    fill: str
    stroke: str
    dashes: str = ""
    width: float = 1.2


STYLES = {
    "retrain": Style("#fdecea", RED, width=2.2),
    "breaks": Style("#fdecea", RED, "5 3", 2.2),
    "changed": Style("#e8f5e9", GREEN, width=1.8),
    "moved": Style("#fff8e1", "#ef8f00", "5 3", 1.8),
    "new": Style("#e3f2fd", "#1565c0"),
    "same": Style("#ffffff", GREY),
}
LEGEND = {
    "retrain": "must be trained",
    "breaks": "breaks what was trained with it",
    "changed": "changed, harmless",
    "moved": "code moved, nothing bumped",
    "new": "new",
    "same": "unchanged",
}


def as_svg(report: Report) -> str:
    """Draws the pipelines of a report: those that something happens to, or all where nothing does.

    Args:
        report: the report.

    Returns:
        an SVG document.
    """
    ops = {op.name: op for op in report.ops}
    shown = [one for one in report.pipelines if _is_touched(one, ops)] or list(report.pipelines)
    steps = {step.pipeline for step in report.steps}
    shown.sort(key=lambda one: (not one.fails, one.name in steps))  # what matters most comes first
    top, width = 0.0, NARROWEST
    body: list[str] = []
    lines = [(line, "headline") for line in textwrap.wrap(report.headline, LONGEST_HEADLINE)]
    lines += [(f"{report.app or 'app'} against {report.against or 'store'}", "note")]
    hidden = len(report.pipelines) - len(shown)
    if hidden:
        lines.append((f"{hidden} more pipeline{'s' * (hidden > 1)}: nothing changes there", "note"))
    top = _write_lines(body, lines, top)
    for pipeline in shown:
        height, wide = _draw_pipeline(body, pipeline, ops, top)
        top += height
        width = max(width, wide)
    if report.steps:
        train = [("Train, in this order", "title")]
        train += [
            (f"{number}. {step.pipeline}  ({listed(step.trains)})", "plain")
            for number, step in enumerate(report.steps, 1)
        ]
        top = _write_lines(body, train, top + 18)
    top = _draw_legend(body, top + 34, {_kind(ops.get(node.name)) for one in shown for node in one.nodes})
    texts = [len(shortened(text, LONGEST_LINE)) * (11.0 if kind == "headline" else 7.4) for text, kind in lines]
    full_width, full_height = max([width, *texts]) + 2 * MARGIN, top + 2 * MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full_width:.0f} {full_height:.0f}" '
            f'width="{full_width:.0f}" height="{full_height:.0f}" role="img" font-family="{FONTS}">',
            f"<title>{_escaped(report.headline)}</title>",
            _DEFINITIONS,
            f'<rect width="{full_width:.0f}" height="{full_height:.0f}" fill="#ffffff"/>',
            f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">',
            *body,
            "</g>",
            "</svg>",
            "",
        ]
    )


FONTS = "-apple-system, Segoe UI, Helvetica, Arial, sans-serif"
_DEFINITIONS = (
    "<defs>"
    + "".join(
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="{size}" markerHeight="{size}" '
        f'markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 0 10 5 0 10z" fill="{colour}"/></marker>'
        for name, colour, size in (("arrow", GREY, 10), ("broken", RED, 14))
    )
    + "</defs>"
)
_SIZES = {"headline": (17, 700, 26), "title": (15, 700, 26), "note": (12.5, 400, 20), "plain": (13, 400, 21)}


def _escaped(text: str) -> str:
    """A text as XML may hold it: control characters have no place in it, not even escaped."""
    return escape("\n".join(map(visible, text.split("\n"))))


def _write_lines(body: list[str], lines: Iterable[tuple[str, str]], top: float) -> float:
    for text, kind in lines:
        size, weight, height = _SIZES[kind]
        colour = "#52606d" if kind == "note" else INK
        shown = _escaped(shortened(text, LONGEST_LINE))
        top += height
        body.append(
            f'<text x="0" y="{top - 7:.1f}" font-size="{size}" font-weight="{weight}" fill="{colour}">{shown}</text>'
        )
    return top


def _draw_pipeline(
    body: list[str], pipeline: PipelineCheck, ops: Mapping[str, OpCheck], top: float
) -> tuple[float, float]:
    """Draws one pipeline below what is drawn already; returns how high and how wide it is."""
    nodes = _drawn_nodes(pipeline, ops)
    hidden = len(pipeline.nodes) - len(nodes)
    names = {node.name for node in nodes}
    links = [link for link in pipeline.links if names.issuperset(link)]
    details = {node.name: _detail(node, ops.get(node.name)) for node in nodes}
    widths = {node.name: _box_width(node.name, details[node.name]) for node in nodes}
    layout = place(widths, links)
    words = pipeline_words(pipeline) + (f" ({hidden} untouched nodes are not drawn)" if hidden else "")
    heading = top + 18
    body.append(f"<g><title>{_escaped(' '.join(map(refusal_words, pipeline.refusals)) or words)}</title>")
    below = _write_lines(body, [(f"{pipeline.name}: {words}", "title")], heading)
    if pipeline.fails:
        body[-1] = body[-1].replace(f'fill="{INK}"', f'fill="{RED}"')
    body.append("</g>")
    offset = below + 8
    body.append(f'<g transform="translate(0 {offset:.1f})">')
    broken = set(pipeline.broken)
    for link in sorted(links, key=lambda one: one in broken):  # the red ones on top
        body.append(_line(link, layout.routes[link], link in broken))
    for node in nodes:
        body.append(_box(node, layout.boxes[node.name], ops.get(node.name), details[node.name]))
    body.append("</g>")
    return offset + layout.height - top, layout.width


def _drawn_nodes(pipeline: PipelineCheck, ops: Mapping[str, OpCheck]) -> list[NodeCheck]:
    if len(pipeline.nodes) <= MOST_NODES:
        return list(pipeline.nodes)
    touched = {node.name for node in pipeline.nodes if _kind(ops.get(node.name)) not in ("same", "new")}
    touched.update(name for link in pipeline.broken for name in link)
    near = {name for link in pipeline.links if touched.intersection(link) for name in link}
    wanted = touched | near
    return [node for node in pipeline.nodes if node.name in wanted][: 5 * MOST_NODES] or list(
        pipeline.nodes[:MOST_NODES]
    )


def _is_touched(pipeline: PipelineCheck, ops: Mapping[str, OpCheck]) -> bool:
    return pipeline.state != "fits" or any(_kind(ops.get(node.name)) != "same" for node in pipeline.nodes)


def _kind(op: OpCheck | None) -> str:
    if op is None:
        return "same"
    if op.retrain and op.state != "new":
        return "retrain"
    if op.breaks and op.state != "new":
        return "breaks"
    return op.state if op.state in STYLES else "same"


def _detail(node: NodeCheck, op: OpCheck | None) -> str:
    """The second line in a box."""
    if op is None:
        return ""
    if op.changes:
        more = f" and {len(op.changes) - 1} more" if len(op.changes) > 1 else ""
        words, room = change_words(op.changes[0]).rpartition(" (")[0], LONGEST_DETAIL - len(more)
        if len(words) > room:
            words = words.partition(".")[2] or words  # the key of a dictionary of fields says enough
        return shortened(words, room) + more
    serves = "" if node.serves is None else f", serves #{node.serves}"
    return op_words(op) + serves


def _box_width(name: str, detail: str) -> float:
    return max(120.0, 8.6 * len(shortened(name, LONGEST_NAME)), 6.6 * len(shortened(detail, LONGEST_DETAIL))) + 22


def _box(node: NodeCheck, box: Box, op: OpCheck | None, detail: str) -> str:
    style = STYLES[_kind(op)]
    left, top = box.x - box.width / 2, box.y - BOX_HEIGHT / 2
    dashes = f' stroke-dasharray="{style.dashes}"' if style.dashes else ""
    told = [node.name, op_words(op) if op else "", *(change_words(change) for change in (op.changes if op else ()))]
    trained = ' rx="10"' if node.role != "code" else ' rx="2"'
    return (
        f"<g><title>{_escaped(chr(10).join(filter(None, told)))}</title>"
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"{trained} '
        f'fill="{style.fill}" stroke="{style.stroke}" stroke-width="{style.width}"{dashes}/>'
        f'<text x="{box.x:.1f}" y="{box.y - 4:.1f}" font-size="13.5" font-weight="600" fill="{INK}" '
        f'text-anchor="middle">{_escaped(shortened(node.name, LONGEST_NAME))}</text>'
        f'<text x="{box.x:.1f}" y="{box.y + 13:.1f}" font-size="11.5" fill="#52606d" '
        f'text-anchor="middle">{_escaped(shortened(detail, LONGEST_DETAIL))}</text></g>'
    )


def _line(link: tuple[str, str], route: Route, is_broken: bool) -> str:
    points = route.points
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        half = (y + to_y) / 2
        path += f" C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}"
    if not is_broken:
        return f'<path d="{path}" fill="none" stroke="{GREY}" stroke-width="1.4" marker-end="url(#arrow)"/>'
    middle = len(points) // 2
    cross_x = (points[middle - 1][0] + points[middle][0]) / 2
    cross_y = (points[middle - 1][1] + points[middle][1]) / 2
    told = f"{link[1]} was not trained with this {link[0]}"
    return (
        f'<g class="broken"><title>{_escaped(told)}</title>'
        f'<path d="{path}" fill="none" stroke="{RED}" stroke-width="2.6" stroke-dasharray="8 5" '
        'marker-end="url(#broken)"/>'
        f'<circle cx="{cross_x:.1f}" cy="{cross_y:.1f}" r="9" fill="#ffffff" stroke="{RED}" stroke-width="1.6"/>'
        f'<path d="M{cross_x - 4:.1f} {cross_y - 4:.1f}l8 8m0 -8l-8 8" stroke="{RED}" stroke-width="2.2"/></g>'
    )


def _draw_legend(body: list[str], top: float, kinds: set[str]) -> float:
    x = 0.0
    for kind, words in LEGEND.items():
        if kind not in kinds:
            continue
        style = STYLES[kind]
        dashes = f' stroke-dasharray="{style.dashes}"' if style.dashes else ""
        body.append(
            f'<rect x="{x:.1f}" y="{top - 11:.1f}" width="18" height="13" rx="3" fill="{style.fill}" '
            f'stroke="{style.stroke}" stroke-width="{style.width}"{dashes}/>'
            f'<text x="{x + 25:.1f}" y="{top:.1f}" font-size="12" fill="#52606d">{words}</text>'
        )
        x += 25 + 6.6 * len(words) + 24
    return top
