"""Which objects are below a folder of a bucket, in which state, and what are they?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from chariots.errors import ConflictError, StoreError
from chariots.op_store.savers.attempts import is_of_library
from chariots.transfer.manifest import Pointer
from chariots.transfer.model_repo import ModelRepo
from chariots.transfer.settings import TransferSettings
from chariots.transfer.sources.bucket_failures import final_failure_of
from chariots.transfer.sources.naming import file_name_of, wanted_of
from chariots.transfer.sources.places import folder_of
from chariots.transfer.sources.stores import Store, Stores

__all__ = ["pointers_of_bucket"]

_MD5: Final = re.compile(r"[0-9a-f]{32}\Z")
_AT_ONCE: Final = 16  # questions for single objects


def pointers_of_bucket(repo: ModelRepo, root: str, stores: Stores | None = None) -> Sequence[Pointer]:
    """Looks up the objects of a folder of a bucket, a page of them with each request.

    Args:
        repo: the repository, of the kind ``"gcs"``, ``"s3"`` or ``"azure"``.
        root: what the folders of repositories lie in.
        stores: buckets that were opened before.

    Returns:
        a pointer for each object that is wanted, sorted by path.

    Raises:
        UnknownNameError: if there is no such bucket, or none of its objects is wanted.
        UnauthorizedError: if the keys are missing or wrong.
        ForbiddenError: if the keys do not allow it.
        UnreachableError: if the service does not answer.
        InputError: if the repository cannot be called so, or an object has a name that no file can have.
        MissingExtraError: if the library for buckets is not installed.
    """
    place, folder = folder_of(repo)
    stores = stores or Stores(TransferSettings.from_environment().read_timeout_secs)
    store = stores.open(place, repo.runtime_secret_name)
    below = len(folder) + 1 if folder else 0
    objects = {meta["path"][below:]: meta for meta in _objects(store, folder)}
    return [_pointer(repo, root, store, path, meta) for path, meta in wanted_of(repo, objects)]


def _pointer(repo: ModelRepo, root: str, store: Store, path: str, meta: Mapping[str, Any]) -> Pointer:
    place, name = store.place, str(meta["path"])
    tag = (meta.get("e_tag") or "").strip('"')
    if not tag:
        raise ConflictError(
            f"{place.shown(name)} has no entity tag, so that nobody could tell whether it was changed; "
            "its service is none that a manifest can be made of"
        )
    # The entity tag that Google Cloud Storage gives to an object made at once is its MD5. With S3 it may be the MD5
    # of something encrypted.
    is_md5 = place.kind == "gcs" and _MD5.match(tag) is not None
    return Pointer(
        resolution=place.resolution(name),
        uid=place.uid(name),
        file_name=file_name_of(repo, root, path),
        hashtype="md5" if is_md5 else "etag",
        hash=tag,
        size=int(meta["size"]),
        runtime_secret_name=repo.runtime_secret_name,
    )


def _objects(store: Store, folder: str) -> Sequence[Mapping[str, Any]]:
    """What the service knows of every object below a folder, without those that only stand for folders."""
    found = _asked(store, lambda: list(store.saver.objects(folder)))
    parents = {parent for meta in found for parent in _parents(meta["path"])}
    # The library tells the name of such an object without the slash at its end.
    files = [meta for meta in found if meta["path"] != folder and (meta["size"] or meta["path"] not in parents)]
    empty = [meta["path"] for meta in files if not meta["size"]]
    if not empty:
        return files
    # An empty object that has nothing below it is a file if there is one of that name, without a slash.
    with ThreadPoolExecutor(min(_AT_ONCE, len(empty)), thread_name_prefix="chariots-lookup") as pool:
        is_file = dict(zip(empty, pool.map(lambda name: _is_there(store, name), empty), strict=True))
    return [meta for meta in files if is_file.get(meta["path"], True)]


def _parents(path: str) -> Sequence[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _is_there(store: Store, name: str) -> bool:
    return bool(_asked(store, lambda: store.saver.exists(name)))


def _asked(store: Store, question: Any) -> Any:
    """Asks a saver, which tries again; what it cannot do is told in the words of a transfer."""
    try:
        return question()
    except StoreError as error:
        cause = error.__cause__
        if cause is None or not is_of_library(cause):
            raise
        raise final_failure_of(cause, store) from cause
