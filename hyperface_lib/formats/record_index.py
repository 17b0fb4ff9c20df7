"""The `.idx` beside a `.rec`: a line `key<TAB>offset` a record, in text."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hyperface_lib.formats.files import require_file

_DIGITS = b"0123456789"
_LINES_AT_ONCE = 1 << 16


def read_record_index(path: str | Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Read an index: keys (n,) in rising order and the offset of each (n,), both int64.

    Lines may stand in any order, as parallel writers leave them. Raises FileNotFoundError, or ValueError naming the
    line that is no `key<TAB>offset` or whose key was there before.
    """
    path = require_file(path, "a record index")
    text = path.read_bytes().replace(b"\r\n", b"\n")
    text += b"" if text.endswith(b"\n") or not text else b"\n"
    lines = text.count(b"\n")
    if not lines:
        raise ValueError(f"{path}: records were expected as `key<TAB>offset`, found an empty file.")
    numbers = np.zeros(0, np.int64)
    # What is left without its digits shows whether the whole text has the one shape that can be read at once.
    if text.translate(None, _DIGITS) == b"\t\n" * lines:
        numbers = np.fromstring(text.decode("ascii"), dtype=np.int64, sep=" ")
    if len(numbers) != 2 * lines:
        raise ValueError(_wrong_line(path, text))
    keys, offsets = numbers[::2], numbers[1::2]
    if len(keys) > 1 and not (np.diff(keys) > 0).all():
        order = np.argsort(keys, kind="stable")
        keys, offsets = keys[order], offsets[order]
        again = np.flatnonzero(np.diff(keys) == 0)
        if len(again):
            raise ValueError(
                f"{path} line {order[again[0] + 1] + 1}: a key of its own was expected, "
                f"found {keys[again[0]]} a second time."
            )
    return np.ascontiguousarray(keys), np.ascontiguousarray(offsets)


def write_record_index(path: str | Path, offsets: Iterable[int]) -> None:
    """Write the index of records whose keys are 0, 1, 2, ..."""
    lines = (f"{key}\t{offset}\n" for key, offset in enumerate(offsets))
    with Path(path).open("w", encoding="ascii", newline="\n") as file:
        while block := "".join(islice(lines, _LINES_AT_ONCE)):
            file.write(block)


def check_offsets(index: Path, offsets: npt.NDArray[np.int64], size: int) -> None:
    """Raise ValueError for an offset at which no record of a file of `size` bytes can begin."""
    wrong = np.flatnonzero((offsets % 4 != 0) | (offsets >= size))
    if len(wrong):
        offset = int(offsets[wrong[0]])
        raise ValueError(
            f"{index}: offsets into {index.with_suffix('.rec').name} of {size} bytes were expected, found offset "
            f"{offset}: the file is cut, or the index is another file's."
        )


def _wrong_line(path: Path, text: bytes) -> str:
    for number, line in enumerate(text.split(b"\n"), 1):
        fields = line.split(b"\t")
        if len(fields) != 2 or not all(field.isdigit() and len(field) < 19 for field in fields):
            shown = repr(line[:60].decode("utf-8", "replace"))
            return f"{path} line {number}: `key<TAB>offset` was expected, found {shown}."
    return f"{path}: lines `key<TAB>offset` were expected, found something else."
