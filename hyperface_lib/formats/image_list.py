"""The list beside a set of numbered images (`train.tsv`): a line `number<TAB>identity/file<TAB>label` an image.

CVLface reads and writes it beside a `.rec`; here it also keeps the names that neither a `.rec` nor a shard can hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from hyperface_lib.atomic import atomic_path
from hyperface_lib.formats.files import read_text


@dataclass(frozen=True, eq=False)
class ImageList:
    """Numbers (n,), paths "identity/file" and labels (n,) of images, in the order of the list."""

    numbers: npt.NDArray[np.int64]
    paths: tuple[str, ...]
    labels: npt.NDArray[np.int64]

    @property
    def identities(self) -> dict[int, str]:
        """The name of each label: the first folder of its first path."""
        names: dict[int, str] = {}
        for label, path in zip(self.labels.tolist(), self.paths, strict=True):
            if label not in names:
                names[label] = path.partition("/")[0]
        return names


def read_image_list(path: str | Path) -> ImageList:
    """Read an image list. Raises FileNotFoundError, or ValueError naming the line."""
    lines = read_text(path, "an image list").split("\n")
    numbers, paths, labels = [], [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fields = line.rstrip("\r").split("\t")
        if len(fields) != 3 or not _whole(fields[0]) or not _whole(fields[2]) or not _inside(fields[1]):
            raise ValueError(
                f"{path} line {number}: `number<TAB>identity/file<TAB>label` was expected, found {line[:80]!r}."
            )
        numbers.append(int(fields[0]))
        paths.append(fields[1])
        labels.append(int(fields[2]))
    if not numbers:
        raise ValueError(f"{path}: an image list was expected, found no line.")
    return ImageList(np.asarray(numbers, np.int64), tuple(paths), np.asarray(labels, np.int64))


def write_image_list(path: str | Path, rows: Iterable[tuple[int, str, int]]) -> None:
    """Write rows (number, "identity/file", label), whole or not at all. Raises ValueError for a name with a tab."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for number, name, label in rows:
            if not _inside(name) or any(character in name for character in "\t\n\r"):
                raise ValueError(f"{path}: a name identity/file without tab or line end was expected, found {name!r}.")
            file.write(f"{number}\t{name}\t{label}\n")


def _whole(text: str) -> bool:
    digits = text[1:] if text.startswith("-") else text
    return digits.isdecimal() and digits.isascii() and len(digits) < 19


def _inside(name: str) -> bool:
    """Say whether a path stays in its folder wherever it is unpacked: lists come with files of others."""
    path = PurePosixPath(name)
    plain = not any(character in name for character in "\\\0:") and not path.is_absolute()
    return plain and len(path.parts) >= 2 and ".." not in path.parts
