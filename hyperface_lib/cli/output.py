"""What every command shares: its table on the terminal, and the same as JSON where `--json` asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hyperface_lib.atomic import write_json

JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="also write the table to FILE as JSON")]
Seed = Annotated[int, typer.Option(help="the same seed gives the same result")]
Device = Annotated[str, typer.Option(help='"auto", "cpu", "cuda", "mps"')]

RENDERED_NOTE = (
    "Rendered faces: gallery, training and benchmark come from one renderer; these numbers say nothing of photographs."
)


def console() -> Console:
    """Return the terminal, made anew so that redirected output goes where it should."""
    return Console(highlight=False, soft_wrap=True)


def show(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of plain values as a table; numbers to the right, fractions with four digits."""
    if not rows:
        return
    table = Table(title=title, title_justify="left")
    for name in rows[0]:
        numeric = all(isinstance(row.get(name), (int, float)) or row.get(name) is None for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(row.get(name)) for name in rows[0]))
    console().print(table)


def show_one(title: str, values: Mapping[str, Any]) -> None:
    """Print one record, a line a value."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("name")
    table.add_column("value", overflow="fold")
    for name, value in values.items():
        table.add_row(name.replace("_", " "), _text(value))
    console().print(table)


def save(json_file: Path | None, value: Any) -> None:
    """Write the JSON that was asked for, if any."""
    if json_file is not None:
        write_json(json_file, value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1000 else f"{value:.1f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(one) for one in value)
    return str(value)
