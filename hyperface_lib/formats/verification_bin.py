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
from hyperface_lib.formats.images import decode_image
from hyperface_lib.formats.pair_set import PairSet

CROP_SIZE = 112

# What a list of encoded images and a list of truth values is made of, as Python 2 and 3 and numpy 1 and 2 write it.
_ALLOWED = frozenset(
    {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}
    | {(f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")}
    | {(f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")}
)


class _ListUnpickler(pickle.Unpickler):
    """Unpickle lists, bytes, truth values and arrays of plain numbers, and nothing that can call."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which a verification set has no use for")
        return super().find_class(module, name)


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
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no verification set {path}.")
    content = path.read_bytes()
    try:
        loaded = _load(content)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} was expected to be a verification set and is refused: {reason}.") from error
    if not isinstance(loaded, tuple | list) or len(loaded) != 2:
        raise ValueError(f"{path} was expected to hold images and labels, found {_kind(loaded)}.")
    bins, labels = loaded
    if not isinstance(bins, list | tuple) or not isinstance(labels, list | tuple | np.ndarray):
        raise ValueError(f"{path} was expected to hold two lists, found {_kind(bins)} and {_kind(labels)}.")
    if len(bins) != 2 * len(labels):
        raise ValueError(f"{path} must hold two images a label, found {len(bins)} images and {len(labels)} labels.")
    encoded = [_bytes(path, index, item) for index, item in enumerate(bins)]
    if not all(isinstance(label, bool | np.bool_ | int | np.integer) and int(label) in (0, 1) for label in labels):
        raise ValueError(f"{path} was expected to hold a true or false label for every pair, found others.")
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


def _load(content: bytes) -> Any:
    try:
        return _ListUnpickler(io.BytesIO(content)).load()
    except UnicodeDecodeError:  # written by Python 2
        return _ListUnpickler(io.BytesIO(content), encoding="bytes").load()


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
