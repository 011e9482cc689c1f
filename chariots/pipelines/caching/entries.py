"""What does the cache know of one run of a node, and how is it written down?"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from chariots.pipelines.caching.identity import Identity

__all__ = [
    "DamagedEntryError",
    "Entry",
    "Output",
    "Question",
    "differences",
    "key_of",
    "question_from_bytes",
    "question_to_bytes",
]

FORMAT = 1
_SHA = 64  # hex digits


class DamagedEntryError(ValueError):
    """Raised where the bytes of an entry are not those that were written."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a node is about to compute.

    Attributes:
        pipeline: the name of the pipeline.
        node: the name of the node.
        identity: what the node computes.
        inputs: the content of each input.
        labels: the name of each input.
        outputs: how many values it gives.
    """

    pipeline: str
    node: str
    identity: Identity
    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    outputs: int


def key_of(question: Question) -> str:
    """Under which name the answer is kept: the same wherever the same is computed from the same."""
    parts = (FORMAT, *question.identity, question.inputs, question.outputs)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a node.

    Attributes:
        content: what it holds, as a reader of it counts that.
        form: the form of the bytes.
        size: how many there are.
        sha256: their digest.
        data: the bytes themselves where they are few, in base64; None where they are kept apart.
    """

    content: str
    form: str
    size: int
    sha256: str
    data: str | None = None

    def inline(self) -> bytes | None:
        """The bytes, where they are here."""
        return None if self.data is None else base64.b64decode(self.data)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one run of a node.

    Attributes:
        key: the name under which it is kept.
        outputs: what the node returned.
        seconds: how long it took.
        created: when it had run, in seconds since 1970.
        used: when it was last asked for, as far as that is noted here.
    """

    key: str
    outputs: tuple[Output, ...]
    seconds: float
    created: float
    used: float

    @property
    def size(self) -> int:
        """How many bytes the outputs have."""
        return sum(output.size for output in self.outputs)

    def to_bytes(self) -> bytes:
        """The entry as it is written."""
        outputs = [(each.content, each.form, each.size, each.sha256, each.data) for each in self.outputs]
        return _sealed([self.key, outputs, self.seconds, self.created, self.used])

    @classmethod
    def from_bytes(cls, data: bytes | bytearray) -> Entry:
        """Reads what `to_bytes` wrote.

        Raises:
            DamagedEntryError: if it did not, or in another format.
        """
        key, outputs, seconds, created, used = _opened(data, 5)
        return cls(key, tuple([Output(*output) for output in outputs]), seconds, created, used)


def question_to_bytes(question: Question) -> bytes:
    """A question as it is written, to be compared with the next one of the same node."""
    parts = (question.pipeline, question.node, question.identity, question.inputs, question.labels, question.outputs)
    return _sealed(parts)


def question_from_bytes(data: bytes | bytearray) -> Question:
    """Reads what `question_to_bytes` wrote.

    Raises:
        DamagedEntryError: if it did not, or in another format.
    """
    pipeline, node, identity, inputs, labels, outputs = _opened(data, 6)
    return Question(pipeline, node, Identity(*identity), tuple(inputs), tuple(labels), outputs)


def _sealed(content: Sequence[Any]) -> bytes:
    """A digest, and what it is of."""
    text = json.dumps([FORMAT, *content], separators=(",", ":")).encode()  # orjson refuses halves of characters
    return hashlib.sha256(text).hexdigest().encode() + b"\n" + text


def _opened(data: bytes | bytearray, parts: int) -> list[Any]:
    text = bytes(data[_SHA + 1 :])
    if hashlib.sha256(text).hexdigest().encode() != data[:_SHA]:
        raise DamagedEntryError("its bytes are not those that were written")
    content: list[Any] = orjson.loads(text)
    number = content.pop(0)
    if number != FORMAT or len(content) != parts:
        raise DamagedEntryError(f"it is written in format {number!r}, and this release reads {FORMAT}")
    return content


def differences(question: Question, last: Question) -> Sequence[str]:
    """What is asked for now that was not asked for then, in words.

    Args:
        question: what is asked now.
        last: what was asked the last time.

    Returns:
        a sentence without its full stop for each difference; none where the two are equal.
    """
    found = []
    now, then = question.identity, last.identity
    if now.version != then.version:
        new, old = now.version.split("."), then.version.split(".")
        changed = [
            name for name, *both in zip(("major", "minor", "patch"), new, old, strict=False) if both[0] != both[1]
        ]
        which = f"{' and '.join(changed)} " if len(new) == len(old) == 3 else ""
        found.append(f"the {which}version of its op has changed")
    elif now.code != then.code:
        found.append("the code of its op has changed, while the version has not")
    if now.state != then.state:
        found.append("what its op holds has changed")
    if question.labels != last.labels or len(question.inputs) != len(last.inputs):
        found.append("it reads other inputs")
    else:
        pairs = zip(question.labels, question.inputs, last.inputs, strict=True)
        names = [repr(label) for label, new, old in pairs if new != old]
        if names:
            found.append(
                f"input {names[0]} has changed" if len(names) == 1 else f"inputs {_listed(names)} have changed"
            )
    if question.outputs != last.outputs:
        found.append("it has another number of outputs")
    return found


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
