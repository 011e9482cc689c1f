"""Which node was at work when? (a flame chart: one lane for each thread, what is nested below what holds it)"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chariots.pipelines.drawing.boxes import TONES, document, rect, text, text_width, texts
from chariots.pipelines.drawing.layout import Box
from chariots.pipelines.drawing.picture import Picture
from chariots.pipelines.drawing.pipeline_svg import STATE_STYLES
from chariots.pipelines.drawing.tables import seconds
from chariots.pipelines.drawing.texts import escaped, shortened, visible
from chariots.pipelines.drawing.traces import Bar, bars_of, lanes_by_thread

if TYPE_CHECKING:
    from chariots.pipelines.timing import RunTiming

__all__ = ["timeline"]

WIDTH = 840.0
BAR_HEIGHT = 24.0
ROW_HEIGHT = 28.0
MOST_BARS = 5_000  # of a run with more, the shortest ones are left out


def timeline(run: RunTiming) -> Picture:
    """Draws when which node of a run was at work.

    Args:
        run: the run.
    """
    bars = bars_of(run, run.begun)
    hidden = len(bars) - MOST_BARS
    if hidden > 0:
        bars = sorted(bars, key=lambda one: one[2].start - one[2].end)[:MOST_BARS]
    lasts = max(bar.end for _, _, bar in bars) or 1e-9
    became = "" if run.error is None else f", failed: {run.error}"
    heading = [(run.pipeline, "title"), (f"{seconds(run.duration)}{became}", "note")]
    if hidden > 0:
        heading.append((f"the {hidden:,} shortest nodes are not drawn", "note"))
    body: list[str] = []
    top = texts(body, heading, 0.0, 100) + 12
    scale = WIDTH / lasts
    ticks = _ticks(lasts)
    axis = top
    body.extend(text(at * scale, axis + 10, seconds(at) if at else "0", "detail", "start") for at in ticks)
    top += 18
    shown: list[str] = []
    lanes = lanes_by_thread(bars, is_nesting=False)
    for (_, thread), placed in lanes.items():
        shown.append(text(0, top + 15, shortened(thread, 60), "small"))
        top += 22
        shown.extend(_bar(bar, scale, top + row * ROW_HEIGHT) for row, bar in placed)
        top += (max(row for row, _ in placed) + 1) * ROW_HEIGHT + 8
    line = f'stroke="{TONES["grey"].stroke}" stroke-width="0.6" stroke-dasharray="2 4" fill="none"'
    body.extend(f'<path class="line" d="M{at * scale:.1f} {axis + 14:.1f}V{top:.1f}" {line}/>' for at in ticks if at)
    return Picture(
        document(f"Timeline of pipeline {run.pipeline}, {seconds(run.duration)}", [*body, *shown], WIDTH, top)
    )


def _bar(bar: Bar, scale: float, top: float) -> str:
    node, run = bar.node, bar.run
    state = node.state if node is not None else "ran" if run.error is None else "failed"
    name = run.pipeline if node is None else node.name
    width = max(1.0, (bar.end - bar.start) * scale)
    left = min(bar.start * scale, WIDTH - width)
    place = Box(left + width / 2, top + BAR_HEIGHT / 2, width, BAR_HEIGHT)
    told = f"{name}\n{state}, {seconds(bar.end - bar.start)}, from {seconds(bar.start)} on"
    style = STATE_STYLES[state]._replace(width=1.0)
    if node is None and run.error is None:
        style = style._replace(tone="group")
    words = _fitting(name, f"  {seconds(bar.end - bar.start)}", width - 12)
    written = text(left + 6, top + 16, words, "detail") if words else ""
    return f"<g><title>{escaped(told)}</title>{rect(place, style, min(4.0, width / 2))}{written}</g>"


def _fitting(name: str, duration: str, room: float) -> str:
    """As much of the name of a node, and of its duration, as there is room for."""
    last = name.rpartition("/")[2]  # it stands below the node that holds it
    for words in (last + duration, last):
        if text_width(visible(words), "detail") <= room:
            return words
    kept = visible(last)
    while kept and text_width(kept + "...", "detail") > room:
        kept = kept[: max(0, len(kept) - 1 - len(kept) // 8)]
    return f"{kept}..." if len(kept) > 2 else ""


def _ticks(lasts: float) -> list[float]:
    """Round moments from 0 on, about six of them."""
    rough = lasts / 6
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [number * step for number in range(int(0.94 * lasts / step) + 1)]
