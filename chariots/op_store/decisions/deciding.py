"""How is it decided which versions of a pipeline an alias stands for, and which run together?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from chariots.errors import ConflictError, UnknownNameError, nearest
from chariots.op_store.checks import check_name, check_names, check_numbers, invalid
from chariots.op_store.decisions import deployments, events, shapes
from chariots.op_store.decisions.acceptances import Acceptance
from chariots.op_store.decisions.events import Event, NewEvent
from chariots.op_store.decisions.history import number_of
from chariots.op_store.decisions.promotions import Resolve, fitting, not_described, pins_for
from chariots.op_store.decisions.rollbacks import target_of
from chariots.op_store.decisions.sets import check_live, described
from chariots.op_store.decisions.withdrawals import withdraw

if TYPE_CHECKING:
    from chariots.op_store.database import Database

__all__ = ["Decisions"]

LONGEST_REASON = 2000  # characters
SERVING = "serving"  # a source that is no alias: what the pipeline was last seen to serve


class Decisions:
    """Promotes, rolls back, withdraws and accepts; each of them is one more event in the history of a pipeline.

    Args:
        database: where the history is kept.
        resolve: chooses versions that fit, as `Registry.resolve` does.
    """

    def __init__(self, database: Database, resolve: Resolve) -> None:
        self._database = database
        self._resolve = resolve

    def promote(
        self,
        pipeline: str,
        alias: str = "production",
        versions: Mapping[str, int] | None = None,
        source: str | None = None,
        *,
        who: str | None = None,
        reason: str | None = None,
        expected: Mapping[str, int] | None = None,
        key: str | None = None,
    ) -> Event:
        """Lets an alias stand for another set of versions; see `BaseOpStoreClient.promote`.

        Args:
            key: chosen by who asks; the same promotion asked for twice is made once.
        """
        _check_words(pipeline, alias, who, reason, key)
        if versions is not None and source is not None:
            raise invalid("source", "either versions or a source, not both", source)
        check_names(versions or (), "versions")
        check_numbers((versions or {}).values(), "versions")
        with self._database.reading() as connection:
            number = number_of(connection, pipeline, "promoted")
            shape = shapes.read(connection, pipeline)
            pins = self._source(connection, pipeline, number, source) if source is not None else dict(versions or {})
            if shape is not None:
                pins = pins_for(shape, pipeline, pins, exact=source is None)
            check_live(connection, pins, "promoted")
        after, why_no_newer = fitting(self._resolve, pipeline, shape, pins)
        with self._database.writing() as connection:
            events.lock(connection, number)
            done = events.by_key(connection, key)
            if done is not None:
                return done
            stands = events.newest(connection, number, alias)
            _check_expected(stands, pipeline, alias, expected)
            if stands is not None and stands.after == after:
                if why_no_newer is not None and not pins:
                    raise why_no_newer
                return stands
            check_live(connection, after, "promoted")
            new = NewEvent(
                kind="promote",
                after=after,
                alias=alias,
                before=None if stands is None else stands.after,
                who=who,
                reason=reason,
                deployment=deployments.last_number(connection, pipeline),
                key=key,
            )
            return events.add(connection, number, new)

    def rollback(
        self,
        pipeline: str,
        alias: str = "production",
        to: int | None = None,
        *,
        who: str | None = None,
        reason: str | None = None,
        expected: Mapping[str, int] | None = None,
        key: str | None = None,
    ) -> Event:
        """Lets an alias stand for the set of versions it stood for before; see `BaseOpStoreClient.rollback`.

        Going back again goes back further. Before the first promotion comes what the pipeline served then. That the
        set cannot be loaded by the code that was seen last is told in the event, and no reason not to go back: the
        code may go back as well.

        Args:
            key: chosen by who asks; the same rollback asked for twice is made once.
        """
        _check_words(pipeline, alias, who, reason, key)
        check_numbers([] if to is None else [to], "to")
        with self._database.writing() as connection:
            number = number_of(connection, pipeline, "rolled back")
            events.lock(connection, number)
            done = events.by_key(connection, key)
            if done is None:
                stands = events.newest(connection, number, alias)
                _check_expected(stands, pipeline, alias, expected)
                target = target_of(connection, pipeline, number, alias, stands, to)
                check_live(connection, target.after, "brought back")
                new = NewEvent(
                    kind="rollback",
                    after=target.after,
                    alias=alias,
                    before=target.before,
                    who=who,
                    reason=reason,
                    restores=target.restores,
                    deployment=target.deployment,
                    key=key,
                )
                done = events.add(connection, number, new)
            shape = shapes.read(connection, pipeline)
        if shape is None:
            return done
        pins = {node: version for node, version in done.after.items() if node in shape.pinnable}
        found = self._resolve(pipeline, shape.nodes, shape.edges, pins)
        return replace(done, problems=tuple(found.problems))

    def withdraw(
        self,
        pipeline: str,
        alias: str,
        *,
        who: str | None = None,
        reason: str | None = None,
        expected: Mapping[str, int] | None = None,
        key: str | None = None,
    ) -> Event:
        """Lets an alias stand for nothing; see `BaseOpStoreClient.withdraw`.

        Args:
            key: chosen by who asks; the same withdrawal asked for twice is made once.
        """
        _check_words(pipeline, alias, who, reason, key)
        with self._database.writing() as connection:
            number = number_of(connection, pipeline, "withdrawn")
            events.lock(connection, number)
            done = events.by_key(connection, key)
            if done is not None:
                return done
            stands = events.newest(connection, number, alias)
            _check_expected(stands, pipeline, alias, expected)
            return withdraw(connection, number, stands, pipeline=pipeline, alias=alias, who=who, reason=reason, key=key)

    def accept(
        self,
        pipeline: str,
        upstream: str,
        downstream: str,
        reason: str,
        versions: Mapping[str, int] | None = None,
        *,
        who: str | None = None,
        key: str | None = None,
    ) -> Event:
        """Vouches that two versions may run together, although they did not learn so; see `BaseOpStoreClient.accept`.

        Args:
            key: chosen by who asks; the same acceptance asked for twice is made once.
        """
        _check_words(pipeline, None, who, reason, key)
        if not reason.strip():
            raise invalid("reason", "why the two fit, in a few words", reason)
        check_numbers((versions or {}).values(), "versions")
        with self._database.reading() as connection:
            number = number_of(connection, pipeline, "told which versions it accepts")
            shape = shapes.read(connection, pipeline)
            if shape is None:
                raise not_described(pipeline, f"{downstream!r} was to accept {upstream!r}")
            acceptance = Acceptance.of(shape, pipeline, upstream, downstream, versions or {})
            check_live(connection, acceptance.pins, "accepted")
        # Without their edge: the newest of each is what somebody wants to run who was told that the two do not fit.
        pair = (acceptance.upstream, acceptance.downstream)
        chosen = self._resolve(pipeline, pair, [], acceptance.pins).versions
        with self._database.writing() as connection:
            events.lock(connection, number)
            return events.by_key(connection, key) or acceptance.record(connection, number, chosen, who, reason, key)

    def _source(self, connection: sa.Connection, pipeline: str, number: int, source: str) -> dict[str, int]:
        check_name(source, "source")
        if source == SERVING:
            served = deployments.last(connection, pipeline)
            if served:
                return served
            raise ConflictError(
                f"pipeline {pipeline!r} was to be promoted as it is served, but no server has put it into service on "
                "this store; load it first, or promote the newest versions that fit"
            )
        found = events.newest(connection, number, source)
        if found is not None and found.after:
            return dict(found.after)
        if found is not None:
            raise ConflictError(
                f"pipeline {pipeline!r} was to be promoted from {source!r}, which event {found.id} has withdrawn, so "
                "that it stands for nothing; name the versions, or another alias"
            )
        known = [event.alias for event in events.standing(connection, [number]) if event.alias]
        listed = ", ".join([*known, SERVING])
        raise UnknownNameError(
            f"pipeline {pipeline!r} was to be promoted from {source!r}, which is none of its aliases; take one of: "
            f"{listed}.{nearest(source, [*known, SERVING])}"
        )


def _check_words(pipeline: str, alias: str | None, who: str | None, reason: str | None, key: str | None) -> None:
    """Refuses what cannot be written into the history."""
    check_name(pipeline, "pipeline")
    if alias is not None and check_name(alias, "alias") == SERVING:
        raise invalid("alias", f"another name, for {SERVING!r} means what is served at the moment", alias)
    for name, where in ((who, "who"), (key, "key")):
        if name is not None:
            check_name(name, where)
    if reason is not None and (len(reason) > LONGEST_REASON or "\0" in reason):
        raise invalid("reason", f"a text of at most {LONGEST_REASON} characters", reason)


def _check_expected(stands: Event | None, pipeline: str, alias: str, expected: Mapping[str, int] | None) -> None:
    after = {} if stands is None else dict(stands.after)
    check_names(expected or (), "expected")
    if expected is None or dict(expected) == after:
        return
    since = "" if stands is None else f" since event {stands.id}" + (f" by {stands.who}" if stands.who else "")
    raise ConflictError(
        f"alias {alias!r} of pipeline {pipeline!r} was expected to stand for {described(expected)}, but it stands for "
        f"{described(after)}{since}; look at its history, then decide again (nothing was changed)",
        expected=dict(expected),
        actual=after,
    )
