"""What can be asked of an op store in GraphQL? (types and their fields; each level of an answer is one query)"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.dataloader import DataLoader
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from chariots.op_store.checks import LARGEST_PAGE
from chariots.op_store.details import LinkedVersion, VersionDetails
from chariots.op_store.graphql.limits import DEFAULT_LIMIT
from chariots.op_store.lineage import Lineage

__all__ = ["Context", "schema"]

Number = NewType("Number", int)
_Ask = Callable[[Any, int, int | None], Mapping[Any, Any]]
_Limit = Annotated[int, strawberry.argument(description="How many at most, up to 1000.")]
_Before = Annotated[
    Number | None, strawberry.argument(description="Only versions with a smaller number: the last of the page before.")
]


@dataclass
class Context:
    """What the fields of one question share.

    Attributes:
        lineage: what answers, in one transaction.
        loaders: for each field with its arguments, what asks for a whole level of the answer at once.
    """

    lineage: Lineage
    loaders: dict[tuple[Any, ...], DataLoader[Any, Any]] = field(default_factory=dict)

    def loader(self, ask: _Ask, limit: int, before: int | None) -> DataLoader[Any, Any]:
        """Returns the loader of a field.

        Args:
            ask: a method of the lineage that answers for several keys.
            limit: as for that method.
            before: as for that method.
        """

        async def load(keys: Sequence[Any]) -> list[Any]:
            found = ask(keys, limit, before)
            return [found[key] for key in keys]

        return self.loaders.setdefault((ask.__name__, limit, before), DataLoader(load))

    def by_number(self) -> DataLoader[int, VersionDetails]:
        """Returns the loader of versions that are named by their number."""

        async def load(numbers: Sequence[int]) -> list[VersionDetails]:
            found = self.lineage.versions_by_number(numbers)
            return [found[number] for number in numbers]

        return self.loaders.setdefault(("by_number",), DataLoader(load, max_batch_size=LARGEST_PAGE))


Info = strawberry.Info[Context, None]


@strawberry.type(description="A declared field of the class of an op.")
class Field:
    name: str
    value: str | None
    affects: str | None
    hash: str | None


@strawberry.type(description="What an op or a callback measured in a training.")
class Metric:
    name: str
    value: float | None = strawberry.field(description="The number; null where it is not finite.")
    text: str = strawberry.field(description="The number as text: inf, -inf or nan where it is not finite.")


@strawberry.type(description="Who saved a version, where, and with which code.")
class Origin:
    who: str | None
    host: str | None
    git_commit: str | None
    code_version: str | None


@strawberry.type(description="A version on the other side of a link.")
class Link:
    version: Version
    accepted_by: Number | None = strawberry.field(
        description="The acceptance by which a person vouched for the pair; null where they were trained together."
    )


async def _parents(
    root: strawberry.Parent[Version], info: Info, limit: _Limit = DEFAULT_LIMIT, before: _Before = None
) -> list[Link]:
    loader = info.context.loader(info.context.lineage.parents_of, limit, before)
    return [_link(found) for found in await loader.load(root.number)]


async def _children(
    root: strawberry.Parent[Version], info: Info, limit: _Limit = DEFAULT_LIMIT, before: _Before = None
) -> list[Link]:
    loader = info.context.loader(info.context.lineage.children_of, limit, before)
    return [_link(found) for found in await loader.load(root.number)]


async def _versions(
    root: strawberry.Parent[Op], info: Info, limit: _Limit = DEFAULT_LIMIT, before: _Before = None
) -> list[Version]:
    loader = info.context.loader(info.context.lineage.versions_of, limit, before)
    return [_version(found) for found in await loader.load(root.name)]


async def _served_version(root: strawberry.Parent[Served], info: Info) -> Version:
    return _version(await info.context.by_number().load(root.number))


def _all_pipelines(info: Info, limit: _Limit = DEFAULT_LIMIT, after: str = "") -> list[Pipeline]:
    return [
        Pipeline(
            name=found.name,
            serves=_served(found.serves),
            serves_since=found.serves_since,
            aliases=[
                Alias(
                    name=str(event.alias),
                    serves=_served(event.after),
                    since=event.created_at,
                    event=Number(event.id),
                    who=event.who,
                    reason=event.reason,
                )
                for event in found.aliases
            ],
        )
        for found in info.context.lineage.pipelines(limit, after)
    ]


def _all_ops(info: Info, limit: _Limit = DEFAULT_LIMIT, after: str = "") -> list[Op]:
    return [
        Op(name=op.name, newest=op.newest, saved_at=op.saved_at)  # type: ignore[arg-type]  # a Number is an int
        for op in info.context.lineage.ops(limit, after)
    ]


def _versions_of_op(info: Info, op: str, limit: _Limit = DEFAULT_LIMIT, before: _Before = None) -> list[Version]:
    return [_version(found) for found in info.context.lineage.versions(op, limit, before)]


def _one_version(info: Info, number: Number) -> Version:
    return _version(info.context.lineage.version(number))


def _some_versions(info: Info, numbers: list[Number]) -> list[Version]:
    found = info.context.lineage.versions_by_number(numbers)
    return [_version(found[number]) for number in sorted(found)]


@strawberry.type(description="One version of an op.")
class Version:
    number: Number = strawberry.field(description="The store's own number; a greater one was saved later.")
    op: str
    version: str
    code_version: str | None
    sha256: str | None
    size: Number = strawberry.field(description="How many bytes.")
    format: str | None
    signed_by: str | None
    fields: list[Field]
    fingerprint: str | None
    saved_at: datetime | None
    pruned_at: datetime | None
    pipeline: str | None
    save: Number | None = strawberry.field(description="The same for everything that was saved together.")
    origin: Origin
    metrics: list[Metric]
    parameters: JSON
    data_fingerprint: str | None
    duration: float | None = strawberry.field(description="How long the training took, in seconds.")
    trained_at: float | None = strawberry.field(description="In seconds since the epoch.")
    parents: list[Link] = strawberry.field(
        resolver=_parents, description="The upstream versions it was trained with, newest first."
    )
    children: list[Link] = strawberry.field(
        resolver=_children, description="The downstream versions that were trained with it, newest first."
    )


@strawberry.type(description="An op that the store knows.")
class Op:
    name: str
    newest: Number | None = strawberry.field(description="The number of its newest version.")
    saved_at: datetime | None
    versions: list[Version] = strawberry.field(resolver=_versions, description="Its versions, newest first.")


@strawberry.type(description="The version that a node of a pipeline runs with.")
class Served:
    node: str
    number: Number
    version: Version = strawberry.field(resolver=_served_version)


@strawberry.type(description="A name for a set of versions of a pipeline that a person chose.")
class Alias:
    name: str
    serves: list[Served] = strawberry.field(description="The versions it stands for.")
    since: datetime
    event: Number = strawberry.field(description="The promotion or rollback that said so last.")
    who: str | None
    reason: str | None


@strawberry.type(description="A pipeline that was saved or served.")
class Pipeline:
    name: str
    serves: list[Served] = strawberry.field(description="The versions that were last put into service.")
    serves_since: datetime | None
    aliases: list[Alias]


# Each may be null, so that one that cannot be answered takes no other with it.
@strawberry.type
class Query:
    ops: list[Op] | None = strawberry.field(resolver=_all_ops, description="The ops of the store, by name.")
    pipelines: list[Pipeline] | None = strawberry.field(
        resolver=_all_pipelines, description="The pipelines of the store with what they serve, by name."
    )
    versions: list[Version] | None = strawberry.field(
        resolver=_versions_of_op, description="The versions of an op, newest first."
    )
    version: Version | None = strawberry.field(resolver=_one_version, description="One version, by its number.")
    versions_by_number: list[Version] | None = strawberry.field(
        resolver=_some_versions,
        description="Some versions, by number; those that the store does not have are left out.",
    )


_ORIGIN = ("who", "host", "git_commit", "code_version")
_SAME = (
    *("op", "version", "code_version", "sha256", "size", "format", "signed_by", "fingerprint", "saved_at", "pruned_at"),
    *("pipeline", "save", "parameters", "data_fingerprint", "duration", "trained_at"),
)


def _version(found: VersionDetails) -> Version:
    same: dict[str, Any] = {name: getattr(found, name) for name in _SAME}
    return Version(
        number=Number(found.id),
        fields=[
            Field(name=name, **{key: _text(told, key) for key in ("value", "affects", "hash")})
            for name, told in found.fields.items()
        ],
        origin=Origin(**{name: getattr(found.origin, name) for name in _ORIGIN}),
        metrics=[
            Metric(name=name, value=value if isinstance(value, (int, float)) else None, text=str(value))
            for name, value in found.metrics.items()
        ],
        **same,
    )


def _served(versions: Mapping[str, int]) -> list[Served]:
    return [Served(node=node, number=Number(number)) for node, number in sorted(versions.items())]


def _link(found: LinkedVersion) -> Link:
    return Link(version=_version(found.version), accepted_by=found.accepted_by)  # type: ignore[arg-type]  # a Number is an int


def _text(told: Any, key: str) -> str | None:
    value = told.get(key) if isinstance(told, Mapping) else None
    return None if value is None else str(value)


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise GraphQLError(f"{value!r} was given where the number of a version is needed; give a whole number")
    return value


class _Schema(strawberry.Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Writes nothing: whoever asked is told what was wrong, and failures of the store are raised."""


schema = _Schema(
    query=Query,
    config=StrawberryConfig(scalar_map={Number: strawberry.scalar(name="Number", serialize=int, parse_value=_number)}),
)
