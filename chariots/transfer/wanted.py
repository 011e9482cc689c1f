"""What is known of a file before it is fetched?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chariots.transfer.digests import Check
from chariots.transfer.origins import Origin

__all__ = ["Wanted"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is to be fetched.

    Attributes:
        name: what it is called in messages.
        place: its final name.
        folder: where its part is while it is not complete; of the same file system.
        size: how many bytes it has.
        identity: what tells its content from any other, as far as the manifest knows.
        check: how its bytes are told to be right; None where nobody can tell, or is to.
        origin: where its bytes are.
        opaque: what the server should call the state of the object; None where the hash is of the bytes.
    """

    name: str
    place: Path
    folder: Path
    size: int
    identity: str
    check: Check | None
    origin: Origin
    opaque: str | None = None
