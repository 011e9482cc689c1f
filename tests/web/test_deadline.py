"""How many seconds may the work at hand still take?"""

from __future__ import annotations

import threading

import flask
import pytest

from chariots.web import deadline, install, json_response


def test_without_a_scope_there_is_no_deadline() -> None:
    assert deadline.remaining() is None


def test_a_scope_bounds_what_is_inside_and_ends_with_it() -> None:
    with deadline.scope(10):
        left = deadline.remaining()
        assert left is not None and 9 < left <= 10
    assert deadline.remaining() is None


def test_an_inner_scope_can_only_shorten() -> None:
    with deadline.scope(5):
        with deadline.scope(100), deadline.scope(None):
            assert (deadline.remaining() or 0) <= 5
        with deadline.scope(1):
            assert (deadline.remaining() or 0) <= 1
        assert (deadline.remaining() or 0) > 1


def test_another_thread_has_no_deadline() -> None:
    found: list[float | None] = []
    with deadline.scope(5):
        thread = threading.Thread(target=lambda: found.append(deadline.remaining()))
        thread.start()
        thread.join()
    assert found == [None]


@pytest.mark.parametrize(("text", "seconds"), [("1.5", 1.5), ("0", 0.0), ("-3", 0.0), (" 2 ", 2.0)])
def test_the_header_is_read(text: str, seconds: float) -> None:
    assert deadline.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "nan", "inf", "-inf", "1e999", "1" * 100, "0x10", "1,2"])
def test_a_header_that_makes_no_sense_is_ignored(text: str) -> None:
    assert deadline.parse(text) is None


def test_the_header_holds_for_one_request_only() -> None:
    app = flask.Flask("Timed")
    install(app, title="Timed")
    app.add_url_rule("/", view_func=lambda: json_response(deadline.remaining()))
    client = app.test_client()
    left = client.get("/", headers={deadline.HEADER: "5"}).json
    assert left is not None and 4 < left <= 5
    assert client.get("/").json is None
    assert deadline.remaining() is None


def test_a_request_inside_of_a_scope_leaves_the_scope_as_it_was() -> None:
    app = flask.Flask("Timed")
    install(app, title="Timed")
    app.add_url_rule("/", view_func=lambda: json_response(deadline.remaining()))
    with deadline.scope(3):
        left = app.test_client().get("/", headers={deadline.HEADER: "100"}).json
        assert left is not None and left <= 3
        assert (deadline.remaining() or 0) > 1
