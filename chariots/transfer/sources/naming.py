"""What is a file of a repository called in a manifest, and may it be called so?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar

from chariots.errors import InputError, UnknownNameError
from chariots.transfer.model_repo import ModelRepo
from chariots.transfer.names import place_of

__all__ = ["file_name_of", "wanted_of"]

Found = TypeVar("Found")

_ANYWHERE: Final = Path("/download-directory")


def file_name_of(repo: ModelRepo, root: str, path: str) -> str:
    """Says what a file is called in a manifest: root, folder and path, joined by slashes.

    Args:
        repo: the repository, with its folder.
        root: what the folders of repositories lie in; empty for the directory that files are downloaded into.
        path: the path of the file within the repository.

    Raises:
        InputError: if it would lead out of the root, or no file can have such a name.
    """
    for what, part in (("the volume_folder", repo.volume_folder), ("the path", path)):
        if part.startswith("/") or ".." in part.split("/"):
            raise InputError(
                f"{what} {part[:200]!r} of the repository {repo.repo_id[:200]!r} leads out of where its files go; "
                "it is not followed"
            )
    below = PurePosixPath(repo.volume_folder) / path
    try:
        place_of(str(below), _ANYWHERE)
    except InputError as error:
        raise InputError(f"the repository {repo.repo_id[:200]!r} cannot be downloaded: {error}") from error
    return str(PurePosixPath(root) / below) if root else str(below)


def wanted_of(repo: ModelRepo, files: Mapping[str, Found]) -> Sequence[tuple[str, Found]]:
    """Chooses the files that the patterns of a repository ask for.

    Args:
        repo: the repository.
        files: what is known of its files, by their paths within it.

    Returns:
        path and what is known of each that is wanted, sorted by path.

    Raises:
        UnknownNameError: if it has none that is wanted.
    """
    wanted = [(path, files[path]) for path in sorted(files) if repo.wants(path)]
    if wanted:
        return wanted
    shown = f"the repository {repo.repo_id[:200]!r}"
    if not files:
        raise UnknownNameError(f"{shown} has no files; check its name, and its revision or prefix")
    example = min(files)
    raise UnknownNameError(
        f"{shown} has {len(files)} files, of which none is wanted: allow_patterns={_shown(repo.allow_patterns)}, "
        f"ignore_patterns={_shown(repo.ignore_patterns)}. Give patterns of whole paths, such as {example[:200]!r}"
    )


def _shown(patterns: Sequence[str] | None) -> str:
    return str(None if patterns is None else list(patterns))[:300]
