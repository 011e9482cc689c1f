"""How does a pipeline look as Mermaid, the text that GitHub and many editors draw?

Every name is written as text in quotes in which everything but plain letters and digits is a number (``#60;`` for
``<``), so that no name can be taken for syntax: https://mermaid.js.org/syntax/flowchart.html#special-characters-that-break-syntax
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from chariots.pipelines.drawing.boxes import INK, TONES
from chariots.pipelines.drawing.pipeline_svg import STATE_STYLES
from chariots.pipelines.drawing.scene import Element, Scene
from chariots.pipelines.drawing.texts import shortened

__all__ = ["as_mermaid"]

LONGEST_NAME = 60

# Mermaid reads labels once more when their numbers are letters again: for line breaks, formulas and icons. A space
# that has no width keeps it from finding any.
_MEANT = re.compile(r"[\\$]|:(?=\S)")
_NOTHING = "\u200b"


def as_mermaid(scene: Scene) -> str:
    """Writes a pipeline as a flowchart of Mermaid.

    Args:
        scene: the pipeline.

    Returns:
        the text.
    """
    lines = ["flowchart TB"]
    used: dict[str, list[str]] = {}
    lines.extend(_lines(scene, count(), used, "  "))
    for state, identifiers in used.items():
        style = STATE_STYLES[state]
        tone = TONES[style.tone]
        dashes = f",stroke-dasharray:{style.dashes}" if style.dashes else ""
        lines.append(f"  classDef {state} fill:{tone.fill},stroke:{tone.stroke},color:{INK}{dashes}")
        lines.extend(f"  class {identifier} {state}" for identifier in identifiers)
    return "\n".join(lines) + "\n"


def _lines(scene: Scene, numbers: count[int], used: dict[str, list[str]], indent: str) -> Iterator[str]:
    names = {}
    for key, element in scene.elements.items():
        name = names[key] = f"n{next(numbers)}"
        if element.state is not None:
            used.setdefault(element.state, []).append(name)
        if element.inside is not None:
            yield f'{indent}subgraph {name}["{_label(element)}"]'
            yield from _lines(element.inside, numbers, used, indent + "  ")
            yield f"{indent}end"
        elif element.is_end:
            yield f'{indent}{name}(["{_label(element)}"])'
        else:
            yield f'{indent}{name}["{_label(element)}"]'
    for link in scene.links:
        words = f'|"{_quoted(link.output)}"|' if link.output else ""
        yield f"{indent}{names[link.upstream]} -->{words} {names[link.downstream]}"


def _label(element: Element) -> str:
    details = [*element.details, *([element.state] if element.state else [])]
    return "<br>".join(map(_quoted, (element.name, *details)))


def _quoted(text: str) -> str:
    shown = _MEANT.sub(lambda found: found[0] + _NOTHING, shortened(text, LONGEST_NAME))
    return "".join(letter if letter == " " or letter.isalnum() else f"#{ord(letter)};" for letter in shown)
