"""What are the bytes of an op with a model, and what is checked before a model is built from them?

A ZIP archive of two members: ``model``, as the op's serializer wrote it, and ``_meta.json``, which says when
the model was trained and in which format it is. Archives of chariots 0.2 have the training time only. Where the op
keeps some of the rows that it was trained on, ``rows.npy`` has them, as numpy writes an array of numbers.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chariots.errors import StoreError

if TYPE_CHECKING:
    import numpy

__all__ = ["Manifest", "UnreadableOpError", "pack", "read_manifest", "unpack", "unpack_rows"]

MODEL = "model"
META = "_meta.json"
ROWS = "rows.npy"
NUMBER = 1
# What we write is a few hundred bytes; a longer one is not ours and is not worth the memory.
LONGEST_META = 2**20
LARGEST_ROWS = 2**30  # a hundred rows of a million features


class UnreadableOpError(StoreError, ValueError):
    """Raised when the bytes of an op are damaged, or in a format that the op does not accept."""

    # The name people see in tracebacks is the one they import it by.
    __module__ = "chariots.ml"

    slug = "unreadable-op"
    title = "Unreadable op"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says about its model.

    Attributes:
        train_time: when the model was trained, in seconds since the epoch; None if it never was.
        format: the name of the model's format; None in the archives of chariots 0.2.
        op: the name of the op that was saved; None where the archive does not say.
        model: the qualified class name of the model, for people to read; None where the archive does not say.
    """

    train_time: float | None
    format: str | None = None
    op: str | None = None
    model: str | None = None


def pack(model: bytes, manifest: Manifest, rows: numpy.ndarray[Any, Any] | None = None) -> bytes:
    """Builds the bytes of an op; the same model and manifest always give the same bytes.

    Args:
        model: the serialized model.
        manifest: what to say about it.
        rows: rows that it was trained on, if they are to be kept: numbers.

    Returns:
        the archive. The model is stored as it is: most formats are compressed or do not compress well.
    """
    meta = {
        "manifest": NUMBER,
        "train_time": manifest.train_time,
        "format": manifest.format,
        "op": manifest.op,
        "model": manifest.model,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        # A ZipInfo made from a name alone is dated 1980; writestr(name, ...) would put the present time.
        archive.writestr(zipfile.ZipInfo(META), json.dumps(meta))
        with archive.open(zipfile.ZipInfo(MODEL), "w", force_zip64=True) as member:
            member.write(model)
        if rows is not None:
            import numpy

            with archive.open(zipfile.ZipInfo(ROWS), "w") as member:
                numpy.save(member, rows, allow_pickle=False)
    return buffer.getvalue()


def unpack(data: bytes, op: str) -> tuple[Manifest, bytes]:
    """Takes an archive apart, checksums verified, without building anything from its content.

    Args:
        data: what `pack` (or chariots 0.2) returned.
        op: the name of the op that is to be loaded, for the messages.

    Returns:
        the manifest and the serialized model.

    Raises:
        UnreadableOpError: if this is no such archive, or not a whole one.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            meta = archive.getinfo(META)
            if meta.file_size > LONGEST_META:
                raise ValueError(f"{META} claims {meta.file_size} bytes")
            manifest = _parsed(archive.read(meta))
            return manifest, archive.read(MODEL)
    # A damaged archive may fail as BadZipFile, zlib.error, KeyError, struct.error, UnicodeDecodeError, ...
    except Exception as error:
        raise UnreadableOpError(
            f"op {op!r} cannot be loaded: its {len(data)} bytes are no intact archive of '{MODEL}' and "
            f"'{META}' ({type(error).__name__}: {error}). Load another version, or train and save the op "
            "again."
        ) from error


def unpack_rows(data: bytes, op: str) -> numpy.ndarray[Any, Any] | None:
    """Takes the rows out of an archive that `unpack` could read.

    Args:
        data: the archive.
        op: the name of the op, for messages.

    Returns:
        the rows; None if there are none.

    Raises:
        UnreadableOpError: if they are no rows of numbers.
    """
    import numpy

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if ROWS not in archive.namelist():
            return None
        try:
            if archive.getinfo(ROWS).file_size > LARGEST_ROWS:
                raise ValueError(f"they claim more than {LARGEST_ROWS} bytes")
            rows: numpy.ndarray[Any, Any] = numpy.load(io.BytesIO(archive.read(ROWS)), allow_pickle=False)
            if rows.ndim != 2 or rows.dtype != numpy.float64 or not numpy.isfinite(rows).all():
                raise ValueError(f"they are an array of {rows.dtype} of {rows.ndim} axes")
        except Exception as error:  # as damaged archives do, it may fail in many ways
            raise UnreadableOpError(
                f"op {op!r} cannot be loaded: the rows that its model was trained on are damaged "
                f"({type(error).__name__}: {error}). Load another version, or train and save the op again."
            ) from error
    return rows


def read_manifest(data: bytes) -> Manifest:
    """Tells what is in the bytes of an op, without building anything from them.

    Args:
        data: what ``op.serialize()`` returned.

    Returns:
        the manifest.

    Raises:
        UnreadableOpError: if these are not the bytes of an op with a model.
    """
    return unpack(data, "(any)")[0]


def _parsed(text: bytes) -> Manifest:
    """Reads ``_meta.json``; whatever is wrong with it is a ValueError."""
    meta = json.loads(text)
    if not isinstance(meta, dict):
        raise ValueError(f"{META} holds a {type(meta).__name__}, not an object")
    number = meta.get("manifest", 0)
    if not isinstance(number, int) or number > NUMBER:
        raise ValueError(f"{META} has the number {number!r}; this chariots reads up to {NUMBER}, a newer one may help")
    train_time = meta.get("train_time")
    if train_time is not None:
        if isinstance(train_time, bool) or not isinstance(train_time, (int, float)):
            raise ValueError(f"{META} has the train_time {train_time!r}, which is no number of seconds")
        if not math.isfinite(train_time):
            raise ValueError(f"{META} has the train_time {train_time!r}")
    return Manifest(train_time, *(_text(meta, key) for key in ("format", "op", "model")))


def _text(meta: dict[str, object], key: str) -> str | None:
    value = meta.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{META} has a {key} that is no text: {value!r}")
    return value
