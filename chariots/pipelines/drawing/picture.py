"""In which forms is a picture given: as text, in a file, in a notebook?"""

from __future__ import annotations

import re
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chariots.errors import nearest
from chariots.pipelines.drawing.scene import scene_of

if TYPE_CHECKING:
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["Drawing", "Picture", "draw", "drawn_or_told"]

_SMALLEST = 0.7  # how much of its size a picture keeps where there is less room; what is still wider is scrolled


class Picture:
    """Something drawn.

    Attributes:
        svg: the picture, an SVG document.
    """

    svg: str

    def __init__(self, svg: str) -> None:
        self.svg = svg

    def save(self, path: str | Path) -> Path:
        """Writes the picture to a file.

        Args:
            path: the file. Its suffix says in which form: ``.svg``; for a pipeline also ``.mmd`` or ``.mermaid``, and
                ``.md`` for Markdown.

        Returns:
            the path.

        Raises:
            ValueError: if the suffix stands for no form.
        """
        target = Path(path)
        forms = self._forms()
        if target.suffix.lower() not in forms:
            raise ValueError(
                f"a picture was to be saved as {str(path)!r}, and the suffix {target.suffix!r} stands for no form that "
                f"it has; the forms are {', '.join(forms)}.{nearest(target.suffix, forms)}"
            )
        target.write_text(getattr(self, forms[target.suffix.lower()]), encoding="utf-8", newline="\n")
        return target

    def _forms(self) -> dict[str, str]:
        """For every suffix, the attribute that holds what is written."""
        return {".svg": "svg"}

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        # As wide as there is room for, but not so small that nobody can read it: then it is scrolled sideways.
        width = float(re.findall(r' width="(\d+)"', self.svg)[0])
        style = f"width:100%;min-width:{_SMALLEST * width:.0f}px;max-width:{width:.0f}px;height:auto"
        fitted = self.svg.replace("<svg ", f'<svg style="{style}" ', 1)
        return f'<div style="overflow-x:auto">{fitted}</div>'


class Drawing(Picture):
    """A pipeline that was drawn, as it was then; `str` gives it as Mermaid."""

    def __init__(self, pipeline: Pipeline, states: Any, around: str | None, within: int) -> None:
        self._scene = scene_of(pipeline, states, around, within)
        self._title = pipeline.name
        every, shown = len(pipeline.graph_nodes), sum(not one.is_end for one in self._scene.elements.values())
        self._note = f"{every:,} node{'s' * (every != 1)}"
        if around is not None:
            self._note = f"{shown:,} of {self._note}: what is {within} links or fewer away from {around}"

    @cached_property
    def svg(self) -> str:  # type: ignore[override]  # made when it is first looked at
        """The picture, an SVG document for light and dark surroundings."""
        from chariots.pipelines.drawing.pipeline_svg import as_svg

        return as_svg(self._scene, self._title, self._note)

    @cached_property
    def mermaid(self) -> str:
        """The picture, a flowchart of Mermaid."""
        from chariots.pipelines.drawing.mermaid import as_mermaid

        return as_mermaid(self._scene)

    @property
    def markdown(self) -> str:
        """The flowchart as a block of Markdown."""
        return f"```mermaid\n{self.mermaid}```\n"

    def _forms(self) -> dict[str, str]:
        return {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".md": "markdown"}

    def __str__(self) -> str:
        return self.mermaid

    def __repr__(self) -> str:
        return f"<Drawing of pipeline {self._title!r}, {self._note}>"


def draw(pipeline: Pipeline, states: Any = None, around: str | None = None, within: int = 3) -> Drawing:
    """Draws a pipeline, as `Pipeline.draw` does.

    Args:
        pipeline: the pipeline. Pipelines that it holds, and what its nodes choose among, are drawn inside of a box.
        states: what became of its nodes: a mapping from their names to ``"ran"``, ``"cached"``, ``"running"``,
            ``"failed"``, ``"waiting"`` or ``"canceled"``, or an object with such a mapping as ``states``, such as a
            `TimingCallback`. A node of a nested pipeline is named with the node that holds it, as in
            ``"preprocess/scale"``. Names that the pipeline does not have do no harm.
        around: the name of a node, to draw what is near to it and no more.
        within: how many links away that is at most.

    Returns:
        the drawing. What changes afterwards, such as a version, does not change it.

    Raises:
        ValueError: if there are more than 5,000 boxes to be drawn, or a state is none.
        UnknownNameError: if there is no node of the name around which to draw.
        TypeError: if the states are no mapping.
    """
    return Drawing(pipeline, states, around, within)


def drawn_or_told(pipeline: Pipeline) -> str:
    """What a notebook shows of a pipeline: its picture, or why there is none."""
    try:
        return draw(pipeline)._repr_html_()
    except ValueError as error:
        return f"<p>{escape(str(error))}</p>"
