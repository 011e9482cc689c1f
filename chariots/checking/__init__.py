"""Does the code on disk fit what is trained and live?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.checking.judging import check_pipelines
    from chariots.checking.markdown import as_markdown
    from chariots.checking.report import NodeCheck, OpCheck, PipelineCheck, Report, Step
    from chariots.checking.stores import open_store
    from chariots.checking.svg import as_svg
    from chariots.checking.text import as_text

_HOMES = {
    "check_pipelines": "chariots.checking.judging",
    "open_store": "chariots.checking.stores",
    "Report": "chariots.checking.report",
    "OpCheck": "chariots.checking.report",
    "PipelineCheck": "chariots.checking.report",
    "NodeCheck": "chariots.checking.report",
    "Step": "chariots.checking.report",
    "as_text": "chariots.checking.text",
    "as_markdown": "chariots.checking.markdown",
    "as_svg": "chariots.checking.svg",
}

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
__all__ = [
    "check_pipelines",
    "open_store",
    "Report",
    "OpCheck",
    "PipelineCheck",
    "NodeCheck",
    "Step",
    "as_text",
    "as_markdown",
    "as_svg",
]
