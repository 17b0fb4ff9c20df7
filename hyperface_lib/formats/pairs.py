"""Pair lists: LFW's pairs.txt (View 1 and View 2) and the two label dialects of the field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from hyperface_lib.formats.files import read_text
from hyperface_lib.formats.images import ImageFiles
from hyperface_lib.formats.pair_set import PairSet, contiguous_folds

_LFW_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class PairList:
    """The pairs a list names: image paths relative to the image folder (LFW's end in .jpg), labels, folds."""

    dialect: str
    pairs: tuple[tuple[str, str], ...]
    is_same: tuple[bool, ...]
    folds: npt.NDArray[np.int64] | None


def read_pairs(path: str | Path, images: str | Path | None = None, aligned: bool = False) -> PairSet:
    """Read a pair list and point it at its images, which are read when asked for.

    Dialects, told apart by their first line: LFW View 2 (`folds<TAB>n`, then for every fold n lines `name i j` and n
    lines `name i other j`), LFW View 1 (`n`, then n and n lines), InsightFace (`path path 0|1`) and opensphere
    (`0|1 path path`). A View 2 list brings its folds; the label dialects are cut into ten contiguous folds, as their
    own code does; View 1 has none of its own, so its matched and its mismatched pairs are each cut into ten.

    path: the list, or a folder that holds a `pairs.txt`. images: the folder that holds the images; without it the
    folder `images` beside the list, or else the list's own. An LFW image is <images>/<name>/<name>_<0001>.jpg (or
    .jpeg, .png). aligned: whether the images are crops ready for an embedder. Raises FileNotFoundError for a missing
    list or image and ValueError for a malformed line, naming the line.
    """
    path = Path(path)
    path = path / "pairs.txt" if path.is_dir() else path
    listed = parse_pairs(path)
    folder = Path(images) if images is not None else path.parent / "images"
    if images is None and not folder.is_dir():
        folder = path.parent
    names = sorted({name for pair in listed.pairs for name in pair})
    number = {name: index for index, name in enumerate(names)}
    files = [_image_file(folder, name, listed.dialect) for name in names]
    missing = [name for name, file in zip(names, files, strict=True) if file is None]
    if missing:
        raise FileNotFoundError(
            f"{path}: {len(names)} images were expected under {folder}, found {len(names) - len(missing)}: "
            f"{len(missing)} are not there, the first {missing[0]}."
        )
    return PairSet(
        name=path.parent.resolve().name if path.name == "pairs.txt" else path.stem,
        images=ImageFiles(file for file in files if file is not None),
        first=np.asarray([number[first] for first, _ in listed.pairs], dtype=np.int64),
        second=np.asarray([number[second] for _, second in listed.pairs], dtype=np.int64),
        is_same=np.asarray(listed.is_same, dtype=bool),
        folds=listed.folds,
        aligned=aligned,
        provenance={"pairs": str(path), "dialect": listed.dialect},
    )


def parse_pairs(path: str | Path) -> PairList:
    """Read a pair list alone, without looking for its images; errors as `read_pairs`."""
    path = Path(path)
    text = read_text(path, "a pair list", "utf-8-sig")
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise ValueError(f"{path}: a pair list was expected, found no line.")
    header = _split(lines[0][1])
    if len(header) <= 2 and all(field.isdecimal() and field.isascii() and len(field) < 10 for field in header):
        return _parse_lfw(path, [int(field) for field in header], lines[1:])
    return _parse_labelled(path, lines)


def _split(line: str) -> list[str]:
    return [field.strip() for field in line.split("\t")] if "\t" in line else line.split()


def _parse_lfw(path: Path, header: list[int], lines: list[tuple[int, str]]) -> PairList:
    folds, per_fold = header if len(header) == 2 else (1, header[0])
    expected = 2 * folds * per_fold
    if not expected:
        raise ValueError(f"{path} line 1: positive counts of folds and pairs were expected, found {header}.")
    if len(lines) != expected:
        raise ValueError(f"{path}: {expected} pairs were expected by line 1, found {len(lines)}.")
    pairs: list[tuple[str, str]] = []
    for index, (number, line) in enumerate(lines):
        fields = _split(line)
        matched = index // per_fold % 2 == 0
        form = "`name number number`" if matched else "`name number name number`"
        if len(fields) != (3 if matched else 4):
            raise ValueError(f"{path} line {number}: {form} was expected, found {_quote(line)}.")
        name, i, other, j = (fields[0], fields[1], fields[0], fields[2]) if matched else fields
        pairs.append((_lfw_name(path, number, line, form, name, i), _lfw_name(path, number, line, form, other, j)))
    is_same = tuple(index // per_fold % 2 == 0 for index in range(expected))
    if len(header) == 2:
        fold_of = np.repeat(np.arange(folds, dtype=np.int64), 2 * per_fold)
        return PairList("lfw view 2", tuple(pairs), is_same, fold_of)
    # matched first, mismatched after: contiguous folds over the whole list would each hold one kind only
    fold_of = np.tile(contiguous_folds(per_fold, min(10, per_fold)), 2)
    return PairList("lfw view 1", tuple(pairs), is_same, fold_of)


def _lfw_name(path: Path, number: int, line: str, form: str, name: str, image: str) -> str:
    if not (image.isdecimal() and image.isascii() and len(image) <= 9 and int(image) > 0):
        raise ValueError(f"{path} line {number}: {form} was expected, found {_quote(line)}.")
    return _inside(path, number, f"{name}/{name}_{int(image):04d}.jpg")


def _parse_labelled(path: Path, lines: list[tuple[int, str]]) -> PairList:
    fields = [_split(line) for _, line in lines]
    dialects: dict[str, Callable[[list[str]], tuple[str, str, str]]] = {
        "insightface labels": lambda row: (row[2], row[0], row[1]),
        "opensphere labels": lambda row: (row[0], row[1], row[2]),
    }

    def wrong_line(name: str) -> int | None:
        read = dialects[name]
        return next((k for k, row in enumerate(fields) if len(row) != 3 or read(row)[0] not in ("0", "1")), None)

    wrong = {name: wrong_line(name) for name in dialects}
    fitting = [name for name in dialects if wrong[name] is None]
    if len(fitting) == 2:
        raise ValueError(
            f"{path}: labels 0 and 1 were expected in the first or in the third column, found them in both: ambiguous."
        )
    if not fitting:
        number, line = lines[max(k for k in wrong.values() if k is not None)]
        raise ValueError(
            f"{path} line {number}: `path path 0|1`, `0|1 path path` or an LFW header was expected, "
            f"found {_quote(line)}."
        )
    rows = [dialects[fitting[0]](row) for row in fields]
    pairs = tuple(
        (_inside(path, number, first), _inside(path, number, second))
        for (number, _), (_, first, second) in zip(lines, rows, strict=True)
    )
    return PairList(fitting[0], pairs, tuple(label == "1" for label, _, _ in rows), None)


def _inside(path: Path, number: int, name: str) -> str:
    relative = PurePosixPath(name.replace("\\", "/"))
    if relative.is_absolute() or ".." in relative.parts or ":" in name or "\0" in name:
        raise ValueError(f"{path} line {number}: an image inside the image folder was expected, found {_quote(name)}.")
    return relative.as_posix()


def _quote(line: str) -> str:
    return repr(line if len(line) <= 80 else line[:77] + "...")


def _image_file(folder: Path, name: str, dialect: str) -> Path | None:
    file = folder / name
    choices = [file.with_suffix(suffix) for suffix in _LFW_SUFFIXES] if dialect.startswith("lfw") else [file]
    return next((choice for choice in choices if choice.is_file()), None)
