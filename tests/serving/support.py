"""What do the tests of the serving room serve, and how do they start a server?"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from werkzeug.serving import WSGIRequestHandler

from chariots.ml import MLMode
from chariots.ml.sklearn import SKSupervisedOp, SKUnsupervisedOp
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.versioning import Version, VersionedField, VersionedFieldDict, VersionType
from tests.wsgi_server import wsgi_server

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


class Learner(LoadableOp):
    """Learns a mark, and puts it into its version too, so that value and version can be compared."""

    def __init__(self, learns=False):
        super().__init__()
        self.learns, self.mark = learns, None

    @property
    def allow_version_change(self):
        return self.learns

    @property
    def needs_loading(self):
        return not self.learns

    @property
    def is_ready(self):
        return self.mark is not None

    @property
    def op_version(self):
        return self.__version__ if self.mark is None else self.__version__ + Version().update_patch(self.mark.encode())

    def execute(self, value=None):
        if self.learns:
            self.mark = value
        return self.mark

    def serialize(self):
        return self.mark.encode()

    def load(self, serialized_object):
        self.mark = serialized_object.decode()


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


def until(condition):
    """Waits until a condition holds."""
    give_up = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up, "it never came to that"
        time.sleep(0.001)


@contextmanager
def live(app) -> Iterator[str]:
    """Serves an app over a real socket of this machine; gives its URL."""
    with wsgi_server(app, Quiet) as url:
        yield url


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
