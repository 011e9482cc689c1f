"""How does a person vouch for two versions that did not learn together?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from chariots.errors import ConflictError, UnknownNameError, nearest
from chariots.op_store import rows, tables
from chariots.op_store.checks import invalid
from chariots.op_store.decisions import events
from chariots.op_store.decisions.events import Event, NewEvent
from chariots.op_store.decisions.sets import check_live
from chariots.op_store.decisions.shapes import Shape
from chariots.pipelines.store import NodeQuery, StoredVersion, VersionRecord
from chariots.versioning import Version

__all__ = ["Acceptance"]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A pair of neighbours that is about to be accepted.

    Attributes:
        pipeline: the name of the pipeline.
        upstream: the node whose output is read.
        downstream: the node that reads it.
        pins: the numbers of the versions that were named, by node.
    """

    pipeline: str
    upstream: NodeQuery
    downstream: NodeQuery
    pins: Mapping[str, int]

    @classmethod
    def of(cls, shape: Shape, pipeline: str, upstream: str, downstream: str, versions: Mapping[str, int]) -> Acceptance:
        """Checks what was named.

        Args:
            shape: what the pipeline is made of.
            pipeline: its name.
            upstream: the node whose output is read.
            downstream: the node that reads it.
            versions: the number of the version of one of the two, or of both.

        Raises:
            UnknownNameError: if there is no such node, or the one does not read the other.
            InputError: if a version of another node is named.
            ConflictError: if the two are never kept from running together.
        """
        source, reader = (shape.node(name, pipeline, "accepted") for name in (upstream, downstream))
        if (upstream, downstream) not in {tuple(edge) for edge in shape.edges}:
            read = [up for up, down in shape.edges if down == downstream]
            listed = f"it reads {', '.join(map(repr, read))}" if read else "it reads no other node"
            raise UnknownNameError(
                f"node {downstream!r} of pipeline {pipeline!r} was to accept {upstream!r}, which it does not read: "
                f"{listed}; name the upstream node first, then the one that reads it.{nearest(upstream, read)}"
            )
        roles = (source.role, reader.role)
        if "retrain" in roles or roles == ("code", "code"):
            why = "one of the two learns anew" if "retrain" in roles else "neither of the two has a state"
            raise ConflictError(
                f"node {downstream!r} of pipeline {pipeline!r} was to accept {upstream!r}, but nothing keeps the two "
                f"from running together, for {why}; there is nothing to accept"
            )
        for name in versions:
            if name not in (upstream, downstream):
                raise invalid("versions", f"a version of {upstream!r} or of {downstream!r}", name)
            if shape.node(name, pipeline, "accepted").role == "code":
                raise invalid("versions", "a node with a state: of plain code the present version is accepted", name)
        return cls(pipeline, source, reader, dict(versions))

    def record(
        self,
        connection: sa.Connection,
        number: int,
        chosen: Mapping[str, StoredVersion],
        who: str | None,
        reason: str,
        key: str | None,
    ) -> Event:
        """Adds the link, and to the history who vouches for it and why.

        Args:
            connection: the transaction, which holds the lock of the pipeline.
            number: the number of the pipeline.
            chosen: the versions to take where none is pinned, by node.
            who: who vouches.
            reason: why.
            key: chosen by who asks.

        Raises:
            UnknownNameError: if one of the two has no version.
            ConflictError: if the two may run together already.
        """
        after = {node.name: self._version(connection, node, chosen) for node in (self.upstream, self.downstream)}
        check_live(connection, after, "accepted", with_bytes=False)
        source, reader = after[self.upstream.name], after[self.downstream.name]
        ops = rows.op_ids(connection, after)
        link = tables.link
        query = sa.select(link.c.id, link.c.event_id).where(
            link.c.upstream_version_id == source,
            sa.or_(
                link.c.downstream_version_id == reader,
                sa.and_(link.c.downstream_version_id.is_(None), link.c.downstream_op_id == ops[self.downstream.name]),
            ),
        )
        known = connection.execute(query.limit(1)).first()
        if known is not None:
            how = "they were saved together" if known.event_id is None else f"event {known.event_id} accepted them"
            raise ConflictError(
                f"version {reader} of {self.downstream.name!r} was to accept version {source} of "
                f"{self.upstream.name!r}, but the two may run together already: {how}; name other versions with "
                "--pin NODE=NUMBER if you mean others (nothing was changed)"
            )
        event = events.add(connection, number, NewEvent("accept", after, who=who, reason=reason, key=key))
        values = {
            "upstream_op_id": ops[self.upstream.name],
            "upstream_version_id": source,
            "downstream_op_id": ops[self.downstream.name],
            "downstream_version_id": reader,
            "event_id": event.id,
        }
        rows.insert_new(connection, tables.link, [values])
        return event

    def _version(self, connection: sa.Connection, node: NodeQuery, chosen: Mapping[str, StoredVersion]) -> int:
        """The number of the version that a node would run with."""
        if node.name in self.pins:
            return self.pins[node.name]
        if node.name in chosen:
            return chosen[node.name].id
        if node.role == "code":
            # Code that was never saved has no version in the store yet.
            record = VersionRecord(node.name, node.version, node.code_version, node.fields, node.fingerprint)
            op = rows.add_ops(connection, (node.name,))[node.name]
            return rows.add_version(connection, op, Version.parse(node.version), record)
        raise UnknownNameError(
            f"a version of node {node.name!r} of pipeline {self.pipeline!r} was to be accepted, but none of its saved "
            "versions can run with the present code; save one that can, or name one with --pin "
            f"{node.name}=NUMBER (nothing was changed)"
        )
