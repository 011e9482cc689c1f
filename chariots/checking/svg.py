"""How does a report look as a picture? (one SVG without scripts; the links that break are red)"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from chariots.checking.report import NodeCheck, OpCheck, PipelineCheck, Report
from chariots.checking.wording import change_words, listed, op_words, pipeline_words, refusal_words, shortened
from chariots.pipelines.drawing.boxes import Style, box, box_width, document, legend, line, text_width, texts
from chariots.pipelines.drawing.layout import Link, Size, place
from chariots.pipelines.drawing.texts import escaped

__all__ = ["as_svg"]

MOST_NODES = 60  # of a pipeline; of a larger one only what matters and its neighbours are drawn
LONGEST_NAME = 34
LONGEST_DETAIL = 48
LONGEST_LINE = 110
LONGEST_HEADLINE = 70
NARROWEST = 640.0

STYLES = {
    "retrain": Style("red", width=2.2),
    "breaks": Style("red", "5 3", 2.2),
    "changed": Style("green", width=1.8),
    "moved": Style("amber", "5 3", 1.8),
    "new": Style("blue"),
    "same": Style("plain"),
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
    top = texts(body, lines, top, LONGEST_LINE)
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
        top = texts(body, train, top + 18, LONGEST_LINE)
    width = max([width, *(text_width(shortened(words, LONGEST_LINE), kind) for words, kind in lines)])
    kinds = {_kind(ops.get(node.name)) for one in shown for node in one.nodes}
    entries = [(words, STYLES[kind]) for kind, words in LEGEND.items() if kind in kinds]
    top = legend(body, entries, top + 20, width)
    return document(report.headline, body, width, top)


def _draw_pipeline(
    body: list[str], pipeline: PipelineCheck, ops: Mapping[str, OpCheck], top: float
) -> tuple[float, float]:
    """Draws one pipeline below what is drawn already; returns how high and how wide it is."""
    nodes = _drawn_nodes(pipeline, ops)
    hidden = len(pipeline.nodes) - len(nodes)
    names = {node.name for node in nodes}
    links = [Link(*link) for link in pipeline.links if names.issuperset(link)]
    written = {node.name: _written(node, ops.get(node.name)) for node in nodes}
    layout = place({name: Size(box_width(lines)) for name, lines in written.items()}, links)
    words = pipeline_words(pipeline) + (f" ({hidden} untouched nodes are not drawn)" if hidden else "")
    body.append(f"<g><title>{escaped(' '.join(map(refusal_words, pipeline.refusals)) or words)}</title>")
    heading = [(f"{pipeline.name}: {words}", "failing" if pipeline.fails else "title")]
    offset = texts(body, heading, top + 18, LONGEST_LINE) + 8
    body.append("</g>")
    body.append(f'<g transform="translate(0 {offset:.1f})">')
    broken = {Link(*link) for link in pipeline.broken}
    for link in sorted(links, key=lambda one: one in broken):  # the red ones on top
        told = f"{link.downstream} was not trained with this {link.upstream}" if link in broken else ""
        body.append(line(layout.routes[link], told))
    for node in nodes:
        op = ops.get(node.name)
        told_of_node = [node.name, op_words(op) if op else "", *map(change_words, op.changes if op else ())]
        radius = 10 if node.role != "code" else 2  # what is trained is round
        body.append(box(layout.boxes[node.name], STYLES[_kind(op)], written[node.name], told_of_node, radius))
    body.append("</g>")
    return offset + layout.height - top, max(layout.width, text_width(shortened(heading[0][0], LONGEST_LINE), "title"))


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


def _written(node: NodeCheck, op: OpCheck | None) -> list[tuple[str, str]]:
    """What a box says."""
    return [
        (shortened(node.name, LONGEST_NAME), "name"),
        (shortened(_detail(node, op), LONGEST_DETAIL), "detail"),
    ]


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
