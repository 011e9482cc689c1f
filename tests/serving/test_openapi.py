"""Does the OpenAPI document say what the server does?"""

from __future__ import annotations

import json

import jsonschema_rs
import pytest

from chariots.serving import PipelinesServer
from tests.serving.fuzz_app import Number, Typed, make_app
from tests.serving.support import Constant, Echo, is_odd, one_op


def document(app):
    return json.loads(app.test_client().get("/openapi.json").data)


def call_schema(found, path):
    body = found["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return jsonschema_rs.Draft202012Validator({**body, "components": found["components"]})


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return document(make_app(tmp_path_factory.mktemp("openapi")))


def test_every_pipeline_has_paths_of_its_own():
    paths = document(PipelinesServer([is_odd(), one_op(Echo(), "a name {x}")], "app"))["paths"]
    for name in ("is_odd", "a%20name%20%7Bx%7D"):
        for action in ("main", "versions", "load", "save", "health_check"):
            assert f"/pipelines/{name}/{action}" in paths
    assert {"/health_check", "/available_pipelines", "/jobs/fetch/", "/livez", "/readyz"} <= paths.keys()


def test_it_is_version_3_1_and_every_reference_leads_somewhere(found):
    assert found["openapi"].startswith("3.1")

    def references(part):
        if isinstance(part, dict):
            if "$ref" in part:
                yield part["$ref"]
            part = list(part.values())
        if isinstance(part, list):
            for item in part:
                yield from references(item)

    for reference in references(found):
        place = found
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_the_schema_of_a_typed_input_is_that_of_its_hint(found):
    schema = call_schema(found, "/pipelines/typed%20%7B0%7D/main")
    assert schema.is_valid({"pipeline_input": {"petals": [{"length": 1.5, "colour": "blue"}]}})
    assert not schema.is_valid({"pipeline_input": {"petals": [{"length": "long"}]}})
    assert not schema.is_valid({})
    assert schema.is_valid({"pipeline_input": {"petals": []}, "use_worker": None, "unknown": 1})


def test_nan_is_null_in_an_output_and_refused_in_an_input(found):
    path = "/pipelines/typed%20%7B0%7D/main"
    answer = found["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    output = jsonschema_rs.Draft202012Validator({**answer, "components": found["components"]})
    flower = {"petals": [{"length": None, "colour": "red"}], "seen": None, "tags": {}}
    rest = {"versions": {}, "job_id": None, "job_status": "done"}
    assert output.is_valid({"pipeline_output": flower, **rest})
    assert not output.is_valid({"pipeline_output": "a rose", **rest})
    assert not call_schema(found, path).is_valid({"pipeline_input": flower})


def test_a_pipeline_without_input_needs_no_body(found):
    operation = found["paths"]["/pipelines/constant/main"]["post"]
    assert operation["requestBody"]["required"] is False
    schema = call_schema(found, "/pipelines/constant/main")
    assert schema.is_valid({})
    assert not schema.is_valid({"pipeline_input": 1})


def test_models_of_one_name_in_two_pipelines_are_kept_apart():
    def other():
        from dataclasses import dataclass

        @dataclass
        class Flower:
            price: int

        class Sells(Echo):
            def execute(self, value: Flower):
                return value.price

        Sells.execute.__annotations__["value"] = Flower
        return one_op(Sells(), "sells")

    found = document(PipelinesServer([one_op(Typed(), "typed"), other(), one_op(Number(), "number")], "app"))
    assert call_schema(found, "/pipelines/sells/main").is_valid({"pipeline_input": {"price": 1}})
    assert not call_schema(found, "/pipelines/typed/main").is_valid({"pipeline_input": {"price": 1}})


def test_an_empty_server_has_a_document_too():
    assert "/health_check" in document(PipelinesServer([], "empty"))["paths"]


def test_a_constant_is_described():
    from chariots.pipelines import Pipeline
    from chariots.pipelines.nodes import Node
    from tests.serving.support import OUT

    found = document(PipelinesServer([Pipeline([Node(Constant(), output_nodes=OUT)], "constant")], "app"))
    assert found["paths"]["/pipelines/constant/main"]["post"]["summary"] == "Call constant."
