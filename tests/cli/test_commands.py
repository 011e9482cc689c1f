"""Are commands found, explained and refused in a way that helps?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from chariots import __version__
from chariots.cli import COMMANDS, main
from chariots.cli.commands import LazyCommands, described
from chariots.errors import BackendError, RemoteTraceback
from tests.cli.programs import chariots, environment


def typed(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@click.command()
def failing() -> None:
    """A command that fails as an op does that failed on a server."""
    raise BackendError("op 'forest' failed") from RemoteTraceback("Traceback (far away):\n  ...\nZeroDivisionError")


@click.command()
def broken() -> None:
    """A command with a mistake in it."""
    raise KeyError("lost")


failures = LazyCommands(homes={"failing": f"{__name__}:failing", "broken": f"{__name__}:broken"})


def test_help_lists_every_command_in_the_order_of_need() -> None:
    shown = typed("--help")
    lines = shown.output.split("Commands:")[1].splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]
    assert listed == list(COMMANDS)
    assert listed[:3] == ["new", "demo", "serve"]


@pytest.mark.parametrize("group", [(), ("op-store",)])
def test_help_breaks_off_in_no_sentence(group: tuple[str, ...]) -> None:
    shown = typed(*group, "--help").output
    assert "Commands:" in shown
    assert "..." not in shown.split("Commands:")[1]


@pytest.mark.parametrize("command", [*COMMANDS, "op-store serve", "op-store upgrade"])
def test_every_command_explains_itself(command: str) -> None:
    shown = typed(*command.split(), "--help")
    assert shown.exit_code == 0
    assert "Usage:" in shown.output


def test_the_version_is_told() -> None:
    assert typed("--version").output.strip() == f"chariots, version {__version__}"


def test_an_unknown_command_is_a_usage_error_that_names_the_nearest() -> None:
    shown = typed("srve")
    assert shown.exit_code == 2
    assert "there is no command 'srve'. Did you mean 'serve'?" in shown.output


def test_python_m_chariots_is_the_same_program(tmp_path: Path) -> None:
    shown = chariots(tmp_path, "--version")
    assert shown.stdout.strip() == f"chariots, version {__version__}"


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from chariots.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print('LOADED', *sorted({'flask','sqlalchemy','sklearn','numpy','pandas','cookiecutter'} & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip().splitlines()[-1] == "LOADED"


def test_a_failure_is_one_line_on_stderr_and_the_exit_code_is_1() -> None:
    shown = CliRunner().invoke(failures, ["broken"])
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert shown.stderr == "Error: KeyError: 'lost'; run again with --debug for the whole stack\n"


def test_debug_shows_the_whole_stack() -> None:
    shown = CliRunner().invoke(failures, ["broken", "--debug"])
    assert isinstance(shown.exception, KeyError)


def test_the_failure_of_an_op_shows_the_stack_of_the_server() -> None:
    shown = CliRunner().invoke(failures, ["failing"])
    assert shown.exit_code == 1
    assert shown.stderr == (
        "Error: op 'forest' failed\n\nThe stack on the server:\nTraceback (far away):\n  ...\nZeroDivisionError\n"
    )


def test_a_failure_without_words_is_told_by_its_kind() -> None:
    assert described(ValueError()) == "ValueError; run again with --debug for the whole stack"
