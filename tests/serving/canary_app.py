"""A server of several processes that tries a canary on every call, and a shadow."""

from __future__ import annotations

import os

from chariots.op_store import OpStoreClient
from chariots.serving import Canary, PipelinesServer, Shadow
from tests.serving.marks_app import Marked
from tests.serving.support import one_op

BROKEN = "broken"


class Fragile(Marked):
    """Answers with its mark and its process; fails with one mark."""

    def execute(self, value=None):
        if self.learns:
            self.mark = value
        elif self.mark == BROKEN:
            raise RuntimeError("this model is broken")
        return [self.mark, os.getpid()]


def make_app():
    """The app, on the op store that the environment names."""
    return PipelinesServer(
        [one_op(Fragile(False), "pred")],
        "canary_app",
        op_store_client=OpStoreClient(os.environ["MARKS_STORE"]),
        rollouts=[Canary("pred", share=1.0, min_requests=20), Shadow("pred")],
    )
