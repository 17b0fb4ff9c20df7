"""The plain tables of an IJB folder: numbers by the million, and the line of what is wrong with one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

ROWS = 1_000_000
"""Rows parsed at a time: of IJB-C's 15 million template pairs only the converted ones stay in memory."""


class Table(NamedTuple):
    """How a file is laid out: its columns in words, the type of a row, whether a header comes first, and the comma."""

    columns: str
    row: npt.DTypeLike
    fields: int
    header: bool = False
    delimiter: str | None = None
    used: tuple[int, ...] | None = None


MEDIA = Table("`image template media`", [("name", "O"), ("ids", np.int64, (2,))], 3)
POINTS = Table("`image x1 y1 ... x5 y5 faceness`", [("name", "O"), ("values", np.float64, (11,))], 12)
PAIRS = Table("`template template 0|1`", [("ids", np.int64, (3,))], 3)
SUBJECTS = Table("`template,subject,...`", np.int64, 2, header=True, delimiter=",", used=(0, 1))


def read_table(path: Path, table: Table) -> npt.NDArray[Any]:
    """Read a whole table as one array, one entry a row; errors as for `table_blocks`."""
    return np.concatenate(list(table_blocks(path, table)))


def table_blocks(path: Path, table: Table) -> Iterator[npt.NDArray[Any]]:
    """Yield a table as arrays of up to a million rows, blank lines left out.

    Raises FileNotFoundError for a missing file and ValueError for an empty one or a malformed row, naming its line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}, a table of {table.columns}.")
    empty = True
    try:
        with path.open(encoding="utf-8-sig") as file:
            if table.header and (first := file.readline()).split(table.delimiter)[0].strip().isdecimal():
                raise ValueError(
                    f"{path} line 1: a header was expected before {table.columns}, found {first.strip()!r}."
                )
            while len(block := _block(file, table)):
                empty = False
                yield block
    except ValueError as problem:
        raise ValueError(_malformed(path, table) or str(problem)) from None
    if empty:
        raise ValueError(f"{path} was expected to hold rows {table.columns} and holds none.")


def line_of_row(path: Path, row: int, table: Table) -> int:
    """Give the line, from 1, on which a row of the arrays stands."""
    for place, (number, _) in enumerate(_lines(path, table)):
        if place == row:
            return number
    raise IndexError(f"{path} has no row {row}.")


def _block(file: Any, table: Table) -> npt.NDArray[Any]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*contained no data", category=UserWarning)
        return np.loadtxt(
            file,
            dtype=table.row,
            delimiter=table.delimiter,
            usecols=table.used,
            comments=None,
            max_rows=ROWS,
            ndmin=1 if isinstance(table.row, list) else 2,
        )


def _malformed(path: Path, table: Table) -> str | None:
    """Say in a sentence which line is not as it should be."""
    words = _numbers_read_by(table)
    try:
        for number, line in _lines(path, table):
            fields = line.split(table.delimiter)
            complete = len(fields) >= table.fields if table.used else len(fields) == table.fields
            if not complete or not words(fields):
                shown = line.strip() if len(line) < 100 else f"{line[:80].strip()}..."
                return f"{path} line {number}: {table.columns} was expected, found {shown!r}."
    except UnicodeDecodeError as problem:
        return f"{path} was expected to be UTF-8 text, found byte {problem.start} of a block undecodable."
    return None


def _numbers_read_by(table: Table) -> Callable[[list[str]], bool]:
    kind: type[int] | type[float] = float if table is POINTS else int
    first = 1 if table in (MEDIA, POINTS) else 0

    def all_are_numbers(fields: list[str]) -> bool:
        for field in fields[first : table.fields]:
            text = field.strip()
            try:
                value = kind(text)
            except ValueError:
                return False
            # python also reads 1_000 and the digits of other scripts, and integers of any length
            if "_" in text or not text.isascii() or (isinstance(value, int) and not -(2**63) <= value < 2**63):
                return False
        return True

    return all_are_numbers


def _lines(path: Path, table: Table) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip() and not (table.header and number == 1):
                yield number, line
