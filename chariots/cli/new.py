"""How does a new project come to be from the template that ships with chariots?"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

import chariots
from chariots.cli.commands import Failure
from chariots.errors import nearest

__all__ = ["new", "template_directory"]


@click.command()
@click.option(
    "-c",
    "--config-file",
    metavar="FILE.json",
    type=click.Path(exists=True, dir_okay=False),
    help="Answers to the questions, so that none is asked; questions it leaves out keep their default.",
)
@click.option(
    "-o",
    "--output-dir",
    metavar="DIR",
    type=click.Path(file_okay=False),
    default=".",
    help="Folder in which the folder of the project is made; the current one by default.",
)
@click.option("--no-input", is_flag=True, help="Take the default of every question.")
def new(config_file: str | None, output_dir: str, no_input: bool) -> None:
    """Start a new project, with a server, a command line, tests and documentation.

    With use_iris_example, it holds a small model that trains and predicts.
    """
    answers = _read_answers(Path(config_file)) if config_file else {}
    project = _generate(answers, output_dir, ask=not (no_input or config_file))
    click.echo(f"The project is in {project}. What next:\n")
    for step in _what_next(project):
        click.echo(f"    {step}")


def template_directory() -> Path:
    """The folder of the project template: inside the package when installed, beside it in a checkout."""
    package = Path(chariots.__file__).resolve().parent
    for folder in (package, package.parent):
        template = folder / "cookiecutter_template"
        if (template / "cookiecutter.json").is_file():
            return template
    raise Failure(f"a new project was asked for, and the template is missing from {package}; reinstall chariots.")


def _what_next(project: Path) -> list[str]:
    """The commands that bring a new project to life."""
    name = project.name
    has_command = (project / name / "cli.py").exists()
    trains = has_command and (project / name / "pipelines" / "train_iris.py").exists()
    return [
        f"cd {project}",
        "make install                               # installs the project, so that edits count at once",
        *([f"{name} download_and_train"] if trains else []),
        f"{name} start" if has_command else f"chariots serve {name}.app:{name}_app",
        "",
        "pip install -r requirements_dev.txt        # once, for make test, lint, coverage and docs",
        "make test",
    ]


def _questions() -> dict[str, Any]:
    """The questions of the template with their defaults, without the template's own settings."""
    text = (template_directory() / "cookiecutter.json").read_text(encoding="utf-8")
    return {name: default for name, default in json.loads(text).items() if not name.startswith("_")}


def _read_answers(path: Path) -> dict[str, str]:
    """The answers of a JSON file, every one of them checked against the questions."""
    try:
        answers = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Failure(f"{path} was to hold answers, and it is not JSON: {error}.") from error
    if not isinstance(answers, dict):
        raise Failure(f"{path} was to hold answers, and it holds a {type(answers).__name__}; write an object.")
    questions = _questions()
    for name, answer in answers.items():
        if name not in questions:
            raise Failure(
                f"{path} answers {name!r}, which is no question.{nearest(name, questions)} "
                f"The questions are {', '.join(questions)}."
            )
        if isinstance(answer, bool):
            answer = answers[name] = "y" if answer else "n"
        if not isinstance(answer, str):
            raise Failure(f"{path} answers {name!r} with {answer!r}; write text in quotes.")
        choices = questions[name]
        if isinstance(choices, list) and answer not in choices:
            raise Failure(
                f"{path} answers {name!r} with {answer!r}, which is no choice.{nearest(answer, choices)} "
                f"The choices are {', '.join(choices)}."
            )
    name = answers.get("project_name", "name")
    if not name.isidentifier():
        raise Failure(
            f"{path} names the project {name!r}, which Python cannot import; "
            "use letters, digits and underscores, and no digit first."
        )
    return answers


def _literal(answer: str) -> str:
    """An answer that cookiecutter takes as it stands, where it would see a template of its own in it."""
    return f"{{% raw %}}{answer}{{% endraw %}}" if "{" in answer else answer


@contextmanager
def _temporary_files_in(folder: str) -> Iterator[None]:
    """Makes Python put temporary files into one folder.

    The hooks of a template run as temporary scripts, and Python imports from the folder of a script first: in the
    one that everybody shares, somebody's ``re.py`` would be taken for the standard library's.
    """
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = before


def _generate(answers: dict[str, str], output_dir: str, *, ask: bool) -> Path:
    """Makes the project and returns its folder."""
    from cookiecutter.exceptions import CookiecutterException, FailedHookException, OutputDirExistsException
    from cookiecutter.main import cookiecutter

    # cookiecutter logs what it raises; it shall be told once.
    logging.getLogger("cookiecutter").addHandler(logging.NullHandler())
    logging.getLogger("cookiecutter").propagate = False
    with tempfile.TemporaryDirectory() as scratch, _temporary_files_in(scratch):
        try:
            made = cookiecutter(
                str(template_directory()),
                no_input=not ask,
                extra_context={
                    **{name: _literal(answer) for name, answer in answers.items()},
                    "_chariots_version": chariots.__version__,
                },
                output_dir=output_dir,
                # Without this, cookiecutter writes the answers into the home folder.
                default_config={"replay_dir": scratch, "cookiecutters_dir": scratch},
            )
        except OutputDirExistsException as error:
            raise Failure(
                f"a new project was asked for, and its folder exists already ({error}); "
                "choose another project_name, or another place with --output-dir."
            ) from error
        except FailedHookException as error:
            raise click.exceptions.Exit(1) from error  # the hook has said why
        except CookiecutterException as error:
            raise Failure(f"no project was made: {error}") from error
    return Path(made)
