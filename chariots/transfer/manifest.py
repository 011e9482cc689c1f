"""Which files belong to a model, where are their bytes, and how does one know that they are the right ones?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeAlias

from chariots.errors import InputError, UnknownNameError
from chariots.transfer.model_repo import ModelRepo

__all__ = [
    "AzureResolution",
    "GcsResolution",
    "HttpResolution",
    "Manifest",
    "Pointer",
    "Resolution",
    "S3Resolution",
    "PLACES",
]

PLACES: Final = (
    Path("/bptr/bptr-manifest"),
    Path("/bptr/bptr-manifest.json"),
    Path("/static-bptr/static-bptr-manifest.json"),
)
"""Where manifests are looked for when none is given; all that are there are merged."""

LARGEST_JSON: Final = 256 * 2**20  # bytes; a pointer has some 500, so this is half a million files
LARGEST_FILE: Final = 2**63 - 1  # bytes; what an operating system counts to
NEVER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class HttpResolution:
    """The bytes are at a URL.

    Attributes:
        url: the address; it may be signed, and is shown to nobody.
        expiration_timestamp: after which the address is of no use, in seconds since 1970.
    """

    url: str = field(repr=False)
    expiration_timestamp: int = NEVER


@dataclass(frozen=True, slots=True)
class GcsResolution:
    """The bytes are an object of Google Cloud Storage.

    Attributes:
        path: the name of the object.
        bucket_name: the bucket.
    """

    path: str
    bucket_name: str


@dataclass(frozen=True, slots=True)
class S3Resolution:
    """The bytes are an object of S3.

    Attributes:
        bucket_name: the bucket.
        key: the name of the object.
        region: where the bucket is; None for what the secret or the environment says.
    """

    bucket_name: str
    key: str
    region: str | None = None


@dataclass(frozen=True, slots=True)
class AzureResolution:
    """The bytes are a blob of Azure.

    Attributes:
        account_name: the storage account.
        container_name: the container.
        blob_name: the name of the blob.
    """

    account_name: str
    container_name: str
    blob_name: str


Resolution: TypeAlias = HttpResolution | GcsResolution | S3Resolution | AzureResolution

KINDS: Final[Mapping[str, type[Resolution]]] = {
    "http": HttpResolution,
    "gcs": GcsResolution,
    "s3": S3Resolution,
    "azure": AzureResolution,
}
TAG: Final = "resolution_type"


@dataclass(frozen=True, slots=True)
class Pointer:
    """One file: where its bytes are, what it is called here, and what it must be.

    Attributes:
        resolution: where the bytes are.
        uid: what tells this file from all others, whatever it is called.
        file_name: its path below the directory that it is downloaded into.
        hashtype: what kind of hash follows, such as ``"sha256"``, ``"blake3"``, ``"md5"`` or ``"etag"``.
        hash: the hash of the bytes; of an ``etag``, what a server calls this state of the object.
        size: how many bytes it has.
        runtime_secret_name: the secret that opens the place where the bytes are.
    """

    resolution: Resolution
    uid: str
    file_name: str
    hashtype: str
    hash: str
    size: int
    runtime_secret_name: str = "hf_access_token"

    def to_dict(self) -> dict[str, Any]:
        """Returns what stands for the pointer in a manifest."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        tag = next(tag for tag, kind in KINDS.items() if kind is type(self.resolution))
        return {**told, "resolution": {TAG: tag, **asdict(self.resolution)}}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of one or several models.

    Attributes:
        pointers: one for each file; no two have the same file name.
        models: repositories whose files are looked up when the manifest is resolved.
    """

    pointers: tuple[Pointer, ...] = ()
    models: tuple[ModelRepo, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "pointers", _without_twins(self.pointers))

    @classmethod
    def from_json(cls, text: str | bytes, name: str = "the manifest") -> Manifest:
        """Reads a manifest.

        Args:
            text: JSON, or YAML: an object with ``pointers`` and, perhaps, ``models``; or the list of the pointers.
            name: what it is called in messages.

        Raises:
            InputError: if it is not a manifest; the message names the pointer and the member.
        """
        from chariots.transfer.manifest_reading import read  # few programs read manifests, and it needs more than this

        return read(text.encode() if isinstance(text, str) else text, name)

    @classmethod
    def from_file(cls, path: str | Path) -> Manifest:
        """Reads a manifest from a file of JSON or YAML.

        Args:
            path: the file.

        Raises:
            InputError: if it is not a manifest.
            UnknownNameError: if there is no such file.
        """
        try:
            with Path(path).open("rb") as file:
                text = file.read(LARGEST_JSON + 1)
        except OSError as error:
            raise UnknownNameError(
                f"the manifest {str(path)!r} cannot be read: {error.strerror or error}; name a file of JSON or YAML"
            ) from error
        return cls.from_json(text, f"the manifest {str(path)!r}")

    @classmethod
    def find(cls, places: Iterable[Path] = PLACES) -> Manifest:
        """Reads and merges the manifests that are where they are expected.

        Args:
            places: the files to look for.

        Raises:
            InputError: if one of them is not a manifest, or two of them contradict each other.
            UnknownNameError: if there is none.
        """
        places = tuple(places)
        found = [cls.from_file(place) for place in places if place.exists()]
        if not found:
            raise UnknownNameError(
                f"there is no manifest: neither {' nor '.join(map(str, places))} exists; give manifest=..., "
                "or write one of these with create_manifest"
            )
        return cls.merged(found)

    @classmethod
    def merged(cls, manifests: Sequence[Manifest]) -> Manifest:
        """Puts several manifests together.

        Args:
            manifests: the manifests; what stands in several of them is kept once.

        Raises:
            InputError: if two of them mean different bytes by one file name.
        """
        pointers = tuple(pointer for manifest in manifests for pointer in manifest.pointers)
        models = tuple(dict.fromkeys(model for manifest in manifests for model in manifest.models))
        return cls(pointers, models)

    def to_json(self) -> str:
        """Writes the manifest as JSON that `from_json`, and other tools that know pointers, read."""
        models = [model.to_dict() for model in self.models] or None
        return json.dumps({"pointers": [pointer.to_dict() for pointer in self.pointers], "models": models}, indent=2)

    @property
    def size(self) -> int:
        """How many bytes all the files have together."""
        return sum(pointer.size for pointer in self.pointers)


def _without_twins(pointers: Sequence[Pointer]) -> tuple[Pointer, ...]:
    named: dict[str, Pointer] = {}
    for pointer in pointers:
        twin = named.setdefault(pointer.file_name, pointer)
        if (twin.hashtype, twin.hash, twin.size) != (pointer.hashtype, pointer.hash, pointer.size):
            raise InputError(
                f"two pointers mean different bytes by the file name {pointer.file_name[:200]!r}: "
                f"{twin.hashtype} {twin.hash[:80]} ({twin.size} bytes) and "
                f"{pointer.hashtype} {pointer.hash[:80]} ({pointer.size} bytes); give one of them another folder"
            )
    return tuple(named.values())
