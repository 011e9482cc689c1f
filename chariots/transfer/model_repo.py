"""Which repository is meant, which of its files, and what are they called here?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from chariots.errors import nearest

__all__ = ["KINDS", "ModelRepo"]

KINDS: Final = ("hf", "gcs", "s3", "azure")


@dataclass(frozen=True, slots=True)
class ModelRepo:
    """A repository of files, in one state.

    Args:
        repo_id: ``"owner/name"`` on the Hugging Face hub, or ``"gs://bucket/prefix"``, ``"s3://bucket/prefix"``,
            ``"azure://account/container/prefix"``.
        revision: a branch, a tag or a commit of the hub; empty for its main branch, and for buckets.
        volume_folder: the folder that the files go into.
        kind: ``"hf"``, ``"gcs"``, ``"s3"`` or ``"azure"``.
        allow_patterns: only files that match one of these patterns; None for all.
        ignore_patterns: but none that matches one of these.
        runtime_secret_name: the secret that opens the repository.

    Raises:
        ValueError: if the kind is not known, or an argument is not what it should be.
    """

    repo_id: str
    revision: str = ""
    volume_folder: str = ""
    kind: str = "hf"
    allow_patterns: Sequence[str] | None = None
    ignore_patterns: Sequence[str] | None = None
    runtime_secret_name: str = "hf_access_token"

    def __post_init__(self) -> None:
        for name in ("repo_id", "revision", "volume_folder", "kind", "runtime_secret_name"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"a model repository was given {name}={getattr(self, name)!r}, which is no text")
        if not self.repo_id:
            raise ValueError("a model repository was given no repo_id; give one such as 'owner/name'")
        if self.kind not in KINDS:
            raise ValueError(
                f"the repository {self.repo_id!r} is of the kind {self.kind!r}, which is not known."
                f"{nearest(self.kind, KINDS)} Known: {', '.join(KINDS)}"
            )
        for name in ("allow_patterns", "ignore_patterns"):
            patterns = getattr(self, name)
            if patterns is None:
                continue
            if isinstance(patterns, str) or not all(isinstance(one, str) for one in patterns):
                raise ValueError(f"the repository {self.repo_id!r} has {name}={patterns!r}; give a list of texts")
            object.__setattr__(self, name, tuple(patterns))

    def wants(self, path: str) -> bool:
        """Whether a file of the repository is to be had.

        Args:
            path: its path within the repository. In a pattern ``*`` stands for any characters, slashes too, and every
                other character for itself; one that ends in a slash stands for everything below.
        """
        return (self.allow_patterns is None or _matches(path, self.allow_patterns)) and not (
            self.ignore_patterns is not None and _matches(path, self.ignore_patterns)
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns what stands for the repository in a manifest."""
        return {
            "repo_id": self.repo_id,
            "revision": self.revision,
            "volume_folder": self.volume_folder,
            "kind": self.kind,
            "allow_patterns": None if self.allow_patterns is None else list(self.allow_patterns),
            "ignore_patterns": None if self.ignore_patterns is None else list(self.ignore_patterns),
            "runtime_secret_name": self.runtime_secret_name,
        }


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(_expression(pattern).fullmatch(path) for pattern in patterns)


@lru_cache(maxsize=256)
def _expression(pattern: str) -> re.Pattern[str]:
    # Several stars say no more than one, and would take for ever.
    parts = re.split(r"\*+", pattern + "*" if pattern.endswith("/") else pattern)
    return re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
