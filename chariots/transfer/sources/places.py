"""Which bucket is meant, and may one be called so?"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from typing import Final

from chariots.errors import InputError
from chariots.transfer.manifest import AzureResolution, GcsResolution, Resolution, S3Resolution
from chariots.transfer.model_repo import ModelRepo

__all__ = ["Place", "folder_of", "kind_of", "place_of_object"]

# These names become parts of the addresses that are asked, and must not lead to other servers.
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}\Z")
_ACCOUNT: Final = re.compile(r"[a-z0-9]{3,24}\Z")
_REGION: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,40}\Z")
_AZURE_HOST: Final = ".blob.core.windows.net"
_FORMS: Final = {
    "gcs": "'gs://bucket/prefix'",
    "s3": "'s3://bucket/prefix'",
    "azure": "'azure://account/container/prefix'",
}
_SCHEMES: Final = {"gcs": ("gs://", "gcs://"), "s3": ("s3://",), "azure": ("azure://", "az://")}


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, or a container.

    Attributes:
        kind: ``"gcs"``, ``"s3"`` or ``"azure"``.
        bucket: its name.
        account: the storage account, with Azure.
        region: where it is, with S3; None for what the secret or the environment says.

    Raises:
        InputError: if there can be none of such a name.
    """

    kind: str
    bucket: str
    account: str = ""
    region: str | None = None

    def __post_init__(self) -> None:
        if not _BUCKET.match(self.bucket) or ".." in self.bucket:
            raise InputError(f"{self.bucket[:200]!r} is no name of a bucket or container; correct it")
        if self.kind == "azure" and not _ACCOUNT.match(self.account):
            raise InputError(f"{self.account[:200]!r} is no name of a storage account of Azure; correct it")
        if self.region is not None and not _REGION.match(self.region):
            raise InputError(f"{self.region[:200]!r} is no region of S3; give one such as 'us-west-2'")

    def resolution(self, name: str) -> Resolution:
        """Says where an object is, as a manifest does.

        Args:
            name: the name of the object.
        """
        if self.kind == "gcs":
            return GcsResolution(path=name, bucket_name=self.bucket)
        if self.kind == "s3":
            return S3Resolution(bucket_name=self.bucket, key=name, region=self.region)
        return AzureResolution(account_name=self.account, container_name=self.bucket, blob_name=name)

    def uid(self, name: str) -> str:
        """What tells an object from all others.

        Args:
            name: the name of the object.
        """
        return ":".join(filter(None, (self.kind, self.account, self.bucket, name)))

    def shown(self, name: str = "") -> str:
        """What the bucket, or an object in it, is called in messages.

        Args:
            name: the name of the object.
        """
        scheme = _SCHEMES[self.kind][0]
        return scheme + "/".join(filter(None, (self.account, self.bucket, name[:300])))


def kind_of(repo_id: str) -> str:
    """Says what kind of a repository is called so.

    Args:
        repo_id: ``owner/name`` on the Hugging Face hub, or the address of a folder of a bucket.

    Returns:
        the kind, as a `ModelRepo` has it.

    Raises:
        InputError: if it begins with a scheme that no kind has.
    """
    text = _as_azure(repo_id)
    scheme, separator, _ = text.partition("://")
    if not separator:
        return "hf"
    kind = next((kind for kind, schemes in _SCHEMES.items() if f"{scheme}://" in schemes), None)
    if kind is None:
        raise InputError(
            f"the repository {repo_id.partition('?')[0][:200]!r} begins with {scheme[:40]}://, which stands for none; "
            f"give one of the forms {', '.join(_FORMS.values())}, or 'owner/name' for the Hugging Face hub"
        )
    return kind


def place_of_object(resolution: Resolution) -> tuple[Place, str]:
    """Says in which bucket an object is, and what it is called there.

    Args:
        resolution: where a manifest says that it is.

    Returns:
        the bucket and the name.

    Raises:
        InputError: if there can be no such bucket, or it is none.
    """
    if isinstance(resolution, GcsResolution):
        place, name = Place("gcs", resolution.bucket_name), resolution.path
    elif isinstance(resolution, S3Resolution):
        place, name = Place("s3", resolution.bucket_name, region=resolution.region or None), resolution.key
    elif isinstance(resolution, AzureResolution):
        place = Place("azure", resolution.container_name, resolution.account_name)
        name = resolution.blob_name
    else:
        raise InputError("an address of HTTP was given, where the object of a bucket was expected")
    if not name.strip("/"):
        raise InputError(f"{place.shown()} is given without the name of an object in it; correct the manifest")
    return place, name


def folder_of(repo: ModelRepo) -> tuple[Place, str]:
    """Reads which folder of a bucket is a repository.

    Args:
        repo: the repository, of the kind ``"gcs"``, ``"s3"`` or ``"azure"``.

    Returns:
        the bucket, and the folder without slashes at its ends; empty for all of the bucket.

    Raises:
        InputError: if its name is not of the form that its kind has.
    """
    text = _as_azure(repo.repo_id) if repo.kind == "azure" else repo.repo_id
    scheme = next((one for one in _SCHEMES[repo.kind] if text.startswith(one)), None)
    parts = [] if scheme is None else text.removeprefix(scheme).split("/")
    count = 2 if repo.kind == "azure" else 1
    if len(parts) < count or not all(parts[:count]):
        shown = repo.repo_id.partition("?")[0][:200]  # what follows may be a signature
        raise InputError(
            f"the repository {shown!r} is not of the form {_FORMS[repo.kind]}, which those of the kind "
            f"{repo.kind!r} have; correct its repo_id or its kind"
        )
    folder = "/".join(part for part in parts[count:] if part)
    if ".." in parts:
        raise InputError(f"the repository {repo.repo_id[:200]!r} holds '..', which no folder is called; correct it")
    if repo.kind == "azure":
        return Place("azure", parts[1], parts[0]), folder
    return Place(repo.kind, parts[0]), folder


def _as_azure(text: str) -> str:
    """The short form of an address of Azure."""
    try:
        parts = urllib.parse.urlsplit(text)
    except ValueError:
        return text
    host = parts.hostname or ""
    if parts.scheme != "https" or not host.endswith(_AZURE_HOST) or parts.query or parts.port or "@" in parts.netloc:
        return text
    return f"azure://{host.removesuffix(_AZURE_HOST)}{urllib.parse.unquote(parts.path)}"
