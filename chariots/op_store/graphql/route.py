"""How does a GraphQL question become an answer?"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chariots.errors import ChariotsError
from chariots.op_store.http.routes import Route
from chariots.op_store.lineage import Lineage
from chariots.op_store.registry import Registry

if TYPE_CHECKING:
    from graphql import GraphQLError

__all__ = ["ROUTES", "GraphQLUnavailableError"]

_LARGEST = 64 * 2**10  # bytes of a request; a question within the limits has a few thousand


class GraphQLUnavailableError(ChariotsError, ImportError):
    """Raised when a store is asked in GraphQL and was installed without."""

    status = 501
    slug = "graphql-unavailable"
    title = "GraphQL is not installed"


@dataclass(frozen=True)
class GraphQL:
    """A question in GraphQL, as GraphQL clients send it."""

    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815  # the name that GraphQL over HTTP gives it
    extensions: dict[str, Any] | None = None


def _answer(registry: Registry, asked: GraphQL) -> dict[str, Any]:
    try:
        from graphql import GraphQLError

        from chariots.op_store.graphql.limits import checked
    except ImportError as error:
        raise GraphQLUnavailableError(
            f"the op store was asked in GraphQL, which needs a package that is not installed where it runs ({error}); "
            "install chariots[graphql] there, or ask GET /v2/lineage/versions and its neighbours"
        ) from error
    variables = asked.variables or {}
    try:
        checked(asked.query, variables, asked.operationName)
    except GraphQLError as error:
        return {"data": None, "errors": [_described(error)]}
    if not _in_a_loop():
        return _executed(registry, asked, variables)
    # In a notebook, say, where an embedded store answers inside of a loop: another loop needs another thread.
    with ThreadPoolExecutor(1) as threads:
        run = contextvars.copy_context().run
        return threads.submit(run, _executed, registry, asked, variables).result()


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _executed(registry: Registry, asked: GraphQL, variables: Mapping[str, Any]) -> dict[str, Any]:
    from graphql import GraphQLError
    from strawberry.schema.exceptions import CannotGetOperationTypeError

    from chariots.op_store.graphql.schema import Context, schema

    # Every part of the answer is from one state of the store.
    with registry.database.reading() as connection:
        lineage = Lineage(lambda: contextlib.nullcontext(connection))
        try:
            result = asyncio.run(
                schema.execute(
                    asked.query,
                    variable_values=dict(variables),
                    context_value=Context(lineage),
                    operation_name=asked.operationName,
                )
            )
        except CannotGetOperationTypeError:
            return {"data": None, "errors": [{"message": _no_operation(asked.operationName)}]}
        for error in result.errors or ():
            failure = error.original_error
            refused = isinstance(failure, GraphQLError) or getattr(failure, "status", 500) < 500
            if failure is not None and not refused:
                raise failure  # in here, where a database that fails is told from everything else
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [_described(error) for error in result.errors]
    return answer


def _no_operation(name: str | None) -> str:
    return (
        f"the operation {(name or '')[:80]!r} was to be run, but the query holds none of that name; name one that it "
        "holds, or leave operationName out where it holds one only"
    )


def _described(error: GraphQLError) -> dict[str, Any]:
    described: dict[str, Any] = dict(error.formatted)
    if isinstance(error.original_error, ChariotsError):
        described["extensions"] = {"type": error.original_error.problem()["type"]}
    return described


ROUTES = (Route("/graphql", "Ask for lineage in GraphQL; see the how-to guide.", GraphQL, _answer, max_body=_LARGEST),)
