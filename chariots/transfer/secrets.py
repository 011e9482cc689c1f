"""What opens the places where files are? (secrets: a file each, or an environment variable)"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chariots.errors import InputError, UnauthorizedError

__all__ = ["Secret", "find_secret", "find_token", "read_members", "secret_of"]

SECRETS_DIR: Final = "CHARIOTS_TRANSFER_SECRETS_DIR"
"""The environment variable that says where the files of secrets are, if not in ``/secrets``."""

_DEFAULT_DIR: Final = "/secrets"
_HUB_NAMES: Final = frozenset({"hf_token", "hf_access_token"})
_HUB_VARIABLES: Final = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_LARGEST: Final = 2**20  # bytes


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret, which is shown to nobody.

    Attributes:
        name: what a manifest calls it.
        value: its text, without white space at its ends.
        place: where it was found, for messages.
    """

    name: str
    value: str = field(repr=False)
    place: str

    @property
    def is_of_hub(self) -> bool:
        """Whether its name is one of those that mean the token of the Hugging Face hub."""
        return is_hub_name(self.name)


def find_secret(name: str) -> str | None:
    """Finds the text of a secret.

    A file of that name in ``/secrets`` (or in the directory that ``CHARIOTS_TRANSFER_SECRETS_DIR`` names) comes
    first; hyphens and underscores stand for each other. Then, for ``hf_token`` and ``hf_access_token``, the
    environment variables ``HF_TOKEN`` and ``HUGGING_FACE_HUB_TOKEN``. At last the environment variable of that
    name, in capitals and with underscores.

    Args:
        name: what a manifest calls the secret; empty for none.

    Returns:
        its text, without white space at its ends; None if there is none, or an empty one.

    Raises:
        InputError: if no secret can have such a name, or its file cannot be read.
    """
    found = secret_of(name)
    return None if found is None else found.value


def secret_of(name: str) -> Secret | None:
    """Finds a secret, as `find_secret` does.

    Args:
        name: what a manifest calls the secret; empty for none.

    Returns:
        the secret, with the place where it was found.

    Raises:
        InputError: if no secret can have such a name, or its file cannot be read.
    """
    if not name:
        return None
    if any(part in name for part in ("/", "\\", "\0", "..")) or len(name) > 200 or not name.isprintable():
        raise InputError(f"{name[:80]!r} is no name of a secret; give one such as 'hf_access_token', without slashes")
    folder = Path(os.environ.get(SECRETS_DIR) or _DEFAULT_DIR)
    for one in dict.fromkeys((name, name.replace("-", "_"), name.replace("_", "-"))):
        value = _text_of(folder / one, name)
        if value:
            return Secret(name, value, f"the file {str(folder / one)!r}")
    own = name.replace("-", "_").upper()
    for variable in (*_HUB_VARIABLES, own) if is_hub_name(name) else (own,):
        value = os.environ.get(variable, "").strip()
        if value:
            return Secret(name, value, f"the environment variable {variable}")
    return None


def is_hub_name(name: str) -> bool:
    """Whether a name is one of those that mean the token of the Hugging Face hub.

    Args:
        name: what a manifest calls the secret.
    """
    return name.replace("-", "_").lower() in _HUB_NAMES


def find_token(name: str) -> str | None:
    """Finds a secret that travels in a header, such as the token of the Hugging Face hub.

    Args:
        name: what a manifest calls the secret.

    Returns:
        the token; None if there is none.

    Raises:
        InputError: if it holds what no header can hold, as the JSON of another service does.
    """
    found = secret_of(name)
    if found is None:
        return None
    if not all(33 <= ord(character) <= 126 for character in found.value):
        raise InputError(
            f"the secret {name!r} ({found.place}) is no token: it holds spaces, line breaks or other characters that "
            "no token has; put the token alone there"
        )
    return found.value


def read_members(name: str, needed: Sequence[str], others: Sequence[str] = ()) -> Mapping[str, str] | None:
    """Finds a secret that is a JSON object, such as the keys of a bucket.

    Args:
        name: what a manifest calls the secret.
        needed: the members that it must have.
        others: members that it may have; what else it has is left out.

    Returns:
        the members; None if there is no such secret. The token of the hub, which is what repositories name where
        nobody named anything else, counts as none.

    Raises:
        UnauthorizedError: if it is no such object; the message names the members, and shows nothing of it.
    """
    found = secret_of(name)
    if found is None:
        return None
    try:
        told = json.loads(found.value)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        if found.is_of_hub:
            return None
        what, cure = "is no JSON object", _form(needed, others)
        raise UnauthorizedError(f"the secret {name!r} ({found.place}) {what}; make it {cure}") from None
    for member in needed:
        if not isinstance(told.get(member), str) or not told[member]:
            raise UnauthorizedError(
                f"the secret {name!r} ({found.place}) has no text {member!r}; make it {_form(needed, others)}"
            )
    for member in others:
        if not isinstance(told.get(member, ""), str | None):
            raise UnauthorizedError(
                f"the secret {name!r} ({found.place}) has a {member!r} that is no text; make it {_form(needed, others)}"
            )
    return {member: told[member] for member in (*needed, *others) if told.get(member)}


def _form(needed: Sequence[str], others: Sequence[str]) -> str:
    listed = ", ".join(f'"{member}": "..."' for member in needed)
    more = f", and if needed {', '.join(others)}" if others else ""
    return f"{{{listed}}}{more}"


def _text_of(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""
    except OSError as error:
        raise InputError(
            f"the secret {name!r} cannot be read: {error.strerror or 'failed'} ({str(path)!r}); correct its rights"
        ) from error
    if len(raw) > _LARGEST:
        raise InputError(f"the secret {name!r} ({str(path)!r}) has more than a mebibyte; no secret is that large")
    try:
        return raw.decode().strip()
    except UnicodeDecodeError:
        raise InputError(f"the secret {name!r} ({str(path)!r}) is no text in UTF-8; write it anew") from None
