"""How does a program ask an op store that lives in its own process? (the embedded default; no sockets)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from chariots.op_store.clients.base import BaseOpStoreClient
from chariots.op_store.clients.files import pieces_of
from chariots.op_store.origin import present_origin
from chariots.op_store.trusting.trust import Trust
from chariots.pipelines.standings import Standings
from chariots.pipelines.store import NodeQuery, Origin, Resolution, SaveKey, VersionRecord
from chariots.web.access import INSIDE

if TYPE_CHECKING:
    from chariots.op_store.server import OpStoreServer

__all__ = ["LocalOpStoreClient"]


class LocalOpStoreClient(BaseOpStoreClient):
    """A client that calls the registry of a server in the same process.

    Saves, loads and bytes go straight to the registry; the remaining questions take the routes of the server,
    through its WSGI application.

    Args:
        server: the server, which need not run.
        trust: signs what is saved, and decides what may be loaded; what the server trusts by default.
    """

    def __init__(self, server: OpStoreServer, trust: Trust | None = None) -> None:
        self.server = server
        self.trust = trust or server.trust

    def post(self, route: str, arguments_json: Mapping[str, Any]) -> Any:
        """Asks one question of the application in this process.

        Args:
            route: the path of the route.
            arguments_json: the members of the JSON object to send.

        Returns:
            the decoded answer.

        Raises:
            ChariotsError: the failure that the store answered with.
        """
        from chariots.web import Reply

        # Whoever holds the server object needs no token: the request says so where no client can.
        inside = {INSIDE: True}
        answer = self.server.flask.test_client().post(route, json=arguments_json, environ_overrides=inside)
        asked = f"POST {route} of the embedded op store"
        reply = Reply(answer.status_code, dict(answer.headers), answer.get_data(), asked)
        return reply.raise_for_problem().json()

    def resolve(
        self,
        pipeline: str,
        nodes: Sequence[NodeQuery],
        edges: Sequence[tuple[str, str]],
        pinned: Mapping[str, int] | None = None,
    ) -> Resolution:
        """Chooses a version for every node of a pipeline and checks every edge; see `BaseOpStoreClient`."""
        return self.server.registry.resolve(pipeline, nodes, edges, pinned)

    def commit_save(
        self,
        pipeline: str,
        last_op: str,
        versions: Sequence[VersionRecord],
        links: Sequence[tuple[str, str]],
        origin: Origin | None = None,
        once: SaveKey | None = None,
    ) -> Mapping[str, int]:
        """Registers everything that one save of a pipeline holds; see `BaseOpStoreClient`."""
        signed = [self.trust.signed(version) for version in versions]
        return self.server.registry.commit_save(pipeline, last_op, signed, links, origin or present_origin(), once)

    def saved_attempt(self, key: str) -> int | None:
        """Returns which attempt has saved under a key; see `BaseOpStoreClient`."""
        return self.server.registry.saved_attempt(key)

    def record_deployment(self, pipeline: str, versions: Mapping[str, int]) -> None:
        """Remembers which versions a pipeline now serves; see `BaseOpStoreClient`."""
        self.server.registry.record_deployment(pipeline, versions)

    def last_deployment(self, pipeline: str) -> Mapping[str, int] | None:
        """Returns which versions a pipeline served last; see `BaseOpStoreClient`."""
        return self.server.registry.last_deployment(pipeline)

    def alias(self, pipeline: str, name: str) -> Mapping[str, int] | None:
        """Returns what an alias stands for; see `BaseOpStoreClient`."""
        return self.server.registry.history.alias(pipeline, name)

    def standings(self, pipelines: Sequence[str], alias: str | None, seen: str | None = None) -> Standings | None:
        """Returns what pipelines are to serve; see `BaseOpStoreClient`."""
        return self.server.registry.history.standings(pipelines, alias, seen)

    def describe_pipeline(self, pipeline: str, nodes: Sequence[NodeQuery], edges: Sequence[tuple[str, str]]) -> None:
        """Tells the store what a pipeline is made of; see `BaseOpStoreClient`."""
        self.server.registry.history.describe(pipeline, nodes, edges)

    def write_blob(self, data: bytes) -> str:
        """Keeps bytes and returns their SHA-256; see `BaseOpStoreClient`."""
        return self.server.registry.blobs.write(data)

    def read_blob(self, sha256: str) -> bytes:
        """Returns bytes that were kept, verified; see `BaseOpStoreClient`."""
        return self.server.registry.blobs.read(sha256)

    def _send_file(self, sha256: str, file: IO[bytes]) -> None:
        self.server.registry.blobs.put(sha256, pieces_of(file))

    def _received(self, sha256: str) -> Iterator[bytes]:
        return self.server.registry.blobs.open(sha256)
