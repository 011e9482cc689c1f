"""What does an op store tell about a version, and about the versions it was made with?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chariots.op_store.decisions.events import Event
from chariots.pipelines.store import Origin, StoredVersion

__all__ = ["LinkedVersion", "OpDetails", "PipelineDetails", "VersionDetails"]


@dataclass(frozen=True, slots=True)
class OpDetails:
    """An op that the store knows.

    Attributes:
        name: its name.
        newest: the number of its newest version; None for an op without any.
        saved_at: when the newest version came into the store, in UTC.
    """

    name: str
    newest: int | None
    saved_at: datetime | None


@dataclass(frozen=True, slots=True)
class PipelineDetails:
    """A pipeline that the store knows, because it was saved or served.

    Attributes:
        name: its name.
        serves: the versions that were last put into service, as the number of the version of each node.
        serves_since: when that was, in UTC; None for a pipeline that never served.
        aliases: for each of its aliases the event that says what it stands for, by the names of the aliases.
    """

    name: str
    serves: Mapping[str, int] = field(default_factory=dict)
    serves_since: datetime | None = None
    aliases: Sequence[Event] = ()


@dataclass(frozen=True, slots=True)
class VersionDetails(StoredVersion):
    """One version of an op, with everything that is known of how it came about.

    Attributes:
        fields: the declared fields behind the class version: name -> value (as text), subversion and hash.
        fingerprint: the fingerprint of the code; None where the source was not to be had.
        saved_at: when it came into the store, in UTC, by the clock of the store's database.
        pruned_at: when its bytes were given up; None as long as they are kept.
        pipeline: the pipeline it was first saved with; None where it was not saved with one.
        save: the number of that save, the same for everything that was saved together; None without one.
        origin: who saved it, where, and with which code, as far as the saving process said.
        metrics: what the op and its callbacks measured: name -> number, text for a number that is not finite.
        parameters: what it was trained with: name -> value.
        data_fingerprint: the fingerprint of the training data; None where none was recorded.
        duration: how long the training took, in seconds; None where it is not known.
        trained_at: when it was trained, in seconds since the epoch by the clock of the training process.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    saved_at: datetime | None = None
    pruned_at: datetime | None = None
    pipeline: str | None = None
    save: int | None = None
    origin: Origin = field(default_factory=Origin)
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    data_fingerprint: str | None = None
    duration: float | None = None
    trained_at: float | None = None


@dataclass(frozen=True, slots=True)
class LinkedVersion:
    """A version on the other side of a link.

    Attributes:
        version: the version.
        accepted_by: the number of the acceptance by which a person vouched for the pair; None where the two were
            trained together.
    """

    version: VersionDetails
    accepted_by: int | None = None
