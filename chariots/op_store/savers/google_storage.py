"""How are bytes kept in a bucket of Google Cloud Storage?"""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from chariots.op_store.savers.base import BaseSaver, path_parts

__all__ = ["GoogleStorageSaver"]


class GoogleStorageSaver(BaseSaver):
    """A saver that keeps bytes as objects of a bucket; needs ``pip install chariots[gcs]``.

    The bucket is reached when the saver is first used, not when it is made.

    Args:
        root_path: what the name of every object starts with; may be empty.
        bucket_name: the bucket, which must exist.
        client_kwargs: keyword arguments for ``google.cloud.storage.Client``, such as ``project``.
    """

    def __init__(self, root_path: str, bucket_name: str, client_kwargs: Mapping[str, Any] | None = None) -> None:
        super().__init__(root_path)
        self.bucket_name = bucket_name
        self.client_kwargs = dict(client_kwargs or {})

    def save(self, serialized_object: bytes, path: str) -> bool:
        """Keeps bytes as an object; it appears whole or not at all.

        Args:
            serialized_object: the bytes.
            path: the name of the object after the root.

        Returns:
            True: the object is in the bucket.

        Raises:
            ValueError: if the path is empty, holds a NUL character or ``..``.
        """
        return self.save_stream((serialized_object,), path)

    def load(self, path: str) -> bytes:
        """Returns the bytes of an object.

        Args:
            path: the name of the object after the root.

        Returns:
            the bytes.

        Raises:
            FileNotFoundError: if the bucket holds no such object.
        """
        blob = self._bucket.get_blob(self.object_name(path))
        if blob is None:
            raise FileNotFoundError(
                f"{path!r} was asked for, but the bucket {self.bucket_name!r} holds no object "
                f"{self.object_name(path)!r}; check the root path and the name of the bucket"
            )
        return bytes(blob.download_as_bytes())

    def save_stream(self, chunks: Iterable[bytes], path: str) -> bool:
        """Keeps bytes that arrive in pieces as an object.

        Args:
            chunks: the bytes, in order; if they end in an exception, nothing is kept.
            path: the name of the object after the root.

        Returns:
            True: the object is in the bucket.
        """
        whole = io.BytesIO()
        for chunk in chunks:
            whole.write(chunk)
        self._bucket.blob(self.object_name(path)).upload_from_file(whole, rewind=True, size=whole.tell())
        return True

    def exists(self, path: str) -> bool:
        """Tells whether the bucket holds such an object.

        Args:
            path: the name of the object after the root.
        """
        return bool(self._bucket.blob(self.object_name(path)).exists())

    def delete(self, path: str) -> None:
        """Removes an object.

        Args:
            path: the name of the object after the root.

        Raises:
            FileNotFoundError: if the bucket holds no such object.
        """
        if not self.exists(path):
            raise FileNotFoundError(f"{path!r} cannot be deleted: the bucket holds no such object; nothing to do")
        self._bucket.blob(self.object_name(path)).delete()

    def object_name(self, path: str) -> str:
        """The name of the object that a path stands for.

        Args:
            path: the name of the object after the root.

        Returns:
            root and path joined by one slash, without a slash in front.

        Raises:
            ValueError: if the path is empty, holds a NUL character or ``..``.
        """
        return "/".join([*(part for part in self.root_path.split("/") if part), *path_parts(path)])

    @cached_property
    def _bucket(self) -> Any:
        try:
            storage = importlib.import_module("google.cloud.storage")
        except ImportError as error:
            raise ImportError(
                "GoogleStorageSaver was asked to reach its bucket, but the client of Google Cloud Storage is "
                "not installed; run `pip install 'chariots[gcs]'`"
            ) from error
        return storage.Client(**self.client_kwargs).bucket(self.bucket_name)
