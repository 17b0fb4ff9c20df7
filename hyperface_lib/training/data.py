"""Training images wherever they lie: an array, a memory map, a file or folder of the field, any sequence of images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from hyperface_lib.formats import ImageSet, decode_image, open_image_set

_ROWS_AT_ONCE = 512


@runtime_checkable
class ImageRows(Protocol):
    """Images by number: all that the trainer asks of where images come from.

    `image_shape` is (h, w, 3); `in_memory` says whether reading is as cheap as copying. `rows` may be called from
    several threads.
    """

    image_shape: tuple[int, int, int]
    in_memory: bool

    def __len__(self) -> int:
        """Return the number of images."""

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images with these numbers, uint8 RGB (n, h, w, 3)."""


class ArrayRows:
    """The rows of an array or a memory map (n, h, w, 3)."""

    in_memory = True

    def __init__(self, images: NDArray[np.uint8]) -> None:
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] != 3:
            raise ValueError(f"images must be uint8 (n, h, w, 3), found {images.dtype} {images.shape}")
        self.images = images
        self.image_shape = (int(images.shape[1]), int(images.shape[2]), 3)

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return a copy of the rows."""
        return np.asarray(self.images[numbers])


class DecodedRows:
    """Images that are read one by one by `read(number)`, in threads: decoders let go of Python's lock.

    All images must have the shape of the first; ValueError names the number of one that has not.
    """

    in_memory = False

    def __init__(self, count: int, read: Callable[[int], NDArray[np.uint8]], workers: int | None = None) -> None:
        if count < 1:
            raise ValueError("training data must hold at least one image, found none")
        if workers is not None and workers < 1:
            raise ValueError(f"workers must be a positive number or None, found {workers}")
        self._count = count
        self._read = read
        self._pool = ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1), thread_name_prefix="decode")
        first = read(0)
        if first.ndim != 3 or first.shape[2] != 3 or first.dtype != np.uint8:
            raise ValueError(f"images must be uint8 (h, w, 3), found {first.dtype} {first.shape}")
        self.image_shape = (int(first.shape[0]), int(first.shape[1]), 3)

    def __len__(self) -> int:
        return self._count

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Read the images with these numbers."""
        result = np.empty((len(numbers), *self.image_shape), np.uint8)
        for place, image in enumerate(self._pool.map(self._read, (int(number) for number in numbers))):
            if image.shape != self.image_shape:
                raise ValueError(
                    f"aligned crops of one size are needed: image {int(numbers[place])} is {image.shape}, "
                    f"the first is {self.image_shape}"
                )
            result[place] = image
        return result


def as_image_rows(images: Any, workers: int | None = None) -> ImageRows:
    """Return `images` as rows by number.

    Takes an array or memory map (n, h, w, 3), anything with the methods of `ImageRows`, and any sequence whose items
    are uint8 images (h, w, 3), encoded images (bytes), or (bytes, label) pairs as readers of record files give them.
    Raises ValueError otherwise.
    """
    if isinstance(images, np.ndarray):
        return ArrayRows(images)
    if isinstance(images, ImageRows):
        return images
    if isinstance(images, Sequence) or (hasattr(images, "__getitem__") and hasattr(images, "__len__")):
        return DecodedRows(len(images), lambda number: _image_of(images[number], number), workers)
    raise ValueError(f"images must be an array (n, h, w, 3) or a sequence of images, found {type(images).__name__}")


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Images with their labels (n,), and the names of the identities 0, 1, 2, ... where they are known.

    A label of -1 says that nobody knows whose image it is.
    """

    images: ImageRows
    labels: NDArray[np.int64]
    identities: tuple[str, ...] = ()


def open_training_data(
    path: str | Path, memory_bytes: int = 2**30, workers: int | None = None, progress: bool = False
) -> TrainingData:
    """Open an image folder, MXNet's `.rec` file, LMDB, or tar shards, as `formats.open_image_set` takes them.

    Images come in the order of their labels, which are numbered anew without gaps: identity i of the result is
    `identities[i]`, the name it has in the source, or its label there in six digits. -1 stays -1. Images are decoded
    in threads; those that need at most `memory_bytes` decoded are read at once, more are read step by step from disk.
    Raises FileNotFoundError, or ValueError naming the file and what is wrong with it.
    """
    stored = open_image_set(path, progress)
    labels, identities = _numbered_anew(stored)
    rows = DecodedRows(len(stored), lambda number: decode_image(stored.encoded(number), stored.where(number)), workers)
    if len(rows) * int(np.prod(rows.image_shape)) > memory_bytes:
        return TrainingData(rows, labels, identities)
    return TrainingData(_held(rows, progress), labels, identities)


def _numbered_anew(stored: ImageSet) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    wrong = np.flatnonzero(stored.labels < -1)
    if len(wrong):
        raise ValueError(
            f"{stored.where(int(wrong[0]))}: an identity's number or -1 for unknown was expected, "
            f"found label {stored.labels[wrong[0]]}."
        )
    names = stored.identities
    known = np.unique(stored.labels[stored.labels >= 0])
    labels = np.where(stored.labels < 0, -1, np.searchsorted(known, stored.labels))
    return labels, tuple(names[int(label)] for label in known)


def _held(rows: ImageRows, progress: bool) -> ArrayRows:
    images = np.empty((len(rows), *rows.image_shape), np.uint8)
    for start in tqdm(range(0, len(rows), _ROWS_AT_ONCE), disable=not progress, desc="reading images"):
        numbers = np.arange(start, min(start + _ROWS_AT_ONCE, len(rows)))
        images[numbers] = rows.rows(numbers)
    return ArrayRows(images)


def _image_of(item: Any, number: int) -> NDArray[np.uint8]:
    """Return the image of an item: decoded, encoded, or encoded beside its label."""
    if isinstance(item, tuple) and item:
        item = item[0]
    if isinstance(item, bytes | bytearray | memoryview):
        return decode_image(bytes(item), f"image {number}")
    return np.asarray(item)
