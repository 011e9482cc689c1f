"""Which bytes may be loaded here, and by whose signature?"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Protocol

from chariots.errors import UntrustedError
from chariots.op_store.trusting.keys import Key, parse_key
from chariots.pipelines.store import VersionRecord
from chariots.versioning import Version

__all__ = ["Trust", "statement"]

# Whatever else a key may sign one day begins differently.
_PURPOSE: Final = "chariots op bytes 1"
# What the variables of the environment begin with; the rest is the name of the argument.
_VARIABLES: Final = "CHARIOTS_OP_STORE_"


class Signable(Protocol):
    """What a signature vouches for: a `StoredVersion`, or a `VersionRecord` on its way."""

    @property
    def op(self) -> str:
        """The name of the op."""

    @property
    def version(self) -> str:
        """The text of the version."""

    @property
    def format(self) -> str | None:
        """The format of the bytes."""

    @property
    def sha256(self) -> str | None:
        """The hash of the bytes."""

    @property
    def size(self) -> int:
        """How many bytes."""

    @property
    def signature(self) -> str | None:
        """The signature."""

    @property
    def signed_by(self) -> str | None:
        """The name of the key that signed."""


def statement(version: Signable) -> bytes:
    """The very bytes that are signed: which op, in which version and format, has which bytes.

    When a version was created is left out, as it is everywhere where versions are compared.

    Args:
        version: the version of an op.
    """
    parsed = Version.parse(version.version)
    digests = f"{parsed.major}.{parsed.minor}.{parsed.patch}"
    # JSON, so that no name can run into the next member.
    return json.dumps([_PURPOSE, version.op, digests, version.format, version.sha256, version.size]).encode()


class Trust:
    """Decides which bytes are taken here: as a client that loads them, or as a store that keeps them.

    Without arguments everything is taken, as it was before there were signatures. With a key, of whichever kind,
    unsigned and badly signed bytes are refused. With ``trusted_formats``, bytes of other formats are refused, and so
    are bytes of which nobody said the format.

    >>> from chariots.op_store import Trust
    >>> from chariots.op_store.trusting.keys import new_keys
    >>> private, public = new_keys("training-2030")
    >>> trainer = Trust(signing_key=private.text)
    >>> server = Trust(verify_keys=[public.text], trusted_formats=["skops", "keras"])

    Args:
        signing_key: signs what is saved here, and is trusted here; as text, or as a `Key`.
        verify_keys: further keys whose signatures are trusted: those of other trainers, or older ones.
        trusted_formats: the formats that may be loaded, such as ``skops``; None for every format.

    Attributes:
        signing_key: the key that signs; None where nothing is signed.
        keys: every key whose signatures are trusted, by name.
        trusted_formats: the formats that may be loaded; None for every format.

    Raises:
        ValueError: if a key is none, cannot sign although it should, or has the name of another.
        ImportError: if an Ed25519 key is given and cryptography is not installed.
    """

    def __init__(
        self,
        signing_key: Key | str | None = None,
        verify_keys: Iterable[Key | str] = (),
        trusted_formats: Iterable[str] | None = None,
    ) -> None:
        self.signing_key = None if signing_key is None else _key(signing_key, "signing_key")
        if self.signing_key is not None and not self.signing_key.can_sign:
            raise ValueError(
                f"signing_key is the public key {self.signing_key.name!r}, which cannot sign; give its private half, "
                "or name it in verify_keys"
            )
        given = [] if self.signing_key is None else [self.signing_key]
        several = [verify_keys] if isinstance(verify_keys, Key | str) else verify_keys
        given += [_key(key, "verify_keys") for key in several]
        self.keys: dict[str, Key] = {}
        for key in given:
            other = self.keys.setdefault(key.name, key)
            if other is not key and _verifying(other) != _verifying(key):
                raise ValueError(
                    f"two different keys are named {key.name!r}, and signatures name keys; make one with another name"
                )
        formats = [trusted_formats] if isinstance(trusted_formats, str) else trusted_formats
        self.trusted_formats = None if formats is None else frozenset(formats)

    @classmethod
    def from_environment(cls) -> Trust:
        """The trust that variables describe; what stores and clients go by that are given none in code.

        They are ``CHARIOTS_OP_STORE_SIGNING_KEY``, ``CHARIOTS_OP_STORE_VERIFY_KEYS`` and
        ``CHARIOTS_OP_STORE_TRUSTED_FORMATS``, the last two with commas between several. An empty one counts as not
        set; without any, everything is taken.

        Raises:
            ValueError: if a key is none.
            ImportError: if an Ed25519 key is given and cryptography is not installed.
        """
        keys, formats = _listed("VERIFY_KEYS"), _listed("TRUSTED_FORMATS")
        return cls(os.environ.get(f"{_VARIABLES}SIGNING_KEY") or None, keys or (), formats)

    @property
    def asks_for_signatures(self) -> bool:
        """Whether unsigned bytes are refused."""
        return bool(self.keys)

    def signed(self, record: VersionRecord) -> VersionRecord:
        """Signs a version that is about to be saved.

        Args:
            record: the version.

        Returns:
            the version with a signature; as it is where there is no key to sign with, or there are no bytes.
        """
        if self.signing_key is None or record.sha256 is None:
            return record
        return replace(record, signature=self.signing_key.sign(statement(record)), signed_by=self.signing_key.name)

    def check(self, version: Signable, doing: str = "loaded") -> None:
        """Refuses bytes that are not trusted here; they have not been looked at then.

        Args:
            version: the version they are of. Without bytes there is nothing to refuse.
            doing: what is about to happen to them, for the message.

        Raises:
            UntrustedError: if they are unsigned, badly signed, or of a format that is not trusted.
        """
        if not version.sha256:
            return
        problem = self._format_problem(version.format) or self._signature_problem(version)
        if problem:
            raise UntrustedError(
                f"the bytes {version.sha256} of op {version.op!r} in version {version.version} were to be {doing}, but "
                f"{problem}",
                op=version.op,
                sha256=version.sha256,
            )

    def _format_problem(self, name: str | None) -> str:
        if self.trusted_formats is None or name in self.trusted_formats:
            return ""
        taken = ", ".join(sorted(self.trusted_formats)) or "none at all"
        setting = f"trusted_formats (CHARIOTS_OP_STORE_TRUSTED_FORMATS; formats trusted here: {taken})"
        if name is None:
            return (
                "nobody recorded the format they are in; train and save the op again with this release, where an op of "
                f"your own class says its format by defining bytes_format, or remove {setting}"
            )
        return (
            f"they are in the format {name!r}, which is not trusted here; set another serializer_cls and train the op "
            f"again, or add {name!r} to {setting}"
        )

    def _signature_problem(self, version: Signable) -> str:
        if not self.keys:
            return ""
        known = ", ".join(repr(name) for name in self.keys)
        settings = "signing_key (CHARIOTS_OP_STORE_SIGNING_KEY)"
        if version.signature is None:
            return (
                f"they are not signed, and only bytes signed by {known} are taken here; set {settings} where the op is "
                "trained and save it again, or sign what the store has with 'chariots op-store sign'"
            )
        key = self.keys.get(version.signed_by or "")
        if key is None:
            return (
                f"they are signed by the key {version.signed_by!r}, and only {known} may sign here; add that key to "
                "verify_keys (CHARIOTS_OP_STORE_VERIFY_KEYS) if you trust whoever has it"
            )
        if not key.verifies(statement(version), version.signature):
            return (
                f"their signature is not that of the key {key.name!r} for this op, version, format and hash, so they "
                f"or the store were tampered with, or another key has that name; compare {settings} with verify_keys, "
                "then train and save the op again"
            )
        return ""

    def __repr__(self) -> str:
        return f"<Trust in {list(self.keys.values())}, formats {self.trusted_formats and sorted(self.trusted_formats)}>"


def _key(given: Key | str, where: str) -> Key:
    return given if isinstance(given, Key) else parse_key(given, where)


def _listed(name: str) -> list[str] | None:
    text = os.environ.get(f"{_VARIABLES}{name}")
    return [part.strip() for part in text.split(",")] if text else None


def _verifying(key: Key) -> str:
    public = getattr(key, "public", None)
    return (public() if public is not None else key).text
