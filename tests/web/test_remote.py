"""What does a failure look like from another process?"""

from __future__ import annotations

import json
import sys
import textwrap
import traceback
from typing import Any

import pytest

from chariots.schema import dumps, loads
from chariots.web import remote_stack, render_stack


def caught(function: Any) -> BaseException:
    """The exception a function raises, with its traceback."""
    with pytest.raises(Exception) as info:  # whatever it is
        function()
    return info.value


def test_class_message_and_frames_are_told() -> None:
    def fail() -> None:
        json.loads("{")

    stack = remote_stack(caught(fail))
    assert (stack["class"], stack["module"]) == ("JSONDecodeError", "json.decoder")
    assert stack["message"].startswith("Expecting property name")
    functions = [frame["function"] for frame in stack["frames"]]
    assert functions[:3] == ["caught", "fail", "loads"]
    assert stack["frames"][1]["file"] == __file__
    assert stack["frames"][1]["code"] == 'json.loads("{")'
    assert stack["frames"][1]["line"] == fail.__code__.co_firstlineno + 1


def test_the_chain_of_causes_is_followed() -> None:
    def fail() -> None:
        try:
            try:
                raise KeyError("first")
            except KeyError:
                raise ValueError("second")  # noqa: B904  # the context is what is tested
        except ValueError as error:
            raise RuntimeError("third") from error

    stack = remote_stack(caught(fail))
    assert (stack["message"], stack["relation"]) == ("third", "cause")
    assert (stack["cause"]["message"], stack["cause"]["relation"]) == ("second", "context")
    assert (stack["cause"]["cause"]["message"], stack["cause"]["cause"]["cause"]) == ("'first'", None)


def test_a_suppressed_context_stays_away() -> None:
    def fail() -> None:
        try:
            raise KeyError("secret")
        except KeyError:
            raise ValueError("plain") from None

    assert remote_stack(caught(fail))["cause"] is None


def test_chains_that_form_a_ring_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert remote_stack(first)["cause"]["cause"] is None


def test_long_chains_are_cut() -> None:
    error = ValueError("innermost")
    for number in range(1000):
        outer = ValueError(str(number))
        outer.__cause__, error = error, outer
    depth, stack = 0, remote_stack(error)
    while stack is not None:
        depth, stack = depth + 1, stack["cause"]
    assert depth == 10


def test_notes_are_told() -> None:
    error = ValueError("x")
    error.add_note("in node 'a'")
    assert remote_stack(error)["notes"] == ["in node 'a'"]
    error.__notes__ = "not a list"  # type: ignore[assignment]  # wrong on purpose
    assert remote_stack(error)["notes"] == []


def test_many_notes_and_long_messages_are_cut() -> None:
    error = ValueError("m" * 1_000_000)
    for _ in range(1000):
        error.add_note("n" * 100_000)
    stack = remote_stack(error)
    assert len(stack["notes"]) == 20
    assert stack["message"].endswith("... (992,000 more characters)")
    assert len(dumps(stack)) < 200_000


def test_deep_recursion_keeps_its_beginning_and_its_end() -> None:
    def recurse(levels: int) -> None:
        if levels:
            recurse(levels - 1)
        raise ValueError("deep")

    stack = remote_stack(caught(lambda: recurse(200)))
    assert len(stack["frames"]) == 50
    assert stack["omitted_frames"] == 153
    assert stack["frames"][0]["function"] == "caught"


def test_what_cannot_be_printed_is_told_all_the_same() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert remote_stack(MuteError())["message"] == "<MuteError that cannot be printed>"
    assert remote_stack(ValueError("\ud800"))["message"] == "\\ud800"


def test_a_stack_always_has_a_form_in_json() -> None:
    scope: dict[str, Any] = {}
    exec(compile("def f\u00e9():\n    raise ValueError('\\ud800')", "<\udc80>", "exec"), scope)
    stack = remote_stack(caught(scope["f\u00e9"]))
    assert loads(dumps(stack)) == stack


def test_frames_of_the_machinery_are_left_out_except_the_last() -> None:
    scope: dict[str, Any] = {"__name__": "flask.app"}
    exec("def call(inner):\n    inner()\n\ndef fail():\n    raise ValueError('flask itself')", scope)

    def user() -> None:
        raise ValueError("user code")

    frames = remote_stack(caught(lambda: scope["call"](user)))["frames"]
    assert [frame["function"] for frame in frames] == ["caught", "<lambda>", "user"]
    frames = remote_stack(caught(lambda: scope["call"](scope["fail"])))["frames"]
    assert [frame["function"] for frame in frames] == ["caught", "<lambda>", "fail"]


def test_the_text_reads_like_a_traceback_of_python() -> None:
    def fail() -> None:
        try:
            raise KeyError("first")
        except KeyError as error:
            wrapped = RuntimeError("second")
            wrapped.add_note("a note")
            raise wrapped from error

    error = caught(fail)
    printed = "".join(traceback.format_exception(error))
    without_markers = "\n".join(line for line in printed.splitlines() if set(line.strip()) - set("^~") or not line)
    assert render_stack(remote_stack(error)) == without_markers


@pytest.mark.parametrize(
    "stack", [{}, [], None, "text", {"frames": 3, "notes": "x"}, {"frames": [1, {}], "cause": [1]}]
)
def test_damaged_stacks_are_rendered_as_far_as_they_go(stack: Any) -> None:
    assert isinstance(render_stack(stack), str)


def test_user_code_of_a_script_has_a_plain_class_name() -> None:
    assert render_stack({"class": "MyError", "module": "__main__", "message": "x"}) == "MyError: x"
    assert render_stack({"class": "MyError", "module": "mine.errors", "message": ""}) == "mine.errors.MyError"


def test_lines_are_shown_for_code_that_still_exists(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "user_module_of_this_test.py"
    module.write_text(
        textwrap.dedent("""
        def op(x):
            return 1 / x
    """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    import user_module_of_this_test as user  # type: ignore[import-not-found]  # written above

    assert remote_stack(caught(lambda: user.op(0)))["frames"][-1]["code"] == "return 1 / x"
    del sys.modules["user_module_of_this_test"]
