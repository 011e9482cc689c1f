"""Do all processes of a server try what an alias stands for, and does the failure that one of them sees stop all?"""

from __future__ import annotations

import time

from chariots.op_store import OpStoreClient
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.runners import SequentialRunner
from tests.cli.programs import CHARIOTS
from tests.serving.canary_app import BROKEN, Fragile
from tests.serving.support import IN
from tests.serving.test_following import replica, running, store_command

COMMAND = [*CHARIOTS, "serve", "tests.serving.canary_app:make_app", "--port", "0"]
PATIENCE = 90.0  # seconds


def trained(store, mark):
    """Trains and saves a mark; gives what can be promoted."""
    pipeline = Pipeline([Node(Fragile(True), [IN])], "train")
    SequentialRunner().run(pipeline, mark)
    pipeline.save(store)
    return {"fragile": store.versions("fragile")[0].id}


def test_two_processes_follow_a_canary_and_stop_it_together(tmp_path):
    with running(tmp_path, store_command(tmp_path)) as (store_url, _, _):
        store = OpStoreClient(store_url)
        old, new, broken = (trained(store, mark) for mark in ("old", "new", BROKEN))
        store.record_deployment("pred", old)
        with replica(tmp_path, store_url, 2, COMMAND) as server:

            def marks():
                """What each process answers, once both have."""
                found, until = {}, time.monotonic() + PATIENCE
                while len(found) < 2:
                    assert time.monotonic() < until, server.log
                    mark, process = server.client.call_pipeline("pred", 1).value  # none of them ever fails
                    found[process] = mark
                return set(found.values())

            def wait_for(holds):
                until = time.monotonic() + PATIENCE
                while not holds():
                    assert time.monotonic() < until, server.log

            assert marks() == {"old"}
            store.promote("pred", versions=old)
            store.promote("pred", "canary", new)
            wait_for(lambda: marks() == {"new"})
            assert 'chariots_rollout_active{alias="canary",kind="canary",pipeline="pred"} 2.0' in metrics_of(server)

            store.promote("pred", "canary", broken)
            wait_for(lambda: marks() == {"old"} and not store.alias("pred", "canary"))
            idle = 'chariots_rollout_active{alias="canary",kind="canary",pipeline="pred"} 0.0'
            wait_for(lambda: idle in metrics_of(server))
            failed = counted(metrics_of(server), "chariots_variant_requests_total", 'outcome="failed"')
            assert 20 <= failed < 60  # both counted, and one of them came to twenty
            assert 1 <= counted(metrics_of(server), "chariots_canary_withdrawals_total", "") <= 2
        assert [event.kind for event in store.history("pred", alias="canary")] == ["withdraw", "promote", "promote"]


def metrics_of(server):
    """What was measured, as any of the processes tells it."""
    return server.client.send("GET", "/metrics").body.decode()


def counted(text, metric, label):
    """The sum of the samples of a metric that have a label."""
    return sum(
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{metric}{{") and label in line
    )
