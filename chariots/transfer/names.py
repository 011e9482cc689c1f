"""Where may a file of a manifest be written? Below the directory that it is downloaded into, and nowhere else."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PurePosixPath
from typing import Final

from chariots.errors import InputError

__all__ = ["OURS", "USUAL_ROOT", "place_of", "with_folders"]

USUAL_ROOT: Final = PurePosixPath("/app/model_cache")
"""The directory that manifests are written for when nobody names another; it stands for wherever they are resolved."""

OURS: Final = ".chariots-transfer"  # the folder, within the download directory, of what is not ready yet
_NEVER: Final = re.compile(r"[\x00-\x1f\x7f\\]")
_SURELY_SHORT: Final = 200  # characters
_LONGEST_PART: Final = 255  # bytes, on every file system that is common
_LONGEST: Final = 4000  # bytes; the kernel takes 4,096 with the directory before it


def place_of(file_name: str, root: Path) -> str:
    """Says where a file goes.

    Args:
        file_name: as the manifest has it: relative, or absolute below the root, or below the root that manifests are
            written for when nobody names another.
        root: the directory that files are downloaded into, absolute.

    Returns:
        its path below the root.

    Raises:
        InputError: if it would lie elsewhere, or no file can have such a name.
    """
    if not file_name or _NEVER.search(file_name):
        raise InputError(
            f"the file name {file_name[:200]!r} is empty, or holds a control character or a backslash; no file is "
            "written under such a name"
        )
    parts = [part for part in file_name.split("/") if part not in ("", ".")]
    if file_name.startswith("/"):
        parts = _below(parts, file_name, root)
    if ".." in parts or not parts:
        raise InputError(
            f"the file name {file_name[:200]!r} leads out of {str(root)!r}, which files are downloaded into; it is not "
            "followed"
        )
    if parts[0] == OURS:
        raise InputError(
            f"the file name {file_name[:200]!r} is in the folder {OURS!r}, which holds what is not ready yet; give it "
            "another one"
        )
    if len(file_name) > _SURELY_SHORT or not file_name.isascii():
        _check_length(file_name, parts)
    return f"{root}/{'/'.join(parts)}"


def _below(parts: list[str], file_name: str, root: Path) -> list[str]:
    """The parts of an absolute name behind those of the root."""
    for above in (root, USUAL_ROOT):
        first = list(above.parts[1:])
        if parts[: len(first)] == first:
            return parts[len(first) :]
    raise InputError(
        f"the file name {file_name[:200]!r} leads out of {str(root)!r}, which files are downloaded into; download into "
        "the directory that the manifest was written for, or write it with root=''"
    )


def _check_length(file_name: str, parts: list[str]) -> None:
    try:
        is_long = len(os.fsencode(file_name)) > _LONGEST or any(
            len(os.fsencode(part)) > _LONGEST_PART for part in parts
        )
    except UnicodeEncodeError as error:
        raise InputError(f"the file name {file_name[:200]!r} holds half a character; no file can have it") from error
    if is_long:
        raise InputError(
            f"the file name {file_name[:200]!r} is longer than a file system allows; "
            f"give each part at most {_LONGEST_PART} bytes"
        )


def with_folders(place: Path, root: Path) -> None:
    """Makes the folders of a file, and makes sure that none of them is a link that leads elsewhere.

    Args:
        place: where the file goes, below the root.
        root: the directory that files are downloaded into.

    Raises:
        InputError: if something that is no folder is in the way, or a link.
        OSError: if a folder cannot be made.
    """
    folder = root
    for part in place.relative_to(root).parts[:-1]:
        folder = folder / part
        try:
            mode = os.lstat(folder).st_mode
        except FileNotFoundError:
            folder.mkdir(exist_ok=True)  # another process may make the same
            mode = os.lstat(folder).st_mode
        if not stat.S_ISDIR(mode):
            what = "a link" if stat.S_ISLNK(mode) else "no folder"
            raise InputError(
                f"the file {str(place)!r} cannot be written: {str(folder)!r} is {what}, and links are not followed "
                "out of the download directory; remove it"
            )
