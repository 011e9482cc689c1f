"""How is it told why a pipeline cannot be loaded, or why it cannot answer yet?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chariots.errors import ChariotsError, NotLoadedError, VersionError
from chariots.serving.snapshots import waiting_names

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline

__all__ = ["not_loaded", "passes", "told", "unfit"]


def told(error: BaseException) -> str:
    """The words of an error, in one line and without the full stop.

    Args:
        error: the error.
    """
    text = str(error)
    if isinstance(error, VersionError):
        problems = error.extra.get("problems")
        text = " ".join(problems) if problems else text
    return " ".join(text.split()).rstrip(".") or type(error).__name__


def passes(error: Exception) -> bool:
    """Whether an error says that the store cannot be asked now, and nothing about what it holds.

    Args:
        error: the error.
    """
    return isinstance(error, ChariotsError) and error.status == 503


def unfit(error: VersionError, pipeline: str, alias: str, promoted: Mapping[str, int]) -> VersionError:
    """A refusal that also says why just these versions were to be loaded.

    Args:
        error: the refusal.
        pipeline: the name of the pipeline.
        alias: the alias that stands for the versions.
        promoted: the number of the version of each node.
    """
    versions = ", ".join(f"{node} {number}" for node, number in sorted(promoted.items()))
    why = (
        f"These versions were promoted: {alias!r} of pipeline {pipeline!r} stands for {versions}. Promote "
        f"others with `chariots promote {pipeline}`, or go back with `chariots rollback {pipeline}`."
    )
    extra = {**error.extra, "problems": [*error.extra.get("problems", ()), why], "promoted": dict(promoted)}
    return VersionError(f"{error}\n{why}", **extra)


def not_loaded(pipeline: Pipeline, obstacle: str | None, *, has_store: bool) -> NotLoadedError:
    """The answer of a pipeline that is not loaded.

    Args:
        pipeline: the pipeline.
        obstacle: what came of the last attempt to load it, if there was one.
        has_store: whether the server has an op store to load it from.
    """
    ops = ", ".join(repr(name) for name in waiting_names(pipeline)) or "its saved ops"
    if not has_store:
        return NotLoadedError(
            f"pipeline {pipeline.name!r} was called, but {ops} must be loaded first and this server has no op store. "
            "Give it one (op_store_client=...), or use Chariots(pipelines, path), which brings its own.",
            is_loaded=False,
        )
    reason = f" When the server last tried: {obstacle}." if obstacle else ""
    return NotLoadedError(
        f"pipeline {pipeline.name!r} was called, but {ops} must be loaded first.{reason} "
        f"Run and save the pipeline that trains them, then load {pipeline.name!r}.",
        is_loaded=False,
    )
