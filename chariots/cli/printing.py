"""In what form do commands print what they found, for people and for programs?"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

__all__ = ["counted", "json_option", "print_findings", "print_json", "print_table", "shown_size"]

_MOST_SHOWN = 20  # findings of one kind
_WIDE = 10_000  # columns

json_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON."
)


def print_json(found: Any) -> None:
    """Prints what was found as one line of JSON.

    Args:
        found: what JSON has a form for.
    """
    click.echo(json.dumps(found, ensure_ascii=False))


def print_table(columns: Sequence[str], lines: Iterable[Sequence[str | None]], numbers: Sequence[str] = ()) -> None:
    """Prints a table; for another program that reads along, every entry is one line.

    Args:
        columns: the headings.
        lines: the cells of each entry.
        numbers: the headings of the columns whose cells end below one another.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    for line in lines:
        # Names and reasons are anybody's text, and may look like markup.
        table.add_row(*(Text(" ".join((cell or "").split())) for cell in line))
    width = None if sys.stdout.isatty() else _WIDE
    Console(highlight=False, width=width).print(table)


def shown_size(size: int) -> str:
    """A number of bytes for people.

    Args:
        size: the number.
    """
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if value < 1024 or unit == "TiB":
            break
    return f"{value:.1f} {unit}"


def counted(number: int, word: str, several: str = "") -> str:
    """A number of things in words: ``1 version``, ``2 versions``.

    Args:
        number: how many.
        word: what one is called.
        several: what several are called, where that is not the word with an s.
    """
    return f"{number} {word if number == 1 else several or f'{word}s'}"


def print_findings(report: Any) -> None:
    """Tells what is not as it should be, the worst first.

    Args:
        report: a report with findings.
    """
    kinds: dict[str, list[str]] = {}
    for finding in report.findings:
        kinds.setdefault(finding.kind, []).append(finding.sentence)
    for kind in ("database", "missing", "damaged", "orphaned", "leftover", "foreign"):
        sentences = kinds.get(kind, [])
        # Losses are all named; of what only takes up room, some will do.
        most = len(sentences) if kind in ("database", "missing", "damaged") else _MOST_SHOWN
        for sentence in sentences[:most]:
            click.echo(f"{kind}: {sentence}")
        if len(sentences) > most:
            click.echo(f"{kind}: {len(sentences) - most} more")
