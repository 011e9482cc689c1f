"""What does a failure look like from another process? (a stack as JSON, and as the text of a traceback)"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from chariots.schema.places import printable

__all__ = ["remote_stack", "render_stack"]

_MOST_FRAMES = 50
_MOST_CAUSES = 10
_MOST_NOTES = 20
_LONGEST_MESSAGE = 8000
_LONGEST_LINE = 500
# Frames of the server's own machinery say nothing about the user's code.
_MACHINERY = ("flask", "werkzeug", "chariots")


def remote_stack(exc: BaseException) -> dict[str, Any]:
    """Describes an exception so that it can travel as JSON.

    Args:
        exc: the exception, with the traceback it was caught with.

    Returns:
        ``class``, ``module``, ``message``, ``notes``, ``frames`` (each with ``file``, ``line``, ``function``
        and ``code``; outermost first), ``omitted_frames``, ``cause`` (the same again, or None) and
        ``relation`` (``cause`` when raised from it, ``context`` when it came up while the other was handled).
        Frames of the server's own machinery are left out, except the one that raised. Everything is capped.
    """
    first: dict[str, Any] = {}
    described = first
    seen: set[int] = set()
    current: BaseException | None = exc
    for _ in range(_MOST_CAUSES):
        if current is None or id(current) in seen:
            break
        seen.add(id(current))
        if described is first and not first:
            first.update(_describe(current))
        else:
            described["cause"] = _describe(current)
            described = described["cause"]
        if current.__cause__ is not None:
            described["relation"], current = "cause", current.__cause__
        elif current.__context__ is not None and not current.__suppress_context__:
            described["relation"], current = "context", current.__context__
        else:
            current = None
    return first


def _describe(exc: BaseException) -> dict[str, Any]:
    kind = type(exc)
    frames, omitted = _frames(exc.__traceback__)
    notes = getattr(exc, "__notes__", ())
    return {
        "class": kind.__qualname__,
        "module": kind.__module__,
        "message": _clean(printable(exc)),
        "notes": [_clean(printable(note)) for note in notes[:_MOST_NOTES]] if isinstance(notes, list) else [],
        "frames": frames,
        "omitted_frames": omitted,
        "cause": None,
        "relation": None,
    }


def _clean(text: str) -> str:
    """Keeps a text short, and free of what UTF-8 cannot carry."""
    if len(text) > _LONGEST_MESSAGE:
        text = f"{text[:_LONGEST_MESSAGE]}... ({len(text) - _LONGEST_MESSAGE:,} more characters)"
    return text.encode("utf-8", "backslashreplace").decode()


def _frames(trace: TracebackType | None) -> tuple[list[dict[str, Any]], int]:
    walked = list(traceback.walk_tb(trace))
    last = len(walked) - 1
    shown = [
        step
        for position, step in enumerate(walked)
        if position == last or str(step[0].f_globals.get("__name__")).partition(".")[0] not in _MACHINERY
    ]
    omitted = max(0, len(shown) - _MOST_FRAMES)
    if omitted:  # deep recursion: where it began and where it ended tell most
        shown = shown[:10] + shown[-(_MOST_FRAMES - 10) :]
    summary = traceback.StackSummary.extract(iter(shown))
    return [
        {
            "file": _clean(frame.filename),
            "line": frame.lineno or 0,
            "function": _clean(frame.name),
            "code": _clean((frame.line or "")[:_LONGEST_LINE]),
        }
        for frame in summary
    ], omitted


def render_stack(stack: Any) -> str:
    """Writes a remote stack the way Python prints a traceback.

    Args:
        stack: what `remote_stack` made, as it came over the wire; damaged parts are left out.

    Returns:
        text, causes first.
    """
    levels: list[Mapping[str, Any]] = []
    while isinstance(stack, Mapping) and len(levels) < _MOST_CAUSES:
        levels.append(stack)
        stack = stack.get("cause")
    lines: list[str] = []
    for level in reversed(levels):
        if lines:
            lines += ["", _BETWEEN.get(str(level.get("relation")), _BETWEEN["context"]), ""]
        lines += _level_lines(level)
    return "\n".join(lines)


_BETWEEN = {
    "cause": "The above exception was the direct cause of the following exception:",
    "context": "During handling of the above exception, another exception occurred:",
}


def _level_lines(level: Mapping[str, Any]) -> Iterator[str]:
    frames = level.get("frames")
    if isinstance(frames, Sequence) and frames:
        yield "Traceback (most recent call last):"
        for frame in frames:
            if isinstance(frame, Mapping):
                yield f'  File "{frame.get("file")}", line {frame.get("line")}, in {frame.get("function")}'
                if frame.get("code"):
                    yield f"    {frame['code']}"
    module, name, message = level.get("module"), level.get("class", "Exception"), level.get("message")
    qualified = name if module in (None, "builtins", "__main__") else f"{module}.{name}"
    yield f"{qualified}: {message}" if message else str(qualified)
    notes = level.get("notes")
    if isinstance(notes, Sequence) and not isinstance(notes, str):
        yield from map(str, notes)
