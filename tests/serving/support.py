"""What do the tests of the serving room serve, and how do they start a server?"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from werkzeug.serving import WSGIRequestHandler, make_server

from chariots.ml import MLMode
from chariots.ml.sklearn import SKSupervisedOp, SKUnsupervisedOp
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.versioning import VersionedField, VersionedFieldDict, VersionType

IN, OUT = "__pipeline_input__", "__pipeline_output__"


class AddOneOp(BaseOp):
    number_to_add = VersionedField(1, VersionType.MINOR)

    def execute(self, number):
        return number + self.number_to_add


class IsOddOp(BaseOp):
    def execute(self, number):
        return number % 2 != 0


class Echo(BaseOp):
    def execute(self, value):
        return value


class Boom(BaseOp):
    def execute(self, value):
        raise RuntimeError(f"cannot digest {value!r}")


class Constant(BaseOp):
    def execute(self):
        return 42


class IrisX(BaseOp):
    def execute(self):
        return load_iris(return_X_y=True)[0]


class IrisXY(BaseOp):
    def execute(self):
        return load_iris(return_X_y=True)


class PCAOp(SKUnsupervisedOp):
    training_update_version = VersionType.MAJOR
    model_class = VersionedField(PCA, VersionType.MAJOR)
    model_parameters = VersionedFieldDict(VersionType.MAJOR, {"n_components": 2})


class LogisticOp(SKSupervisedOp):
    model_class = LogisticRegression


class Total(LoadableOp):
    """Learns a number: every training run adds the number it was made with."""

    allow_version_change = True

    def __init__(self, step=1, fails=False):
        super().__init__()
        self.step, self.fails, self.total = step, fails, 0

    def execute(self, value=None):
        self.total += self.step
        if self.fails:
            raise RuntimeError("learned half of it")
        return self.total

    def serialize(self):
        return json.dumps(self.total).encode()

    def load(self, serialized_object):
        self.total = json.loads(serialized_object)


def one_op(op, name, **arguments):
    """A pipeline of one op from input to output."""
    return Pipeline([Node(op, [IN], OUT)], name, **arguments)


def is_odd():
    """The documented example: is the number, plus one, odd?"""
    return Pipeline([Node(AddOneOp(), [IN], "added"), Node(IsOddOp(), ["added"], OUT)], "is_odd")


def iris():
    """The documented iris example: a training and a prediction pipeline."""
    train = Pipeline(
        [
            Node(IrisXY(), output_nodes=["x", "y"]),
            Node(PCAOp(MLMode.FIT_PREDICT), ["x"], "x_pca"),
            Node(LogisticOp(MLMode.FIT), ["x_pca", "y"]),
        ],
        "train",
    )
    pred = Pipeline(
        [Node(PCAOp(MLMode.PREDICT), [IN], "x_pca"), Node(LogisticOp(MLMode.PREDICT), ["x_pca"], OUT)], "pred"
    )
    return train, pred


class Quiet(WSGIRequestHandler):
    """Answers without a line in the log for each request."""

    def log_request(self, code="-", size="-"):
        pass


@contextmanager
def live(app) -> Iterator[str]:
    """Serves an app over a real socket of this machine; gives its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Http:
    """Sends bytes to a live server as any program could."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pool = urllib3.PoolManager()

    def request(self, method, path, body=None, **headers):
        return self.pool.request(
            method, self.url + path, body=body, headers=headers, redirect=False, retries=False, timeout=20
        )

    def post(self, path, body=b"", **headers):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return self.request("POST", path, body, **headers)
