"""Did the code of a class or function change, with everything it uses of its own project?"""

from __future__ import annotations

import hashlib
import types
from typing import Any

from chariots.versioning.graph import Graph
from chariots.versioning.live import code_file, home, unwrapped
from chariots.versioning.project import Project
from chariots.versioning.resolution import Part

__all__ = ["code_fingerprint", "fingerprint_and_files"]


def code_fingerprint(target: Any) -> str | None:
    """Fingerprints the code of a class or function and of all it uses of the same project.

    Bodies, default arguments, class attributes, bases, decorators, the helpers, constants and classes that
    are named, and the values that closures hold all count, through any number of modules. Comments,
    docstrings, formatting and whatever is not used do not. The result is the same on every supported Python.

    Args:
        target: a class, function or method.

    Returns:
        64 hex digits, or None where Python has no source for the target.
    """
    return fingerprint_and_files(target)[0]


def fingerprint_and_files(target: Any) -> tuple[str | None, list[str]]:
    """Fingerprints code, and names every file that was read to do so.

    Args:
        target: a class, function or method.

    Returns:
        what `code_fingerprint` does, and the files; what was typed in is known by names that are no files.
    """
    if isinstance(target, types.MethodType):
        target = target.__func__
    functions = list(unwrapped(target))
    if not functions and not isinstance(target, type):
        target = type(target)
    # A decorated function belongs to the project of the function, not to that of the decorator.
    anchor = functions[-1] if functions else target
    place = code_file(anchor)
    if place is None:
        return None, []
    project = Project(home(anchor)[0], place[0])
    graph = Graph(project)
    roots = [part for part in graph.live(target) if isinstance(part, Part)]
    if not roots:
        return None, []
    for base in getattr(target, "__mro__", ())[1:]:
        roots += [part for part in graph.live(base) if isinstance(part, Part)]
    digest = _digest(graph, roots)
    return digest, list(dict.fromkeys([place[0], *project.files]))


def _digest(graph: Graph, roots: list[Part]) -> str:
    """Hashes every part that can be reached, in the order in which the source names them.

    Parts are numbered as they are met, so that neither module names nor places in files leave a trace.
    """
    numbers: dict[Any, int] = {}
    queue: list[Part] = []

    def number(part: Part) -> int:
        if part.key not in numbers:
            numbers[part.key] = len(queue)
            queue.append(part)
        return numbers[part.key]

    sha = hashlib.sha256(b"chariots-code-1\n")
    for root in roots:
        number(root)
    position = 0
    while position < len(queue):
        part = queue[position]
        position += 1
        _feed(sha, part.syntax)
        for label, targets in graph.references(part):
            named = [f"#{number(target)}" if isinstance(target, Part) else target for target in targets]
            if named:
                _feed(sha, "\n".join([label, *named]).encode("utf-8", "surrogatepass"))
    return sha.hexdigest()


def _feed(sha: Any, data: bytes) -> None:
    """Adds data with its length, so that no two sequences of data look alike."""
    sha.update(len(data).to_bytes(8, "big") + data)
