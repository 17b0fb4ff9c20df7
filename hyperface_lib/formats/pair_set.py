"""A verification benchmark in memory: images, pairs of them, and which pairs show one person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Images = Sequence[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8]


def contiguous_folds(pairs: int, folds: int = 10) -> npt.NDArray[np.int64]:
    """Number the folds of `pairs` pairs taken in order: (pairs,) int64 in 0..folds-1.

    Sizes differ by at most one, the larger ones first, which is what scikit-learn's `KFold(folds, shuffle=False)` and
    so the evaluation code of InsightFace do. Raises ValueError for fewer pairs than folds or fewer than one fold.
    """
    if folds < 1 or pairs < folds:
        raise ValueError(f"{pairs} pairs cannot be cut into {folds} folds: every fold needs at least one pair.")
    sizes = np.full(folds, pairs // folds, dtype=np.int64)
    sizes[: pairs % folds] += 1
    return np.repeat(np.arange(folds, dtype=np.int64), sizes)


@dataclass(frozen=True, eq=False)
class PairSet:
    """Hold the pairs of one verification benchmark.

    images: uint8 RGB (H, W, 3) each, as one array (n, H, W, 3) or as a lazy sequence (every image is read when asked
    for). first, second: (p,) int64, the two images of every pair. is_same: (p,) bool.
    folds: (p,) int64, the fold of every pair; None cuts the pairs in order into ten (or into p, below ten pairs).
    aligned: True for crops ready for an embedder, False for whole photographs in which a face has yet to be found.
    provenance: where the set comes from, for the manifest.

    Arrays are converted on construction, and `folds` is always an array afterwards. Raises ValueError with one sentence
    when lengths, indices or shapes do not fit together.
    """

    name: str
    images: Images
    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    is_same: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int64] | None = None
    aligned: bool = True
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.images)
        first = _image_numbers(self.name, "first", self.first, count)
        second = _image_numbers(self.name, "second", self.second, count)
        is_same = _truth(self.name, self.is_same)
        for label, array in (("second", second), ("is_same", is_same)):
            if len(array) != len(first):
                raise ValueError(
                    f"Pair set {self.name!r}: `{label}` must have one entry a pair like `first` ({len(first)}), "
                    f"found {len(array)}."
                )
        if isinstance(self.images, np.ndarray) and (
            self.images.ndim != 4 or self.images.shape[3] != 3 or self.images.dtype != np.uint8
        ):
            raise ValueError(
                f"Pair set {self.name!r}: images must be uint8 RGB of shape (n, H, W, 3), "
                f"found {self.images.dtype} {self.images.shape}."
            )
        if self.folds is None:
            folds = contiguous_folds(len(first), min(10, len(first))) if len(first) else np.zeros(0, dtype=np.int64)
        else:
            folds = _whole_numbers(self.name, "folds", self.folds)
            if len(folds) != len(first):
                raise ValueError(
                    f"Pair set {self.name!r}: `folds` must have one entry a pair like `first` ({len(first)}), "
                    f"found {len(folds)}."
                )
        for label, value in (("first", first), ("second", second), ("is_same", is_same), ("folds", folds)):
            object.__setattr__(self, label, value)

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, pair: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], bool]:
        if not -len(self) <= pair < len(self):
            raise IndexError(f"Pair set {self.name!r} has {len(self)} pairs, asked for pair {pair}.")
        return self.images[int(self.first[pair])], self.images[int(self.second[pair])], bool(self.is_same[pair])

    def __iter__(self) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], bool]]:
        return (self[pair] for pair in range(len(self)))

    def __repr__(self) -> str:
        kind = "aligned crops" if self.aligned else "photographs"
        return (
            f"PairSet({self.name!r}: {len(self)} pairs, {int(self.is_same.sum())} same, of {len(self.images)} {kind})"
        )


def _whole_numbers(name: str, label: str, values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise ValueError(
            f"Pair set {name!r}: `{label}` must be whole numbers of shape (p,), found {array.dtype} {array.shape}."
        )
    return array.astype(np.int64)


def _image_numbers(name: str, label: str, values: npt.ArrayLike, images: int) -> npt.NDArray[np.int64]:
    array = _whole_numbers(name, label, values)
    if array.size and (array.min() < 0 or array.max() >= images):
        wrong = int(array.min() if array.min() < 0 else array.max())
        raise ValueError(f"Pair set {name!r}: `{label}` must point into its {images} images, found image {wrong}.")
    return array


def _truth(name: str, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and not np.isin(array, (0, 1)).all()):
        raise ValueError(
            f"Pair set {name!r}: `is_same` must be true or false for every pair, found {array.dtype} {array.shape}."
        )
    return array.astype(bool)
