"""Which files do models have? (repositories in, a manifest out)"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from chariots.errors import InputError
from chariots.transfer.manifest import Manifest, Pointer
from chariots.transfer.model_repo import ModelRepo
from chariots.transfer.names import USUAL_ROOT

__all__ = ["DEFAULT_ROOT", "create_manifest", "pointers_of"]

DEFAULT_ROOT: Final = str(USUAL_ROOT)
_AT_ONCE: Final = 8  # repositories


def create_manifest(models: Iterable[ModelRepo], root: str = DEFAULT_ROOT) -> Manifest:
    """Looks up the files of repositories, and writes down where they are and what they are.

    Args:
        models: the repositories.
        root: what their folders lie in; empty for the directory that files are downloaded into, whichever it is.

    Returns:
        the manifest, with one pointer for each file, in the order of the repositories and their paths.

    Raises:
        InputError: if two repositories have different files of one name, or one of them cannot be what it says.
        UnknownNameError: if there is no such repository, or none of its files is wanted.
        UnauthorizedError: if a secret is missing or wrong.
        ForbiddenError: if the secret does not open a repository.
        UnreachableError: if a service does not answer.
        MissingExtraError: if the library for buckets is needed and not installed.
    """
    repositories = tuple(models)
    wrong = next((one for one in repositories if not isinstance(one, ModelRepo)), None)
    if wrong is not None:
        raise InputError(f"a manifest was to be made of {wrong!r:.200}, which is no ModelRepo; give a list of these")
    if len(repositories) < 2:
        found = [pointers_of(repo, root) for repo in repositories]
    else:
        with ThreadPoolExecutor(min(_AT_ONCE, len(repositories)), thread_name_prefix="chariots-lookup") as pool:
            found = list(pool.map(lambda repo: pointers_of(repo, root), repositories))
    return Manifest(tuple(pointer for pointers in found for pointer in pointers))


def pointers_of(repo: ModelRepo, root: str = DEFAULT_ROOT) -> Sequence[Pointer]:
    """Looks up the files of one repository.

    Args:
        repo: the repository.
        root: what the folders of repositories lie in.

    Returns:
        a pointer for each file that is wanted, sorted by path.

    Raises:
        ChariotsError: if it cannot be read, see `create_manifest`.
    """
    if repo.kind == "hf":
        from chariots.transfer.sources.hugging_face import pointers_of_hub

        return pointers_of_hub(repo, root)
    from chariots.transfer.sources.listing import pointers_of_bucket

    return pointers_of_bucket(repo, root)
