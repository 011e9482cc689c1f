"""How does a failure become a problem body, and a problem body an exception again?"""

from __future__ import annotations

import difflib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from werkzeug.exceptions import NotFound

from chariots import errors
from chariots.errors import BackendError, ChariotsError, RemoteTraceback, UnreachableError, VersionError
from chariots.schema import dumps, loads
from chariots.web import error_from_problem, problem_of

KINDS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, ChariotsError) and value is not ChariotsError
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_of_ours_survives_the_trip(kind: type[ChariotsError]) -> None:
    sent = kind("a sentence", errors=[{"loc": ["a"]}])
    problem = loads(dumps(problem_of(sent)))
    assert problem["status"] == kind.status
    received = error_from_problem(problem, kind.status)
    assert type(received) is kind
    assert str(received) == "a sentence"
    assert received.extra == {"errors": [{"loc": ["a"]}]}


@pytest.mark.parametrize("kind", [ChariotsError, *KINDS])
def test_every_error_of_ours_can_be_pickled(kind: type[ChariotsError]) -> None:
    copy = pickle.loads(pickle.dumps(kind("a sentence", more=1)))
    assert (type(copy), str(copy), copy.extra) == (kind, "a sentence", {"more": 1})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.MalformedRequestError),
        (404, errors.UnknownNameError),
        (409, errors.ConflictError),
        (413, errors.BodyTooLargeError),
        (419, VersionError),
        (422, errors.InputError),
        (500, BackendError),
        (501, BackendError),
        (502, UnreachableError),
        (503, UnreachableError),
        (504, UnreachableError),
        (418, ChariotsError),
    ],
)
def test_where_the_type_is_unknown_the_status_decides(status: int, kind: type[ChariotsError]) -> None:
    error = error_from_problem({"type": "about:blank", "detail": "x"}, status)
    assert type(error) is kind
    assert error.status == status


def test_an_unexpected_exception_is_an_internal_error_with_its_stack() -> None:
    problem = problem_of(KeyError("x"))
    assert (problem["type"], problem["status"]) == ("urn:chariots:internal-error", 500)
    assert problem["detail"] == "KeyError: 'x'"
    assert problem["remote_stack"]["class"] == "KeyError"
    assert type(error_from_problem(problem, 500)) is BackendError


def test_an_http_exception_keeps_its_words() -> None:
    assert problem_of(NotFound("no such thing")) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "no such thing",
    }


def test_a_failed_op_carries_the_stack_of_what_it_was_raised_from() -> None:
    error = BackendError("The op failed.")
    error.__cause__ = ZeroDivisionError("division by zero")
    problem = problem_of(error)
    assert problem["type"] == "urn:chariots:op-failed"
    assert problem["remote_stack"]["class"] == "ZeroDivisionError"


def test_an_error_that_was_received_can_be_passed_on() -> None:
    problem = problem_of(ValueError("far away"))
    passed_on = problem_of(error_from_problem(problem, 500))
    assert passed_on["remote_stack"] == problem["remote_stack"]


@pytest.mark.parametrize(
    "problem",
    [
        {},
        {"type": None, "detail": None, "title": 3, "status": "x"},
        {"type": ["a"], "remote_stack": "text"},
        {"remote_stack": {"frames": [None, 3], "cause": {"cause": 7}}},
        {"detail": {"a": 1}, "remote_stack": {}},
    ],
)
def test_any_shape_of_problem_becomes_an_exception(problem: dict[str, Any]) -> None:
    error = error_from_problem(problem, 500)
    assert isinstance(error, ChariotsError)
    assert str(error)
    assert type(error_from_problem(problem)) in (BackendError, ChariotsError)


def test_an_uncaught_one_prints_the_remote_traceback_above_the_local_one() -> None:
    script = (
        "from chariots.web import problem_of, error_from_problem\n"
        "def op():\n"
        "    raise KeyError('petal')\n"
        "try:\n"
        "    op()\n"
        "except KeyError as error:\n"
        "    problem = problem_of(error)\n"
        "raise error_from_problem(problem, 500)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root, timeout=60)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[:4] == [
        "chariots.errors.RemoteTraceback: ",
        '"""',
        "Traceback (most recent call last):",
        '  File "<string>", line 5, in <module>',
    ]
    remote, between, local = done.stderr.partition("direct cause of the following exception")
    assert "KeyError: 'petal'" in remote
    assert between
    assert lines[-1] == "chariots.errors.BackendError: KeyError: 'petal'"
    assert "line 8, in <module>" in local


def test_the_cause_is_a_remote_traceback() -> None:
    error = error_from_problem(problem_of(ValueError("x")), 500)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert error.__cause__.text == "ValueError: x"


def test_a_service_that_was_not_reached_shows_no_stack_of_a_library() -> None:
    try:
        try:
            raise ConnectionRefusedError("nobody there")
        except ConnectionRefusedError as error:
            raise errors.UnreachableError("the op store did not answer") from error
    except errors.UnreachableError as error:
        problem = problem_of(error)
    assert problem["status"] == 503
    assert "remote_stack" not in problem


@pytest.mark.parametrize("number", [10, 5000])
def test_the_nearest_of_many_names_is_found_and_few_are_compared_letter_by_letter(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    ratio = difflib.SequenceMatcher.ratio
    monkeypatch.setattr(difflib.SequenceMatcher, "ratio", lambda matcher: compared.append(1) or ratio(matcher))
    known = [f"{place}-a-name-that-is-much-like-the-others-{place}" for place in range(number)]
    assert errors.nearest("7-a-nmae-that-is-much-like-the-others-7", known) == f" Did you mean {known[7]!r}?"
    assert errors.nearest("????", known) == ""
    assert 0 < len(compared) <= 200  # a hundred names, of which difflib may compare each twice
