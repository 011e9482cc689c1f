"""Which request is this?"""

from __future__ import annotations

import os
import random

import flask
import pytest

from chariots.web import current_request_id, install
from chariots.web.request_ids import accepted, new_request_id, outside


def test_outside_of_a_request_there_is_none() -> None:
    assert current_request_id() is None


def test_processes_that_share_a_parent_make_ids_of_their_own() -> None:
    made = {new_request_id()}
    for _ in range(3):
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.write(writer, new_request_id().encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        with os.fdopen(reader) as told:
            made.add(told.read())
    assert len(made | {new_request_id()}) == 5


def test_nobodys_seed_makes_ids_come_again() -> None:
    random.seed(1)
    first = new_request_id()
    random.seed(1)
    assert new_request_id() != first


def test_work_outside_of_requests_may_carry_one() -> None:
    token = outside.set("job-1")
    try:
        assert current_request_id() == "job-1"
    finally:
        outside.reset(token)


def test_inside_of_a_request_it_is_the_one_that_is_returned() -> None:
    app = flask.Flask("Ids")
    install(app, title="Ids")
    app.add_url_rule("/", view_func=lambda: f"{current_request_id()} {current_request_id()}")
    response = app.test_client().get("/")
    assert response.text == f"{response.headers['X-Request-ID']} {response.headers['X-Request-ID']}"


def test_new_ids_differ_and_are_sane() -> None:
    ids = {new_request_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(accepted(one) == one for one in ids)


@pytest.mark.parametrize("text", [None, "", "a\n", "a b", "-a", "é", "x" * 129])
def test_hostile_ids_are_not_taken_over(text: str | None) -> None:
    assert accepted(text) is None
