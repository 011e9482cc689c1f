"""How are the bytes of an object that a pointer leads to fetched from its bucket?"""

from __future__ import annotations

from chariots.errors import ChariotsError, ConflictError
from chariots.op_store.savers.object_origin import ObjectAnswer, ObjectOrigin
from chariots.transfer.manifest import Pointer
from chariots.transfer.origins import ChangedError, PassingError, Pin
from chariots.transfer.settings import TransferSettings
from chariots.transfer.sources.bucket_failures import failure_of
from chariots.transfer.sources.places import place_of_object
from chariots.transfer.sources.stores import Store, Stores

__all__ = ["BucketOrigin"]


class BucketOrigin:
    """An object of a bucket of S3, Google Cloud Storage or Azure; see `chariots.transfer.origins.Origin`.

    Args:
        pointer: the pointer that leads to it.
        stores: buckets that were opened before; files of one bucket share its connections if they share this.

    Attributes:
        shown: what it is called in messages.

    Raises:
        InputError: if there can be no such bucket or object.
    """

    def __init__(self, pointer: Pointer, stores: Stores | None = None) -> None:
        self._place, self._name = place_of_object(pointer.resolution)
        self.shown = self._place.shown(self._name)
        self._size = pointer.size
        self._secret_name = pointer.runtime_secret_name
        self._stores = stores or Stores(TransferSettings.from_environment().read_timeout_secs)

    def open(self, start: int, stop: int, pin: Pin | None) -> ObjectAnswer:
        """Asks for a part of the object; see `chariots.transfer.origins.Origin`."""
        store = self._stores.open(self._place, self._secret_name)
        origin = ObjectOrigin(
            store.library,
            store.handle,
            self._name,
            self.shown,
            refused=lambda error: self._refused(error, store, pin),
            broken=lambda error: self._broken(error, store),
        )
        answer = origin.open(start, stop, pin)
        if answer.pin.size != self._size:
            raise self._other_size(answer.pin.size)
        return answer

    def _refused(self, error: BaseException, store: Store, pin: Pin | None) -> Exception:
        if "status code: 416" in str(error):
            return ChangedError() if pin is not None else self._other_size(None)
        return failure_of(error, store, self._name)

    def _broken(self, error: BaseException, store: Store) -> Exception:
        # The answer had begun, so that keys and names are right: only the way can have failed.
        return PassingError(f"the connection to {self._place.shown()} was lost: {failure_of(error, store, self._name)}")

    def _other_size(self, size: int | None) -> ChariotsError:
        has = "fewer bytes" if size is None else f"{size} bytes"
        return ConflictError(
            f"{self.shown} has {has}, where the manifest says {self._size}; it has changed since the manifest was "
            "made: make a new one"
        )
