"""Does the page of a service show its document, and send what a person writes? (read with a real browser)"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chariots.serving import PipelinesServer
from tests.browser import DESK, PHONE, asked
from tests.serving.fuzz_app import Typed
from tests.serving.support import Echo, Http, live, one_op

READER = Path(__file__).with_name("page_reader.mjs")


@pytest.fixture
def url():
    with live(PipelinesServer([one_op(Typed(), "typed"), one_op(Echo(), "<b>{x}")], "an app")) as url:
        yield url


def read(url, *arguments, width=DESK):
    return asked(READER, url, width, *arguments)


def test_the_page_may_load_nothing_from_anywhere_else(url):
    answer = Http(url).request("GET", "/docs")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "connect-src 'self'" in policy
    assert b"http://" not in answer.data
    assert b"https://" not in answer.data
    assert b'name="viewport" content="width=device-width' in answer.data


def test_every_operation_of_the_document_is_shown_as_text(url):
    shown = read(url)
    assert shown["title"] == "an app"
    document = Http(url).request("GET", "/openapi.json").json()
    operations = sum(len(item.keys() & {"get", "post"}) for item in document["paths"].values())
    assert len(shown["shown"]) == operations
    assert any("/pipelines/<b>{x}/main" in words for words in shown["shown"])
    assert shown["complaints"] == []


def test_the_example_of_a_call_is_one_that_the_server_accepts(url):
    shown = read(url, "/pipelines/typed/main")
    assert json.loads(shown["example"]) == {"pipeline_input": {"petals": [{"length": 1.5}]}}
    status, _, text = shown["answered"].partition("\n")
    assert status == "200 OK"
    assert json.loads(text)["pipeline_output"]["petals"] == [{"length": 1.5, "colour": "red"}]
    assert shown["left"] == 1


def test_what_is_wrong_with_a_body_is_shown(url):
    shown = read(url, "/pipelines/typed/main", '{"pipeline_input": {"petals": 3}}')
    assert shown["answered"].startswith("422 ")
    assert "petals" in shown["answered"]


def test_a_name_in_a_path_is_filled_in(url):
    shown = read(url, "/v2/models/{name}/infer", '{"inputs": []}')
    assert shown["answered"].startswith("400 ")
    assert "was called without an input" in shown["answered"]


def test_a_phone_shows_all_of_it_without_moving_sideways(url):
    shown = read(url, "/pipelines/typed/main", width=PHONE)
    assert shown["answered"].startswith("200 ")
    assert shown["widths"] == [PHONE, PHONE]
    assert shown["touched"] >= 40  # a thumb finds it
