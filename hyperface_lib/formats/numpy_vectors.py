"""Vectors in `.npy` files, as Vec2Face ships and takes them: rows without names, whose length is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hyperface_lib.atomic import atomic_path
from hyperface_lib.formats.files import require_file

UNIT_TOLERANCE = 2e-3
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, eq=False)
class NumpyVectors:
    """Vectors (n, d) float32 of a file. norm: "unit" if every row has length 1, else "raw", un-normalised features.

    The file does not say which embedder made them: whoever turns them into identity vectors has to.
    """

    path: Path
    vectors: npt.NDArray[np.float32]
    norm: Literal["unit", "raw"]

    def __len__(self) -> int:
        return len(self.vectors)


def read_numpy_vectors(path: str | Path) -> NumpyVectors:
    """Read vectors (n, d); nothing pickled is loaded.

    Raises FileNotFoundError, or ValueError naming the file: no array of numbers, another shape, NaN, a zero row.
    """
    path = Path(path)
    array = open_numpy_array(path)
    if array.ndim != 2 or array.dtype.kind != "f" or not array.size:
        raise ValueError(f"{path}: vectors (n, d) of floating-point numbers were expected, found {describe(array)}.")
    with np.errstate(all="ignore"):  # what float32 cannot hold becomes infinity, and is named below
        vectors = np.array(array, dtype=np.float32)
    lengths = row_lengths(vectors)
    wrong = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if len(wrong):
        found = "a vector of zeros" if lengths[wrong[0]] == 0 else "NaN or infinity"
        raise ValueError(f"{path} row {wrong[0]}: a vector with a direction was expected, found {found}.")
    return NumpyVectors(path, vectors, norm_of(lengths))


def write_numpy_vectors(path: str | Path, vectors: npt.NDArray[np.floating]) -> None:
    """Write vectors (n, d) as float32, whole or not at all, as `numpy.load` reads them anywhere."""
    with atomic_path(path) as temporary:
        np.save(temporary, np.asarray(vectors, np.float32), allow_pickle=False)


def open_numpy_array(path: Path) -> npt.NDArray[np.generic]:
    """Map an array of plain numbers. Raises FileNotFoundError, or ValueError naming the file and the reason."""
    require_file(path, "an array file")
    try:
        wanted, found = _lengths(path)
        array = np.load(path, mmap_mode="r", allow_pickle=False) if found >= wanted else None
    # The header is a Python literal: on hostile bytes its parsers raise almost anything.
    except Exception as problem:
        reason = " ".join(str(problem).split()).rstrip(".")
        raise ValueError(f"{path}: an array of plain numbers was expected, found: {reason}.") from problem
    if array is None:
        raise ValueError(f"{path}: {wanted} bytes of numbers were expected, found {found}.")
    return array


def _lengths(path: Path) -> tuple[int, int]:
    """Return how many bytes the header promises and how many there are."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"format {version[0]}.{version[1]} of numpy, which no plain numbers need")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if min(shape, default=0) < 0:
            raise ValueError(f"shape {shape}")
        return math.prod(shape) * dtype.itemsize, path.stat().st_size - file.tell()


def describe(array: npt.NDArray[np.generic]) -> str:
    """Name an array's type and shape."""
    return f"{array.dtype} {array.shape}"


def row_lengths(array: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the Euclidean length of every row, (n,), block by block: the array may be larger than the memory."""
    blocks = (array[start : start + _ROWS_AT_ONCE] for start in range(0, len(array), _ROWS_AT_ONCE))
    with np.errstate(all="ignore"):  # signalling NaN in files of others
        return np.concatenate([np.linalg.norm(np.asarray(block, np.float64), axis=1) for block in blocks])


def norm_of(lengths: npt.NDArray[np.float64]) -> Literal["unit", "raw"]:
    """Say which convention rows of these lengths follow."""
    return "unit" if np.abs(lengths - 1).max() <= UNIT_TOLERANCE else "raw"
