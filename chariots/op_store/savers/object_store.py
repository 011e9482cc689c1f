"""How are bytes kept as the objects of a bucket, whoever runs the bucket?"""

from __future__ import annotations

import urllib.parse
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from chariots.errors import nearest
from chariots.op_store.savers.attempts import last_words, library
from chariots.op_store.savers.base import BaseSaver, Kept, path_parts
from chariots.op_store.savers.bucket import SMALL, Bucket, Habits

__all__ = ["ObjectStoreSaver", "LONGEST_NAME"]

LONGEST_NAME = 1024  # bytes, with all three services
LONGEST_DEADLINE = 86_400  # seconds; nobody waits longer, and the library cannot count to any number


class ObjectStoreSaver(BaseSaver):
    """A saver that keeps bytes as objects of a bucket; the base of those for S3, Google Cloud Storage and Azure.

    What fails in a way that may pass is tried again, with growing pauses, until a deadline. An object appears
    whole or not at all. Neither direction holds more than a few pieces in memory.

    Args:
        root_path: what the name of every object starts with; may be empty.
        bucket_name: the bucket, which must exist.
        client_kwargs: settings of the connection, see the child.
        deadline: seconds after which an answer is no longer waited for; each piece of a large object has its own.

    Raises:
        ImportError: if the library that speaks with object stores is not installed.
        ValueError: if a setting is not known or cannot be used.
    """

    service: ClassVar[str]
    """What the service is called in messages."""
    extra: ClassVar[str]
    """The extra of chariots that installs what this saver needs."""
    settings: ClassVar[tuple[str, ...]]
    """The settings that people use most, for suggestions."""
    habits: ClassVar[Habits] = Habits()
    """What the service does differently."""

    def __init__(
        self,
        root_path: str,
        bucket_name: str,
        client_kwargs: Mapping[str, Any] | None = None,
        deadline: float = 60.0,
    ) -> None:
        super().__init__(root_path)
        if root_path.strip("/"):
            path_parts(root_path)  # refuses what leads elsewhere
        if not isinstance(bucket_name, str) or not bucket_name:
            raise ValueError(
                f"a saver for {self.service} was to be made, but {bucket_name!r} is no name of a bucket or container; "
                "give that of one which exists"
            )
        is_number = isinstance(deadline, int | float) and not isinstance(deadline, bool)
        if not is_number or not 0 < deadline <= LONGEST_DEADLINE:
            raise ValueError(
                f"a saver for the bucket {bucket_name!r} was to be made, but its deadline {deadline!r} is no number of "
                f"seconds above 0 and up to {LONGEST_DEADLINE}; give one such as 60"
            )
        self.bucket_name = bucket_name
        self.client_kwargs = dict(client_kwargs or {})
        self.deadline = deadline
        self._library = library(self.extra)
        self._bucket = Bucket(self._library, self.connected, self.place, deadline, self.habits)

    @abstractmethod
    def _connect(self, settings: Any, client_options: Any, **others: Any) -> Any:
        """Makes the library's own store of these settings."""

    def save(self, serialized_object: bytes, path: str) -> bool:
        """Keeps bytes as an object, replacing the one that was there.

        Args:
            serialized_object: the bytes.
            path: the name of the object after the root.

        Returns:
            True: the object is in the bucket.

        Raises:
            ValueError: if the path is not usable as a name.
            StoreUnavailableError: if the service does not answer, or does not allow it.
            StoreFullError: if a quota is used up.
        """
        return self.save_stream((serialized_object,), path)

    def load(self, path: str) -> bytes:
        """Returns the bytes of an object.

        Args:
            path: the name of the object after the root.

        Returns:
            the bytes.

        Raises:
            FileNotFoundError: if there is no such object.
            StoreUnavailableError: if the service does not answer, or does not allow it.
        """
        return b"".join(self.load_stream(path))

    def save_stream(self, chunks: Iterable[bytes], path: str) -> bool:
        """Keeps bytes that arrive in pieces, as `save` does, with at most some 60 MiB of them in memory.

        Args:
            chunks: the bytes, in order; if they end in an exception, nothing is kept.
            path: the name of the object after the root.

        Returns:
            True: the object is in the bucket.
        """
        return self._bucket.write(self.object_name(path), *_start(chunks), overwrite=True)

    def create_stream(self, chunks: Iterable[bytes], path: str) -> bool:
        """Keeps bytes that arrive in pieces, unless there is an object of that name; the service decides that.

        Up to 16 MiB are sent in one request on the condition that there is no such object. More are sent in parts
        under a name of their own, and copied within the service on the same condition.

        Args:
            chunks: the bytes, in order.
            path: the name of the object after the root.

        Returns:
            whether the object was made; False if there was one, or if the answer to an attempt that made it was lost.
        """
        name = self.object_name(path)
        first, rest = _start(chunks)
        # Sending much only to hear that it is there would be a waste; the service has the last word all the same.
        if rest is not None and self.exists(path):
            return False
        return self._bucket.write(name, first, rest, overwrite=False)

    def load_stream(self, path: str) -> Iterator[bytes]:
        """Returns the bytes of an object in pieces, while they come: a large one over as many connections as help.

        Args:
            path: the name of the object after the root.

        Returns:
            the pieces, in order.

        Raises:
            FileNotFoundError: if there is no such object; raised by the call, before the first piece.
            StoreUnavailableError: if the service does not answer, or the object is replaced meanwhile.
        """
        return self._bucket.read(self.object_name(path))

    def size(self, path: str) -> int:
        """Tells how many bytes an object has.

        Args:
            path: the name of the object after the root.

        Raises:
            FileNotFoundError: if there is no such object.
        """
        return int(self._bucket.head(self.object_name(path))["size"])

    def stamp(self, path: str) -> str | None:
        """Tells the entity tag that the service gave to an object, its size and its time; None where it gives no tag.

        Args:
            path: the name of the object after the root.

        Raises:
            FileNotFoundError: if there is no such object.
        """
        known = self._bucket.head(self.object_name(path))
        tag = known.get("e_tag")
        return f"{tag}-{known['size']}-{known['last_modified'].timestamp()}" if tag else None

    def exists(self, path: str) -> bool:
        """Tells whether there is such an object.

        Args:
            path: the name of the object after the root.
        """
        try:
            self.size(path)
        except FileNotFoundError:
            return False
        return True

    def delete(self, path: str) -> None:
        """Removes an object.

        Args:
            path: the name of the object after the root.

        Raises:
            FileNotFoundError: if there is no such object.
        """
        self.size(path)  # services say nothing about deleting what is not there
        self._bucket.remove(self.object_name(path))

    def list(self, prefix: str = "") -> Iterator[Kept]:
        """Names every object below a folder, a page of them at a time.

        Args:
            prefix: the folder, as a path below the root; everything where it is empty.

        Returns:
            path, size in bytes and time of each, sorted by name.

        Raises:
            StoreUnavailableError: if the service does not answer, or does not allow it.
        """
        below = len(self._root) + 1 if self._root else 0
        for meta in self.objects(prefix):
            yield Kept(meta["path"][below:], int(meta["size"]), meta["last_modified"].timestamp())

    def objects(self, prefix: str = "") -> Iterator[Mapping[str, Any]]:
        """Tells what the service knows about every object below a folder, a page of them at a time.

        Args:
            prefix: the folder, as a path below the root; everything where it is empty.

        Returns:
            of each, with ``path`` (its full name), ``size``, ``last_modified``, ``e_tag`` and ``version``.

        Raises:
            StoreUnavailableError: if the service does not answer, or does not allow it.
        """
        return self._bucket.names(self.object_name(prefix) if prefix.strip("/") else self._root)

    def check(self) -> None:
        """Raises an error if the bucket cannot be used at the moment; gives up after a few seconds.

        Raises:
            StoreUnavailableError: if the service does not answer, does not let us in, or has no such bucket.
        """
        self._bucket.check(self.object_name(".check"))

    def connected(self, options: Mapping[str, Any], retries: Mapping[str, Any]) -> Any:
        """Makes the library's own store, with these options and retries where the settings do not say others.

        Args:
            options: for its HTTP client.
            retries: how often it tries by itself.

        Returns:
            the store.

        Raises:
            ValueError: if a setting is not known or cannot be used.
        """
        settings = dict(self.client_kwargs)
        if settings.get("endpoint") is not None:
            _check_endpoint(str(settings["endpoint"]), self.place)
        client_options = {**options, **settings.pop("client_options", {})}
        retry_config = settings.pop("retry_config", retries)
        try:
            return self._connect(settings, client_options, retry_config=retry_config)
        except (self._library.exceptions.BaseError, TypeError, ValueError) as error:
            words = last_words(error)
            unknown = next((name for name in self.client_kwargs if repr(name) in words), None)
            hint = f"{nearest(unknown, self.settings)} Known: {', '.join(self.settings)}" if unknown else ""
            raise ValueError(
                f"a {type(self).__name__} for the {self.place} was to be made, but its client_kwargs cannot be used: "
                f"{words}; correct them.{hint}"
            ) from error

    def object_name(self, path: str) -> str:
        """The name of the object that a path stands for.

        Args:
            path: the name of the object after the root.

        Returns:
            root and path joined by one slash, without a slash in front.

        Raises:
            ValueError: if the path is empty, too long, or holds ``..`` or a character that no name may hold.
        """
        name = "/".join(filter(None, (self._root, *path_parts(path))))
        try:
            length = len(name.encode())
        except UnicodeEncodeError as error:
            raise ValueError(
                f"a saver cannot use the path {path[:80]!r}: it holds half a character; leave it out"
            ) from error
        if length > LONGEST_NAME:
            raise ValueError(
                f"a saver cannot use the path {path[:80]!r}: with the root it has more than {LONGEST_NAME} bytes; "
                "shorten it"
            )
        return name

    @property
    def place(self) -> str:
        """The bucket and its service, in words."""
        return f"bucket {self.bucket_name!r} of {self.service}"

    @property
    def _root(self) -> str:
        return "/".join(part for part in self.root_path.split("/") if part not in ("", "."))


def _check_endpoint(endpoint: str, place: str) -> None:
    try:
        parts = urllib.parse.urlsplit(endpoint)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in endpoint):
        raise ValueError(
            f"a saver for the {place} was to be made, but its endpoint {endpoint[:200]!r} is no address; give one "
            "such as 'http://127.0.0.1:9000', with its scheme"
        )


def _start(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes] | None]:
    """The first bytes, and the pieces after them if there are more than fit into one request."""
    pieces, first, size = iter(chunks), [], 0
    for piece in pieces:
        first.append(piece)
        size += len(piece)
        if size > SMALL:
            return b"".join(first), pieces
    return b"".join(first), None
