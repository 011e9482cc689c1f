"""Is Flask found in whatever way the code of a pipeline refers to it, and only there?

The ops stand in a module that uses Flask for other things, as those of an app in one file do.
"""

from __future__ import annotations

import functools
import importlib
import sys
import types
from pathlib import Path

import flask
import numpy as np
import pytest
from flask import current_app, g, has_request_context, request
from sklearn.linear_model import LogisticRegression

from chariots import Chariots, Node, Pipeline
from chariots.pipelines.callbacks import PipelineCallback
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import SequentialRunner
from chariots.serving.looking_at_flask import looks_at_flask
from tests.serving import flask_ops

TABLE = {"who": lambda: request.headers["X-Who"]}
NUMBERS = {number: str(number) for number in range(100_000)}
app = flask.Flask("other")


@app.before_request
def note():
    g.who = request.headers.get("X-Who")


class Helper:
    """Knows who asks; another knows nothing of it."""

    def who(self):
        return has_request_context()


class Other:
    def double(self, value):
        return 2 * value


helper, other = Helper(), Other()
extension = types.new_class("Login", exec_body=lambda body: body.update(__module__="flask_login.manager"))()


def double(value):
    return other.double(value)


def deep(value):
    return [flask_ops.header(one) for one in value]


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        current_app.logger.info("called")
        return function(*args)

    return wrapper


def with_a_default(value, who=TABLE):
    return who


def knows(value):
    import flask_login

    return flask_login.current_user


class Calls(BaseOp):
    def __init__(self, function, **arguments):
        super().__init__(**arguments)
        self.function = function

    def execute(self, value):
        return self.function(value)


class Property(BaseOp):
    @property
    def who(self):
        return flask.request.headers

    def execute(self, value):
        return self.who


class Inherits(Property):
    def execute(self, value):
        return value


class Model(BaseOp):
    """Uses much, and nothing of Flask."""

    def execute(self, value):
        model = LogisticRegression().fit(np.asarray(value), [0, 1])
        return Path(NUMBERS[0]), double(model.predict(value))


class Sees(PipelineCallback):
    def before_execution(self, pipeline, args):
        helper.who()


def closure():
    seen = request

    def look(value):
        return seen.headers

    return look


LOOKING = {
    "its own method": Property(),
    "an inherited one": Inherits(),
    "a function of another module": Calls(deep),
    "a lambda": Calls(lambda value: g.who),
    "a function within a function": Calls(lambda value: [request.path for _ in value]),
    "an import within": Calls(knows),
    "an object": Calls(lambda value: helper.who()),
    "a method of an object": Calls(helper.who),
    "a class": Calls(lambda value: Helper().who()),
    "a table": Calls(lambda value: TABLE["who"]()),
    "a partial": Calls(functools.partial(TABLE["who"])),
    "an argument of a partial": Calls(functools.partial(map, helper.who)),
    "a decorator": Calls(decorated(double)),
    "what it wraps": Calls(functools.lru_cache(flask_ops.header)),
    "a default": Calls(with_a_default),
    "a closure": Calls(closure()),
    "a module": Calls(lambda value: flask.request.path),
    "a module of a module": Calls(lambda value: sys.modules and flask_ops.request.path),
    "an extension": Calls(lambda value: extension.user),
}


def served(op, **arguments):
    return Pipeline([Node(op, ["__pipeline_input__"], "__pipeline_output__")], "served", **arguments)


@pytest.mark.parametrize("what", LOOKING)
def test_flask_is_found_through(what):
    assert looks_at_flask(served(LOOKING[what]), SequentialRunner())


def test_flask_is_found_in_callbacks():
    assert looks_at_flask(served(Model(), pipeline_callbacks=[Sees()]), SequentialRunner())


def test_flask_is_found_in_a_class_of_a_module_that_is_gone(monkeypatch):
    monkeypatch.setattr(Other, "__module__", "nowhere")
    monkeypatch.setattr(Other, "double", lambda self, value: request.path)
    assert looks_at_flask(served(Calls(double)), SequentialRunner())


@pytest.mark.parametrize("op", [Model(), Calls(double), Calls(len)], ids=lambda op: op.name)
def test_other_code_of_the_same_module_is_not_looked_at(op):
    assert not looks_at_flask(served(op), SequentialRunner())


def test_an_app_in_one_file_answers_beneath_flask(tmp_path):
    whole = Chariots([served(Calls(lambda value: has_context(value)))], tmp_path)
    client = whole.test_client()
    answers = [client.post("/pipelines/served/main", json={"pipeline_input": 1}).get_json() for _ in range(3)]
    assert [answer["pipeline_output"] for answer in answers] == [True, False, False]


def has_context(value):
    # Where no name leads, for the test of it.
    return vars(sys.modules["flask"])["has_request_context"]()


def test_code_that_is_installed_along_with_the_op_is_looked_into(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "mine_and_installed"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "helpers.py").write_text("import flask\ndef who(value):\n    return flask.request.path\n")
    lines = [
        "from chariots.pipelines.ops import BaseOp",
        "from mine_and_installed.helpers import who",
        "class Asks(BaseOp):",
    ]
    (package / "ops.py").write_text("\n".join([*lines, "    def execute(self, value):", "        return who(value)"]))
    monkeypatch.syspath_prepend(package.parent)
    ops = importlib.import_module("mine_and_installed.ops")
    assert looks_at_flask(served(ops.Asks()), SequentialRunner())
