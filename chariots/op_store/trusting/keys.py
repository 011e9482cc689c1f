"""With which keys are the bytes of ops signed, and how are keys written down?"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final, Literal

from chariots.errors import nearest

__all__ = ["Key", "KeyKind", "new_keys", "parse_key"]

KeyKind = Literal["hmac", "ed25519"]

_LENGTH: Final = 32  # bytes: of an HMAC secret at least, of both halves of an Ed25519 key exactly
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Key(ABC):
    """A key that signs, or verifies, or both.

    Args:
        name: what signatures name it by.
        secret: the bytes of the key.

    Attributes:
        name: what signatures name it by.
        algorithm: the first word of its signatures. A key reads signatures of its own algorithm only, so that nobody
            can pass what one algorithm made as the work of another.
        can_sign: whether it signs; otherwise it only verifies.
    """

    kind: ClassVar[str]
    algorithm: ClassVar[str]
    can_sign: ClassVar[bool] = True

    def __init__(self, name: str, secret: bytes) -> None:
        self.name = name
        self._secret = secret

    @property
    def text(self) -> str:
        """The key as it is written in a setting; for all but public keys, a secret."""
        return f"{self.kind}:{self.name}:{base64.b64encode(self._secret).decode()}"

    def sign(self, statement: bytes) -> str:
        """Signs a statement.

        Args:
            statement: what to vouch for.

        Returns:
            the signature, as text.

        Raises:
            TypeError: if this key only verifies.
        """
        if not self.can_sign:
            raise TypeError(f"the key {self.name!r} is a public one, which verifies and cannot sign")
        return f"{self.algorithm}:{base64.b64encode(self._signed(statement)).decode()}"

    def verifies(self, statement: bytes, signature: str) -> bool:
        """Tells whether a signature is the work of this key, or of the private half of it.

        Args:
            statement: what was vouched for.
            signature: what `sign` returned; any text is tolerated.
        """
        algorithm, _, encoded = signature.partition(":")
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        return algorithm == self.algorithm and self._fits(statement, given)

    @abstractmethod
    def _signed(self, statement: bytes) -> bytes: ...

    @abstractmethod
    def _fits(self, statement: bytes, signature: bytes) -> bool: ...

    def __repr__(self) -> str:
        return f"<{self.kind} key {self.name!r}>"  # never the secret: this ends up in logs


class HMACKey(Key):
    """A secret that both sides share: whoever can verify can also sign."""

    kind = "hmac"
    algorithm = "hmac-sha256"

    def _signed(self, statement: bytes) -> bytes:
        return hmac.digest(self._secret, statement, hashlib.sha256)

    def _fits(self, statement: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(self._signed(statement), signature)


class Ed25519PrivateKey(Key):
    """The half that signs; it verifies as well."""

    kind = "ed25519-private"
    algorithm = "ed25519"

    def __init__(self, name: str, secret: bytes) -> None:
        super().__init__(name, secret)
        self._private = _ed25519().Ed25519PrivateKey.from_private_bytes(secret)

    def public(self) -> Ed25519PublicKey:
        """The other half, which may be given to everybody."""
        return Ed25519PublicKey(self.name, self._private.public_key().public_bytes_raw())

    def _signed(self, statement: bytes) -> bytes:
        signed: bytes = self._private.sign(statement)
        return signed

    def _fits(self, statement: bytes, signature: bytes) -> bool:
        return self.public()._fits(statement, signature)


class Ed25519PublicKey(Key):
    """The half that only verifies: a server that has nothing else cannot be made to sign."""

    kind = "ed25519-public"
    algorithm = "ed25519"
    can_sign = False

    def __init__(self, name: str, secret: bytes) -> None:
        super().__init__(name, secret)
        self._public = _ed25519().Ed25519PublicKey.from_public_bytes(secret)

    def _signed(self, statement: bytes) -> bytes:
        raise AssertionError("sign() refuses before it gets here")

    def _fits(self, statement: bytes, signature: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature

        try:
            self._public.verify(signature, statement)
        except InvalidSignature:
            return False
        return True


_KINDS: Final[dict[str, type[Key]]] = {key.kind: key for key in (HMACKey, Ed25519PrivateKey, Ed25519PublicKey)}


def parse_key(text: str, where: str = "a key") -> Key:
    """Reads a key from its text form.

    Args:
        text: ``hmac:NAME:BASE64``, ``ed25519-private:NAME:BASE64`` or ``ed25519-public:NAME:BASE64``.
        where: where the text stands, for the message.

    Returns:
        the key.

    Raises:
        ValueError: if it is no key; the message never shows the text, which may be nearly one.
        ImportError: if it is an Ed25519 key and cryptography is not installed.
    """
    kind, _, rest = text.strip().partition(":")
    name, _, encoded = rest.partition(":")
    forms = ", ".join(f"{known}:NAME:BASE64" for known in _KINDS)
    advice = f"give one of the forms {forms}; 'chariots op-store new-key' makes one"
    made = _KINDS.get(kind)
    if made is None:
        hint = nearest(kind, _KINDS) if len(kind) < 20 else ""
        raise ValueError(f"{where} does not begin with the kind of the key; {advice}.{hint}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{where} has no usable name between its colons (1 to 64 letters, digits, dots, dashes and underscores); "
            f"{advice}"
        )
    try:
        secret = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{where}, the {kind} key {name!r}, ends in something that is not base64; {advice}") from None
    if len(secret) < _LENGTH or (made is not HMACKey and len(secret) != _LENGTH):
        raise ValueError(
            f"{where}, the {kind} key {name!r}, has {len(secret)} bytes where {_LENGTH} are needed; {advice}"
        )
    return made(name, secret)


def new_keys(name: str, kind: KeyKind = "ed25519") -> tuple[Key, Key]:
    """Makes a new key.

    Args:
        name: what signatures will name it by.
        kind: ``ed25519`` for two halves, of which one signs and the other verifies; ``hmac`` for one shared secret.

    Returns:
        the key that signs, and the key that verifies; the same one twice for ``hmac``.

    Raises:
        ValueError: if the name cannot be that of a key.
        ImportError: if it is to be an Ed25519 key and cryptography is not installed.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"a key was to be named {name[:80]!r}, which is no name for one; give 1 to 64 letters, digits, dots, "
            "dashes and underscores, of which the first is a letter or a digit"
        )
    secret = base64.b64encode(secrets.token_bytes(_LENGTH)).decode()
    made = parse_key(f"{'hmac' if kind == 'hmac' else 'ed25519-private'}:{name}:{secret}", "the new key")
    return made, made.public() if isinstance(made, Ed25519PrivateKey) else made


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise ImportError(
            f"an Ed25519 key needs cryptography, which cannot be imported ({error}). Install it: "
            "pip install 'chariots[signing]', or use an hmac key",
            name="cryptography",
        ) from error
    return ed25519
