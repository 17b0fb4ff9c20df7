"""Small galleries of images in one file: a zip of WebP pictures that any program opens, to look at.

Vectors are made before: a gallery of a thousand crops takes two megabytes like this and seven without loss.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from hyperface_lib.atomic import atomic_path

# A picture of a face crop is far below this; more is a decompression bomb.
LARGEST_BYTES = 64_000_000
_QUALITY = 90


def write_image_archive(path: Path, images: Iterable[Any]) -> int:
    """Write uint8 RGB images (H, W, 3), of one size or several, in order; return their number.

    Raises ValueError naming the first image that has another shape or type.
    """
    count = 0
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for number, image in enumerate(images):
            pixels = np.asarray(image)
            if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
                raise ValueError(f"image {number}: expected uint8 (H, W, 3), found {pixels.dtype} {pixels.shape}")
            encoded = io.BytesIO()
            Image.fromarray(pixels).save(encoded, "WEBP", quality=_QUALITY, method=4)
            # A fixed date: the same images make the same file.
            archive.writestr(zipfile.ZipInfo(f"{number:06d}.webp", (2025, 1, 1, 0, 0, 0)), encoded.getvalue())
            count += 1
    return count


def read_image_archive(path: Path) -> NDArray[np.uint8] | list[NDArray[np.uint8]]:
    """Read the images in order: one array (n, H, W, 3) where all have one size, else a list.

    Raises FileNotFoundError or ValueError in one sentence naming the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected an archive of images, found none")
    images: list[NDArray[np.uint8]] = []
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in sorted(archive.infolist(), key=lambda one: one.filename):
                if entry.file_size > LARGEST_BYTES:
                    raise ValueError(f"{entry.filename} of {entry.file_size} bytes")
                with Image.open(io.BytesIO(archive.read(entry)), formats=["WEBP", "PNG", "JPEG"]) as picture:
                    images.append(np.array(picture.convert("RGB")))
    except (zipfile.BadZipFile, UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as problem:
        raise ValueError(f"{path}: expected a zip archive of pictures, found: {problem}") from problem
    if len({image.shape for image in images}) == 1:
        return np.stack(images)
    return images
