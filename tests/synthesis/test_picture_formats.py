"""PNG loses nothing; WebP loses little of a picture and is much smaller; a file of another format is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hyperface_lib.faces import FaceWorld
from hyperface_lib.synthesis.picture_formats import PICTURE_FORMATS, picture_format_named


def test_png_is_exact_and_webp_is_close_and_small() -> None:
    images = FaceWorld(size=64).render_batch([1, 2, 3], [4, 5, 6])
    png, webp = PICTURE_FORMATS["png"], PICTURE_FORMATS["webp"]
    for image in images:
        assert np.array_equal(png.decode(png.encode(image), Path("a")), image)
        assert len(webp.encode(image)) < 0.5 * len(png.encode(image))
        error = np.mean((webp.decode(webp.encode(image), Path("a")).astype(float) - image) ** 2)
        assert 10 * np.log10(255**2 / error) > 33


def test_what_is_no_picture_of_the_format_is_refused_by_name() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    png, webp = PICTURE_FORMATS["png"], PICTURE_FORMATS["webp"]
    with pytest.raises(ValueError, match=r"there/000\.webp: expected a WEBP image"):
        webp.decode(png.encode(image), Path("there/000.webp"))
    with pytest.raises(ValueError, match="expected a PNG image"):
        png.decode(png.encode(image)[:40], Path("a"))
    with pytest.raises(ValueError, match="expected one of png, webp, found 'tiff'"):
        picture_format_named("tiff")
