"""InsightFace's verification sets (`lfw.bin`, `cfp_fp.bin`, ...) without the danger of a pickle and without mxnet."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from hyperface_lib.atomic import atomic_path
from hyperface_lib.formats.files import require_file
from hyperface_lib.formats.images import decode_image
from hyperface_lib.formats.pair_set import PairSet
from hyperface_lib.formats.plain_pickle import PlainPickleError, load_plain

CROP_SIZE = 112


class EncodedImages(Sequence[npt.NDArray[np.uint8]]):
    """A lazy sequence of encoded images (JPEG or PNG bytes), decoded when asked for, `size` pixels wide if given."""

    def __init__(self, encoded: Sequence[bytes], name: str = "images", size: int | None = None) -> None:
        self.encoded = tuple(encoded)
        self.name = name
        self.size = size

    def __len__(self) -> int:
        return len(self.encoded)

    @overload
    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> EncodedImages: ...
    def __getitem__(self, index: int | slice) -> npt.NDArray[np.uint8] | EncodedImages:
        if isinstance(index, slice):
            return EncodedImages(self.encoded[index], self.name, self.size)
        image = decode_image(self.encoded[index], f"{self.name}, image {index}")
        if self.size is None or image.shape[:2] == (self.size, self.size):
            return image
        return np.asarray(Image.fromarray(image).resize((self.size, self.size), Image.Resampling.BILINEAR))


def read_verification_bin(path: str | Path, size: int | None = CROP_SIZE) -> PairSet:
    """Read a verification set: pair i is images 2i and 2i + 1, in ten contiguous folds.

    Images are decoded to uint8 RGB when asked for, and brought to `size` x `size` pixels unless it is None. The pickle
    inside may hold lists, bytes, truth values and numpy arrays; anything else is refused before it can run. Raises
    FileNotFoundError, or ValueError naming the file and what was found in it.
    """
    path = require_file(path, "a verification set")
    try:
        loaded = load_plain(path.read_bytes())
    except PlainPickleError as error:
        raise ValueError(f"{path}: a verification set (images and labels) was expected, found {error}.") from error
    if not isinstance(loaded, tuple | list) or len(loaded) != 2:
        raise ValueError(f"{path}: a list of images and one of labels were expected, found {_kind(loaded)}.")
    bins, labels = loaded
    if not isinstance(bins, list | tuple) or not isinstance(labels, list | tuple | np.ndarray):
        raise ValueError(f"{path}: two lists were expected, found {_kind(bins)} and {_kind(labels)}.")
    if np.ndim(labels) != 1:
        raise ValueError(f"{path}: one label a pair was expected, found an array {np.shape(labels)}.")
    if len(bins) != 2 * len(labels):
        raise ValueError(
            f"{path}: two images a label were expected, found {len(bins)} images and {len(labels)} labels."
        )
    encoded = [_bytes(path, index, item) for index, item in enumerate(bins)]
    for pair, label in enumerate(labels):
        if not isinstance(label, bool | np.bool_ | int | np.integer) or label not in (0, 1):
            found = str(label)[:20] if isinstance(label, int | float | np.number) else _kind(label)
            raise ValueError(f"{path}, pair {pair}: a true or false label was expected, found {found}.")
    numbers = np.arange(2 * len(labels), dtype=np.int64).reshape(-1, 2)
    return PairSet(
        name=path.stem,
        images=EncodedImages(encoded, str(path), size),
        first=numbers[:, 0],
        second=numbers[:, 1],
        is_same=np.asarray([bool(label) for label in labels], dtype=bool),
        provenance={"file": str(path), "format": "insightface verification"},
    )


def write_verification_bin(path: str | Path, pairs: PairSet, quality: int = 95) -> None:
    """Write a pair set as InsightFace's tools read it; images as JPEG of the given quality, 0 for lossless PNG.

    Images that are already encoded are written as they are. The format has no folds and no file names: they are lost,
    and an image that is in several pairs is written several times.
    """
    images = pairs.images
    rows = np.stack([pairs.first, pairs.second], axis=1).ravel()
    encoded = (
        [images.encoded[int(row)] for row in rows]
        if isinstance(images, EncodedImages)
        else [_encode(images[int(row)], quality) for row in rows]
    )
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        pickle.dump((encoded, [bool(same) for same in pairs.is_same]), file, protocol=4)


def _bytes(path: Path, index: int, item: Any) -> bytes:
    if isinstance(item, bytes | bytearray):
        return bytes(item)
    if isinstance(item, np.ndarray) and item.dtype == np.uint8:
        return item.tobytes()
    raise ValueError(f"{path}, image {index}: encoded bytes were expected, found {_kind(item)}.")


def _kind(value: Any) -> str:
    length = f" of {len(value)}" if isinstance(value, list | tuple | dict) else ""
    return f"{type(value).__name__}{length}"


def _encode(image: npt.NDArray[np.uint8], quality: int) -> bytes:
    stream = io.BytesIO()
    if quality:
        Image.fromarray(image).save(stream, format="JPEG", quality=quality, subsampling=0)
    else:
        Image.fromarray(image).save(stream, format="PNG")
    return stream.getvalue()
