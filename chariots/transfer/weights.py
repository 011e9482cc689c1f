"""How does an op come by weights that are too big to be saved with it?"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from chariots.errors import ChariotsError, InputError
from chariots.pipelines.reporting import is_wanted
from chariots.pipelines.reporting import progress as report
from chariots.transfer.lazy_data_resolver import LazyDataResolver
from chariots.transfer.manifest import Manifest
from chariots.transfer.progress import FETCHING, Progress
from chariots.transfer.settings import TransferSettings
from chariots.versioning import VersionedField, VersionType, content_hash

__all__ = ["WeightFiles", "Weights", "weights_of"]

_AGAIN_SECONDS: Final = 5.0  # after which a fetch that failed is tried again for whoever only looks
_LOOK_SECONDS: Final = 0.2


class WeightFiles:
    """The files of a manifest on this machine. They are fetched when they are first needed, once for all processes.

    Args:
        manifest: which files there are.
        download_dir: where they go; None for a folder of their own below the download directory of the settings.
    """

    def __init__(self, manifest: Manifest, download_dir: str | Path | None = None) -> None:
        self.manifest = manifest
        self._given_dir = None if download_dir is None else Path(download_dir)
        self._lock = threading.Lock()
        self._resolver: LazyDataResolver | None = None
        self._path: Path | None = None
        self._error: ChariotsError | None = None
        self._failed_at = 0.0

    @property
    def directory(self) -> Path:
        """Where the files are, or will be."""
        if self._given_dir is not None:
            return self._given_dir.absolute()
        return (TransferSettings.from_environment().download_dir / "weights" / content_hash(self)).absolute()

    @property
    def path(self) -> Path:
        """The directory with all the files in it; whoever asks waits until they are there.

        In a job, and wherever else somebody listens, `chariots.pipelines.progress` tells how far it is.

        Raises:
            ChariotsError: if a file cannot be had.
        """
        if self._path is not None:
            return self._path
        resolver = self.begin()
        while not resolver.is_done and is_wanted():
            resolver.wait_a_moment(_LOOK_SECONDS)
            if resolver.progress is not None:
                report(resolver.progress.there, resolver.progress.size, FETCHING)
        try:
            self._path = resolver.wait()
        except ChariotsError as error:
            self._note_failure(resolver, error)
            raise
        return self._path

    @property
    def is_there(self) -> bool:
        """Whether all the files are known to be there; asking does not fetch them."""
        resolver = self._resolver
        return self._path is not None or (resolver is not None and resolver.is_done and resolver.error is None)

    @property
    def progress(self) -> Progress | None:
        """How far it is; None where nothing was begun."""
        return None if self._resolver is None else self._resolver.progress

    def begin(self) -> LazyDataResolver:
        """Begins to fetch the files, unless they are being fetched, and does not wait for them.

        Returns:
            what fetches them.
        """
        with self._lock:
            if self._resolver is None:
                self._resolver = LazyDataResolver(self.directory, manifest=self.manifest, progress=_Meter())
            return self._resolver

    def obstacle(self) -> str | None:
        """Why the files are not there yet, in words; begins to fetch them if nobody does.

        Returns:
            None where they are there.
        """
        if self.is_there:
            return None
        resolver = self._resolver
        if resolver is not None and resolver.is_done and resolver.error is not None:
            self._note_failure(resolver, resolver.error)
        if self._error is not None and time.monotonic() - self._failed_at < _AGAIN_SECONDS:
            return str(self._error)
        found = self.begin().progress
        if found is None or not found.size:
            return "they are about to be fetched"
        left = found.seconds_left
        soon = "" if left is None else f", {left:.0f} s left"
        return f"{found.there} of {found.size} bytes are there ({100 * found.there // found.size} %{soon})"

    def _note_failure(self, resolver: LazyDataResolver, error: BaseException) -> None:
        """Keeps why it failed; the next who needs the files tries again."""
        with self._lock:
            if self._resolver is resolver:
                self._resolver, self._failed_at = None, time.monotonic()
                self._error = error if isinstance(error, ChariotsError) else ChariotsError(str(error))

    def __chariots_hash__(self) -> object:
        return sorted((one.file_name, one.hashtype, one.hash, one.size) for one in self.manifest.pointers)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.manifest, self._given_dir)

    def __repr__(self) -> str:
        return f"<{len(self.manifest.pointers)} files of weights, {self.manifest.size} bytes>"


class Weights(VersionedField):
    """A field of an op that stands for big files: read, it is a `WeightFiles`, whose ``path`` is their directory.

    Its version is that of the bytes: other files, other names or other hashes make another version of the op, other
    addresses do not.

    Args:
        manifest: the manifest, or the path of a file that holds one.
        affected_version: the subversion that changes when the files do.
        download_dir: where they go; None for a folder of their own below ``CHARIOTS_TRANSFER_DOWNLOAD_DIR``.

    Raises:
        InputError: if the manifest is none, or does not say itself which files there are.
        UnknownNameError: if there is no such file.
    """

    __slots__ = ()

    def __init__(
        self,
        manifest: Manifest | str | Path,
        affected_version: VersionType = VersionType.MAJOR,
        *,
        download_dir: str | Path | None = None,
    ) -> None:
        found = manifest if isinstance(manifest, Manifest) else Manifest.from_file(manifest)
        if found.models or not found.pointers:
            raise InputError(
                "the manifest of Weights must name every file, since their hashes are the version of the op; "
                "look them up once with create_manifest, and keep the result beside the code"
            )
        super().__init__(WeightFiles(found, download_dir), affected_version)


def weights_of(kinds: Iterable[type]) -> list[tuple[str, WeightFiles]]:
    """Finds the weights of classes.

    Args:
        kinds: classes with versions, such as those of ops.

    Returns:
        what each is called in messages, and the files; every set of files once.
    """
    found: dict[int, tuple[str, WeightFiles]] = {}
    for kind in kinds:
        for name, field in getattr(kind, "__version_fields__", {}).items():
            if isinstance(field.value, WeightFiles):
                found.setdefault(id(field.value), (f"{kind.__name__}.{name}", field.value))
    return list(found.values())


class _Meter:
    """Tells the metrics of this process how many bytes of weights it has fetched."""

    def __init__(self) -> None:
        self._told = 0

    def __call__(self, progress: Progress) -> None:
        from chariots.web.metrics import metrics

        metrics().transfer_bytes.inc(progress.came - self._told)
        self._told = progress.came
