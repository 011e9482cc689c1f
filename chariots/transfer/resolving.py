"""How do the files of a manifest get into a directory, complete and right?"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chariots.errors import ChariotsError, InputError, StoreError
from chariots.transfer.cache import Cache
from chariots.transfer.connections import Connections
from chariots.transfer.digests import check_of
from chariots.transfer.engine import Engine
from chariots.transfer.finished import Finished, has_content
from chariots.transfer.locating import Origins
from chariots.transfer.manifest import Manifest, Pointer
from chariots.transfer.model_repo import ModelRepo
from chariots.transfer.names import OURS, place_of, with_folders
from chariots.transfer.progress import ProgressCallback, Teller
from chariots.transfer.settings import TransferSettings
from chariots.transfer.wanted import Wanted

__all__ = ["resolve"]

_logger = logging.getLogger("chariots.transfer")


def resolve(
    download_dir: str | Path | None = None,
    *,
    manifest: Manifest | str | Path | None = None,
    models: Iterable[ModelRepo] | None = None,
    verify: bool = True,
    settings: TransferSettings | None = None,
    progress: ProgressCallback | None = None,
) -> Path:
    """Brings the files of a manifest into a directory.

    A file appears under its name when it is complete and its hash is right, never before. What was stopped goes on
    where it was; what is there already is not fetched again. Several processes may do the same at the same time.

    Args:
        download_dir: the directory; None for the one that the settings say.
        manifest: the manifest, or the path of a file that holds one; None to look where they usually are.
        models: repositories to fetch instead of a manifest, each into its folder of the directory.
        verify: whether to compute hashes. Without them sizes are compared, and nothing else.
        settings: how it is to be done; None for what the environment says.
        progress: called in this thread several times a second, with a `Progress`.

    Returns:
        the directory.

    Raises:
        ChariotsError: if a file cannot be had; the message names it. What has come is kept for the next run.
    """
    settings = settings or TransferSettings.from_environment()
    root = Path(settings.download_dir if download_dir is None else download_dir).absolute()
    pointers = _pointers(manifest, models)
    try:
        return _Resolving(root, settings, verify).run(pointers, progress)
    except OSError as error:
        if isinstance(error, ChariotsError):
            raise
        raise StoreError(
            f"files cannot be brought into {str(root)!r}: {error.strerror or error}"
            f"{f' ({error.filename})' if error.filename else ''}. Give a directory that can be written into"
        ) from error


def _pointers(manifest: Manifest | str | Path | None, models: Iterable[ModelRepo] | None) -> tuple[Pointer, ...]:
    if manifest is not None and models is not None:
        raise InputError("a manifest and models were given, of which one says what the other does; give one of them")
    if models is not None:
        found = Manifest((), tuple(models))
    elif isinstance(manifest, Manifest):
        found = manifest
    else:
        found = Manifest.find() if manifest is None else Manifest.from_file(manifest)
    if found.models:
        from chariots.transfer.sources import create_manifest

        created = create_manifest(found.models, root="")
        found = Manifest.merged([Manifest(found.pointers), created])
    return found.pointers


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the manifest, in this directory."""

    pointer: Pointer
    place: Path
    wanted: Wanted
    entry: Path | None  # in the cache


class _Resolving:
    def __init__(self, root: Path, settings: TransferSettings, verify: bool) -> None:
        self._root = root
        self._settings = settings
        self._verify = verify
        self._ours = root / OURS
        cache = Cache(settings) if settings.cache_enabled else None
        self._cache = cache if cache is not None and cache.is_worth_it() else None
        self._finished = Finished(self._ours, None if cache is None else cache.root)
        self._connections = Connections(settings.read_timeout_secs)
        self._origins = Origins(self._connections, settings)

    def run(self, pointers: Sequence[Pointer], progress: ProgressCallback | None) -> Path:
        places = self._places(pointers)
        missing = [
            (pointer, place)
            for pointer, place in places
            if not self._finished.has(pointer.file_name, place, _identity(pointer))
        ]
        self._root.mkdir(parents=True, exist_ok=True)
        size = sum(pointer.size for pointer in pointers)
        already = size - sum(pointer.size for pointer, _ in missing)
        teller = Teller(len(pointers), size, already, progress, self._settings.download_monitor_secs)
        came = 0
        if missing:
            self._ours.mkdir(exist_ok=True)
            came = self._fetch(
                [self._file(pointer, Path(place)) for pointer, place in missing],
                len(pointers) - len(missing),
                already,
                teller,
            )
        if self._cache is not None:
            checks = [check_of(pointer.hashtype, pointer.hash, pointer.size) for pointer in pointers]
            self._cache.clean({self._cache.entry_of(check) for check in checks if check is not None})
        if self._settings.page_after_download:
            for _, place in places:
                _bring_into_memory(place)
        teller.tell(len(pointers), size, came, at_once=True)
        return self._root

    def _places(self, pointers: Sequence[Pointer]) -> list[tuple[Pointer, str]]:
        named: dict[str, Pointer] = {}
        for pointer in pointers:
            place = place_of(pointer.file_name, self._root)
            twin = named.setdefault(place, pointer)
            if twin is not pointer and _identity(twin) != _identity(pointer):
                raise InputError(
                    f"the file names {twin.file_name!r} and {pointer.file_name!r} mean the same file {place!r}, "
                    "with other bytes; give one of them another folder"
                )
        folders = {place.rpartition("/")[0]: place for place in named}
        while folders:
            for folder, place in folders.items():
                if folder in named:
                    raise InputError(
                        f"the manifest wants {folder!r} as a file and, for {place!r}, as a folder; "
                        "give one of them another name"
                    )
            folders = {above: place for folder, place in folders.items() if (above := folder.rpartition("/")[0])}
        return [(pointer, place) for place, pointer in named.items()]

    def _fetch(self, files: Sequence[_File], done: int, already: int, teller: Teller) -> int:
        by_wanted = {file.wanted: file for file in files}
        begun = time.monotonic()
        size = sum(file.pointer.size for file in files)
        _logger.info("transfer begun files=%d bytes=%d directory=%s", len(files), size, self._root)
        engine = Engine(
            self._settings,
            self._connections,
            is_there=lambda wanted: self._is_there(by_wanted[wanted]),
            done=lambda wanted: self._note(by_wanted[wanted]),
        )
        try:
            engine.run(
                list(by_wanted), lambda: teller.tell(done + engine.files_done, already + engine.there, engine.came)
            )
        finally:
            self._connections.close()
            self._finished.close()
        _logger.info("transfer done files=%d bytes=%d seconds=%.1f", len(files), size, time.monotonic() - begun)
        return engine.came

    def _file(self, pointer: Pointer, place: Path) -> _File:
        with_folders(place, self._root)
        if place.is_dir() and not place.is_symlink():
            raise InputError(f"{str(place)!r} is a folder, where the manifest has a file; remove it")
        check = check_of(pointer.hashtype, pointer.hash, pointer.size)
        entry = None if self._cache is None or check is None else self._cache.entry_of(check)
        wanted = Wanted(
            name=pointer.file_name,
            place=place if entry is None else entry,
            folder=self._ours if entry is None or self._cache is None else self._cache.parts,
            size=pointer.size,
            identity=_identity(pointer),
            check=check if self._verify or entry is not None else None,
            origin=self._origins.of(pointer),
            opaque=pointer.hash if check is None and pointer.hashtype == "etag" else None,
        )
        return _File(pointer, place, wanted, entry)

    def _is_there(self, file: _File) -> bool:
        """Whether a file is complete though nothing was noted of it, or another process has completed it."""
        pointer, wanted = file.pointer, file.wanted
        if self._finished.has_lately(pointer.file_name, file.place, wanted.identity):
            return True
        if not self._verify and file.entry is None:
            return file.place.is_file() and not file.place.is_symlink() and file.place.stat().st_size == wanted.size
        return has_content(wanted.place, wanted.size, wanted.check)

    def _note(self, file: _File) -> None:
        if self._cache is not None and file.entry is not None and file.entry.exists():
            self._cache.link(file.entry, file.place, self._ours)
        self._finished.note(file.pointer.file_name, file.place, file.wanted.identity)


def _identity(pointer: Pointer) -> str:
    return f"{pointer.hashtype}:{pointer.hash}:{pointer.size}"


def _bring_into_memory(place: str) -> None:
    with Path(place).open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
