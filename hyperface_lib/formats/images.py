"""Image files of any origin to uint8 RGB arrays, refusing what cannot be trusted."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from hyperface_lib.formats.files import not_a_file

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
MAX_PIXELS = 80_000_000
"""A larger image is refused unread: a few kilobytes of a decompression bomb can ask for gigabytes."""

# Pillow also opens formats that start an interpreter (EPS) or are rarely exercised: only these are tried.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")


class ImageReadError(ValueError):
    """An image file that cannot be read; the message is one sentence naming the file."""


def read_image(path: str | Path) -> npt.NDArray[np.uint8]:
    """Read an image file as uint8 RGB (H, W, 3), upright.

    The EXIF rotation is applied; greyscale, 16-bit, palette and CMYK are converted; transparency is laid on white; of
    an animation the first frame is taken. Raises FileNotFoundError when there is no such file and ImageReadError when
    it is corrupt, truncated, not an image, or larger than MAX_PIXELS.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: an image file was expected, found nothing there.")
    if not path.is_file():
        raise ImageReadError(f"{path}: an image file was expected, found {not_a_file(path)}.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageReadError(f"{path}: a readable image file was expected, found: {_reason(error)}.") from error
    return decode_image(data, str(path))


def decode_image(data: bytes, name: str = "image") -> npt.NDArray[np.uint8]:
    """Decode an encoded image as uint8 RGB (H, W, 3), as `read_image` does; `name` stands in the error message."""
    if not data:
        raise ImageReadError(f"{name}: an image was expected, found no bytes.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise ImageReadError(_too_large(name, f"{width} x {height}"))
                image.load()
                return _to_rgb(_upright(image), name)
    except ImageReadError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageReadError(_too_large(name, "far more")) from error
    except UnidentifiedImageError as error:
        raise ImageReadError(
            f"{name}: an image (JPEG, PNG, WebP, BMP, TIFF, GIF or PPM) was expected, found bytes {data[:8]!r}."
        ) from error
    # Pillow's decoders raise almost anything on hostile bytes.
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, EOFError, struct.error,
            OverflowError, MemoryError, AttributeError, ZeroDivisionError, AssertionError) as error:  # fmt: skip
        raise ImageReadError(f"{name}: a whole image was expected, found a damaged one: {_reason(error)}.") from error


class ImageFiles(Sequence[npt.NDArray[np.uint8]]):
    """A lazy sequence of image files: every access reads the file with `read_image`; `.paths` are the files."""

    def __init__(self, paths: Iterable[str | Path]) -> None:
        self.paths: tuple[Path, ...] = tuple(Path(path) for path in paths)

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> ImageFiles: ...
    def __getitem__(self, index: int | slice) -> npt.NDArray[np.uint8] | ImageFiles:
        if isinstance(index, slice):
            return ImageFiles(self.paths[index])
        return read_image(self.paths[index])


def _too_large(name: str, size: str) -> str:
    return f"{name} is refused unread: an image of at most {MAX_PIXELS:,} pixels was expected, found {size} declared."


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (" ".join(text.split()) or type(error).__name__).rstrip(".")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, struct.error):
        return image  # the EXIF block is damaged, the picture itself was read: keep it as it is stored


def _to_rgb(image: Image.Image, name: str) -> npt.NDArray[np.uint8]:
    if image.mode.startswith("I"):
        return _sixteen_bit_to_rgb(np.asarray(image), name)
    if image.mode == "F":
        raise ImageReadError(
            f"{name}: pixels of 8 or 16 bits were expected, found floating-point numbers, whose range is not defined."
        )
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _sixteen_bit_to_rgb(grey: npt.NDArray[np.integer], name: str) -> npt.NDArray[np.uint8]:
    # Pillow would clip values above 255 where a 16-bit photograph wants its high byte.
    if grey.size and (grey.min() < 0 or grey.max() > 65535):
        raise ImageReadError(f"{name}: pixels of 8 or 16 bits were expected, found values outside 0..65535.")
    high = (grey.astype(np.uint32) * 255 + 32767) // 65535
    return np.repeat(high.astype(np.uint8)[:, :, None], 3, axis=2)
