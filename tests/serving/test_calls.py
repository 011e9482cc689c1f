"""Does a call over HTTP give what running the pipeline gives, in the documented form?"""

from __future__ import annotations

import datetime
import json

import numpy as np
import pandas as pd
import pytest

from chariots.errors import UnknownNameError
from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import PipelineCallback
from chariots.pipelines.nodes import MapNode, Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import SequentialRunner
from chariots.versioning import Version
from tests.serving.support import IN, OUT, AddOneOp, Constant, Echo, is_odd, one_op


def test_the_documented_example_answers(client):
    caller = client(is_odd())
    assert caller.call_pipeline(is_odd(), 4).value is True
    assert caller.call_pipeline(is_odd(), 5).value is False


def test_an_answer_has_exactly_the_documented_fields(http):
    answer = http(is_odd()).post("/pipelines/is_odd/main", {"pipeline_input": 4})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {
        "pipeline_output": True,
        "versions": {name: str(version) for name, version in is_odd().versions().items()},
        "job_id": None,
        "job_status": "done",
    }


def test_versions_come_by_node_name(http):
    answer = http(is_odd()).post("/pipelines/is_odd/versions")
    assert answer.json() == {name: str(version) for name, version in is_odd().versions().items()}
    assert set(answer.json()) == {"addoneop", "isoddop"}


def test_a_pipeline_that_takes_no_input_is_called_with_an_empty_body(http):
    served = http(Pipeline([Node(Constant(), output_nodes=OUT)], "constant"))
    for body in (b"", {}, {"pipeline_input": None}, {"anything": "else"}):
        assert served.post("/pipelines/constant/main", body).json()["pipeline_output"] == 42


def test_a_pipeline_without_output_answers_null(http):
    served = http(Pipeline([Node(Constant())], "silent"))
    assert served.post("/pipelines/silent/main").json()["pipeline_output"] is None


def test_a_node_that_maps_answers_with_a_list(http, client):
    pipeline = Pipeline([MapNode(AddOneOp(), [IN], OUT)], "each")
    answer = http(pipeline).post("/pipelines/each/main", {"pipeline_input": [1, 2, 3]})
    assert (answer.status, answer.json()["pipeline_output"]) == (200, [2, 3, 4])
    assert client(pipeline).call_pipeline(pipeline, [5]).value == [6]
    answer = http(pipeline).post("/pipelines/each/main", {"pipeline_input": 7})
    assert answer.status in (422, 500)
    assert "elements" in answer.json()["detail"]


def test_the_pipelines_are_listed_with_their_health(http):
    served = http(is_odd(), one_op(Echo(), "echo"))
    assert served.request("GET", "/available_pipelines").json() == ["is_odd", "echo"]
    assert served.request("GET", "/health_check").json() == {"is_odd": True, "echo": True}
    assert served.request("GET", "/pipelines/echo/health_check").json() == {"is_loaded": True}


@pytest.mark.parametrize("name", ["a name", "naïve", "名前", "a&b=c;d", "semi'quote\"", "{brace}", "plus+", "~.-_"])
def test_names_with_odd_characters_route(client, name):
    caller = client(one_op(Echo(), name), one_op(AddOneOp(), "other"))
    assert caller.call_pipeline(name, "found").value == "found"
    assert caller.is_pipeline_loaded(name)
    assert list(caller.pipeline_versions(name)) == ["echo"]


@pytest.mark.parametrize("name", ["echo/main?", "echo/main#", "echo%2Fmain", "../pipelines/echo"])
def test_a_name_cannot_reach_another_route(client, name):
    with pytest.raises(UnknownNameError):
        client(one_op(Echo(), "echo")).call_pipeline(name, 1)


def test_values_that_only_python_knows_arrive_as_their_json_form(client):
    class Zoo(BaseOp):
        def execute(self):
            return {
                "array": np.array([[1, 2], [3, 4]], dtype=np.float32),
                "frame": pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
                "scalar": np.int64(7),
                "nan": float("nan"),
                "day": datetime.date(2020, 2, 29),
                "nested": [{"tuple": (1, [np.float64(0.5)])}],
            }

    caller = client(Pipeline([Node(Zoo(), output_nodes=OUT)], "zoo"))
    assert caller.call_pipeline("zoo").value == {
        "array": [[1.0, 2.0], [3.0, 4.0]],
        "frame": [{"a": 1, "b": "x"}, {"a": 2, "b": None}],
        "scalar": 7,
        "nan": None,
        "day": "2020-02-29",
        "nested": [{"tuple": [1, [0.5]]}],
    }


def test_numpy_and_pandas_may_be_given_to_the_client(client):
    caller = client(one_op(Echo(), "echo"))
    assert caller.call_pipeline("echo", np.eye(2)).value == [[1.0, 0.0], [0.0, 1.0]]
    assert caller.call_pipeline("echo", pd.DataFrame({"a": [1.5]})).value == [{"a": 1.5}]


def test_great_integers_survive_the_round_trip(client):
    great = 2**200 + 1
    assert client(one_op(Echo(), "echo")).call_pipeline("echo", great).value == great


def test_nested_pipelines_are_served(client):
    outer = Pipeline([Node(is_odd(), [IN], "odd"), Node(Echo(), ["odd"], OUT)], "outer")
    assert client(outer).call_pipeline("outer", 4).value is True


def test_default_callbacks_are_called_and_the_users_pipeline_stays_as_it_was(client):
    seen = []

    class Note(PipelineCallback):
        def before_execution(self, pipeline, args):
            seen.append((pipeline.name, args))

    pipeline = is_odd()
    caller = client(pipeline, default_pipeline_callbacks=[Note()])
    caller.call_pipeline(pipeline, 4)
    assert seen == [("is_odd", [4])]
    assert list(pipeline.callbacks) == []


def test_the_runner_of_the_server_runs_the_pipelines(client):
    class Backwards(SequentialRunner):
        def run(self, pipeline, pipeline_input=None):
            return f"ran {pipeline.name} on {super().run(pipeline, pipeline_input)}"

    assert client(is_odd(), runner=Backwards()).call_pipeline("is_odd", 4).value == "ran is_odd on True"


def test_the_client_parses_versions(client):
    pipeline = is_odd()
    caller = client(pipeline)
    expected = pipeline.versions()
    assert caller.pipeline_versions(pipeline) == expected
    assert caller.call_pipeline(pipeline, 4).versions == expected
    assert all(isinstance(version, Version) for version in caller.pipeline_versions(pipeline).values())


def test_routes_with_and_without_the_last_slash_are_the_same(http):
    served = http(is_odd())
    assert served.post("/jobs/fetch", {"job_id": "x"}).status == served.post("/jobs/fetch/", {"job_id": "x"}).status
    assert served.post("/pipelines/is_odd/main/", {"pipeline_input": 4}).json()["pipeline_output"] is True


def test_the_users_own_routes_and_error_handlers_live_beside_ours(serve):
    from chariots.serving import PipelinesServer
    from tests.serving.support import Http, live

    class OwnError(Exception):
        pass

    class Raises(BaseOp):
        def execute(self, value):
            raise OwnError("mine")

    app = PipelinesServer([one_op(Raises(), "raises")], "own_app")

    @app.errorhandler(OwnError)
    def handle(error):
        return {"own": str(error)}, 418

    @app.route("/main")
    def main():
        return "mine"

    with live(app) as url:
        served = Http(url)
        assert served.request("GET", "/main").data == b"mine"
        answer = served.post("/pipelines/raises/main", {"pipeline_input": 1})
        assert (answer.status, json.loads(answer.data)) == (418, {"own": "mine"})
