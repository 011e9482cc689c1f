"""How is a bucket opened: with which secret, at which address, and over connections that many files share?"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from chariots.errors import InputError, MissingExtraError
from chariots.op_store.savers.attempts import library, refuse_after_fork
from chariots.transfer.secrets import read_members
from chariots.transfer.sources.places import Place

if TYPE_CHECKING:
    from chariots.op_store.savers import ObjectStoreSaver

__all__ = ["Store", "Stores"]

_WHOLE: Final = timedelta(days=1)  # that an answer may take; each wait within it is bounded by the read timeout
_CONNECT: Final = 10.0  # seconds
_DEADLINE: Final = 30.0  # seconds, for each page of a list
_EMULATOR: Final = "STORAGE_EMULATOR_HOST"  # as Google's own libraries call it


@dataclass(frozen=True, slots=True)
class Store:
    """A bucket that was opened.

    Attributes:
        place: which one it is.
        library: what speaks with it.
        handle: the library's own store.
        saver: what lists it.
        secret_name: the secret that it was opened with.
        has_secret: whether there is such a secret.
    """

    place: Place
    library: Any
    handle: Any
    saver: ObjectStoreSaver
    secret_name: str
    has_secret: bool


class Stores:
    """Buckets, each opened once; used by several threads at once.

    Args:
        read_timeout: for how many seconds a service may send nothing.
    """

    def __init__(self, read_timeout: float = 30.0) -> None:
        self._read_timeout = read_timeout
        self._opened: dict[tuple[Place, str], Store] = {}
        self._lock = threading.Lock()

    def open(self, place: Place, secret_name: str) -> Store:
        """Opens a bucket, or gives the one that was opened before; nothing is sent yet.

        Args:
            place: the bucket.
            secret_name: the secret that opens it. Without such a secret, the environment and the role of the
                machine do, as with the tools of the service.

        Raises:
            UnauthorizedError: if the secret is none of the service.
            InputError: if a setting cannot be used.
            MissingExtraError: if the library for buckets is not installed.
        """
        refuse_after_fork(f"{place.shown()} was to be opened")
        with self._lock:
            found = self._opened.get((place, secret_name))
            if found is None:
                found = self._opened[place, secret_name] = self._open(place, secret_name)
            return found

    def _open(self, place: Place, secret_name: str) -> Store:
        try:
            obstore = library("transfer")
        except ImportError as error:
            raise MissingExtraError(str(error)) from error
        settings, has_secret = _settings(place, secret_name)
        try:
            saver = _saver(place, settings)
            waits = {
                "timeout": _WHOLE,
                "read_timeout": timedelta(seconds=self._read_timeout),
                "connect_timeout": timedelta(seconds=min(_CONNECT, self._read_timeout)),
            }
            # Whoever fetches tries again, and knows for how long; twice as often would help nobody.
            handle = saver.connected(waits, {"max_retries": 0, "retry_timeout": timedelta(seconds=self._read_timeout)})
        except ValueError:
            # What the library says may repeat the secret.
            raise InputError(
                f"{place.shown()} cannot be opened: the settings of the secret {secret_name!r}, or those of the "
                "environment, are not usable: keys, region or endpoint; correct them"
            ) from None
        return Store(place, obstore, handle, saver, secret_name, has_secret)


def _saver(place: Place, settings: Mapping[str, Any]) -> ObjectStoreSaver:
    from chariots.op_store.savers import AzureSaver, GoogleStorageSaver, S3Saver

    savers: Mapping[str, type[ObjectStoreSaver]] = {"gcs": GoogleStorageSaver, "s3": S3Saver, "azure": AzureSaver}
    return savers[place.kind]("", place.bucket, settings, _DEADLINE)


def _settings(place: Place, secret_name: str) -> tuple[dict[str, Any], bool]:
    """What the library is told of a bucket, and whether there is a secret for it."""
    if place.kind == "gcs":
        return _google(secret_name)
    return _s3(place, secret_name) if place.kind == "s3" else _azure(place, secret_name)


def _s3(place: Place, secret_name: str) -> tuple[dict[str, Any], bool]:
    told = read_members(secret_name, ("access_key_id", "secret_access_key"), ("region", "session_token", "endpoint"))
    settings: dict[str, Any] = {}
    if told is not None:
        # Given as one, so that a token of the environment is not mixed with keys of the secret.
        keys = {
            "access_key_id": told["access_key_id"],
            "secret_access_key": told["secret_access_key"],
            "token": told.get("session_token"),
            "expires_at": None,
        }
        settings = {"credential_provider": lambda: keys, "endpoint": told.get("endpoint")}
    region = place.region or (told or {}).get("region")
    return _given({**settings, "region": region}), told is not None


def _google(secret_name: str) -> tuple[dict[str, Any], bool]:
    told = read_members(secret_name, ("private_key_id", "private_key", "client_email"), ("endpoint",))
    emulator = os.environ.get(_EMULATOR)
    if emulator and "://" not in emulator:
        emulator = f"http://{emulator}"
    if told is None:
        # An emulator takes any token, and none that the environment may hold for the real service is shown to it.
        return ({"base_url": emulator, "bearer_token": "emulator"} if emulator else {}), False
    key = {name: told[name] for name in ("private_key_id", "private_key", "client_email")}
    settings = {"service_account_key": json.dumps({"type": "service_account", **key})}
    return _given({**settings, "base_url": told.get("endpoint") or emulator}), True


def _azure(place: Place, secret_name: str) -> tuple[dict[str, Any], bool]:
    told = read_members(secret_name, ("account_key",), ("endpoint",))
    settings: dict[str, Any] = {"account_name": place.account}
    if told is not None:
        settings |= {"account_key": told["account_key"], "endpoint": told.get("endpoint")}
    return _given(settings), told is not None


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}
