"""What is a pipeline given that is called from a terminal?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

__all__ = ["read_input"]


def read_input(given: str | None) -> Any:
    """Reads the input of a pipeline as it is typed.

    Args:
        given: JSON, the name of a JSON file after an @, or - for standard input; None for no input.

    Returns:
        what the JSON holds.

    Raises:
        click.UsageError: if it is not JSON, or cannot be read.
    """
    if given is None:
        return None
    where = "the input"
    if given == "-":
        text, where = sys.stdin.read(), "standard input"
    elif given.startswith("@"):
        where = given[1:]
        try:
            text = Path(where).read_text(encoding="utf-8")
        except OSError as error:
            raise click.UsageError(
                f"the input was to come from {where}, and it cannot be read: {error.strerror}."
            ) from error
    else:
        text = given
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(
            f"{where} is not JSON ({error}); numbers look like '[[5.1, 3.5, 1.4, 0.2]]' and text like '\"word\"'."
        ) from error
