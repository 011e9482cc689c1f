"""Does a store tell truly how much it holds?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chariots.op_store import BaseOpStoreClient, OpStoreServer
from chariots.op_store.maintenance import Policy, StoreStats, collect, stats
from tests.op_store.support import save_pair, version


def test_an_empty_store_holds_nothing(client: BaseOpStoreClient) -> None:
    assert client.stats() == StoreStats([], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, None, None)


def test_everything_is_counted_in_all_and_by_op(client: BaseOpStoreClient) -> None:
    for number in range(3):
        served = save_pair(client, number)
    client.save_op_bytes("forest", version("other"), b"pca 0")  # the bytes of another version
    client.register_valid_link(None, "words", version("no bytes"))
    client.record_deployment("predict", served)
    found = client.stats()
    assert [(op.op, op.versions, op.with_bytes, op.size, op.newest) for op in found.ops] == [
        ("forest", 4, 4, 3 * 8 + 5, 7),
        ("pca", 3, 3, 3 * 5, 5),
        ("words", 1, 0, 0, 8),
    ]
    assert (found.versions, found.with_bytes, found.pruned, found.newest) == (8, 7, 0, 8)
    assert (found.links, found.blobs, found.size) == (3, 6, 3 * 8 + 3 * 5)
    assert (found.pipelines, found.saves, found.deployments, found.events) == (2, 3, 1, 0)


def test_the_time_of_the_newest_version_has_a_zone(client: BaseOpStoreClient) -> None:
    save_pair(client, 1)
    newest_at = datetime.fromisoformat(str(client.stats().newest_at))
    assert newest_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - newest_at) < timedelta(minutes=5)


def test_what_was_given_up_is_counted_apart(store: OpStoreServer) -> None:
    for number in range(3):
        save_pair(store.client(), number)
    collect(store.registry, Policy(1, 0.0), delete=True)
    found = stats(store.registry)
    assert (found.versions, found.with_bytes, found.pruned, found.blobs, found.size) == (6, 2, 4, 2, 5 + 8)
    assert [(op.op, op.pruned) for op in found.ops] == [("forest", 2), ("pca", 2)]
