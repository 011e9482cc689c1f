"""Are the documented names where the documentation of 0.2 has them, and light where they should be?"""

from __future__ import annotations

import subprocess
import sys

import chariots
from chariots import pipelines, serving
from chariots.pipelines import pipelines_client, pipelines_server


def test_servers_and_clients_are_offered_where_they_were():
    assert pipelines.PipelinesServer is serving.PipelinesServer is chariots.PipelinesServer
    assert pipelines.PipelinesClient is serving.PipelinesClient is chariots.Client
    assert pipelines_server.PipelineResponse is serving.PipelineResponse
    assert pipelines_server.PipelinesServer is serving.PipelinesServer
    assert pipelines_client.AbstractPipelinesClient is serving.AbstractPipelinesClient
    assert pipelines_client.PipelinesClient is serving.PipelinesClient


def test_a_program_that_only_calls_a_server_imports_no_server():
    code = "import sys, chariots; chariots.Client(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"flask", "werkzeug", "sqlalchemy", "sklearn", "pandas", "numpy", "pydantic", "redis"}
    assert heavy & set(done.stdout.split()) == set()


def test_a_server_has_the_documented_attributes(tmp_path):
    runner, store = object(), chariots.Chariots([], tmp_path).op_store_client
    app = pipelines.PipelinesServer([], "app", op_store_client=store, runner=runner, use_workers=True)
    assert (app.runner, app.op_store_client, app.use_workers) == (runner, store, True)
    assert isinstance(app, __import__("flask").Flask)
