"""What do servers that follow one another serve? (two ops that learn one mark, so that a mixed answer shows)"""

from __future__ import annotations

import os

from chariots.op_store import OpStoreClient
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import LoadableOp
from chariots.pipelines.runners import SequentialRunner
from chariots.serving import PipelinesServer
from chariots.versioning import Version

IN, OUT = "__pipeline_input__", "__pipeline_output__"
POISON = "poison"
PREDICTING = ("pred", "loaded", "poisoned")


class Marked(LoadableOp):
    """Learns a mark, and puts it into its version too."""

    def __init__(self, learns: bool) -> None:
        super().__init__()
        self.learns, self.mark = learns, None

    allow_version_change = property(lambda self: self.learns)
    needs_loading = property(lambda self: not self.learns)
    is_ready = property(lambda self: self.mark is not None)

    @property
    def op_version(self):
        return self.__version__ if self.mark is None else self.__version__ + Version().update_patch(self.mark.encode())

    def serialize(self):
        return self.mark.encode()

    def load(self, serialized_object):
        mark = serialized_object.decode()
        if mark == POISON:
            raise ValueError("these bytes are poison")
        self.mark = mark


class First(Marked):
    def execute(self, mark=None):
        if self.learns:
            self.mark = mark
        return self.mark


class Second(Marked):
    def execute(self, first):
        if self.learns:
            self.mark = first
        return {"marks": [first, self.mark], "process": os.getpid()}


def pipeline(name, *, learns=False):
    """A pipeline of the two ops."""
    return Pipeline([Node(First(learns), [IN], "first"), Node(Second(learns), ["first"], OUT)], name)


def pipelines():
    """One pipeline that trains and several that predict, each with decisions of its own."""
    return [pipeline("train", learns=True), *map(pipeline, PREDICTING)]


def make_app():
    """A server on the op store that the environment names."""
    return PipelinesServer(pipelines(), "marks", op_store_client=OpStoreClient(os.environ["MARKS_STORE"]))


def trained(store, mark):
    """Trains and saves both ops, and puts nothing into service.

    Returns:
        the numbers of their versions.
    """
    train = pipeline("train", learns=True)
    SequentialRunner().run(train, mark)
    train.save(store)
    return {name: store.versions(name)[0].id for name in ("first", "second")}
