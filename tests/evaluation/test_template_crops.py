"""Aligned crops reach any embedder: in its size, or as the chip that dlib would cut."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.embedding.alignment import arcface_template
from hyperface_lib.evaluation import DecodedImages, dlib_chips, embed_aligned, embed_image_set
from hyperface_lib.formats import open_image_set


def blob(size: int, x: float, y: float) -> np.ndarray:
    """A crop that is black but for a soft spot at a pixel position."""
    rows, columns = np.mgrid[:size, :size]
    spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (size / 45) ** 2))
    return np.repeat((255 * spot).astype(np.uint8)[:, :, None], 3, axis=2)


def middle(image: np.ndarray) -> tuple[float, float]:
    weight = image[:, :, 0].astype(float) * (image[:, :, 0] > 20)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return float((columns * weight).sum() / weight.sum()), float((rows * weight).sum() / weight.sum())


@pytest.mark.parametrize("size", [64, 112, 224])
def test_eyes_land_where_dlib_has_them(size: int) -> None:
    # dlib's mean face, (0.25 + p) / 1.5 of the chip's side: outer and inner corner of each eye, in double precision
    corners = {"left": (0.1205750620789, 0.3340850613712), "right": (0.6460604764104, 0.8595674595992)}
    for eye, template in zip(("left", "right"), arcface_template(size)[:2], strict=True):
        x, y = middle(dlib_chips([blob(size, *template)])[0])
        expected = (np.mean(corners[eye]) + 0.25) / 1.5 * 150
        assert x == pytest.approx(expected, abs=1.0)
        # the eye of the template lies a little above the middle of the corners
        assert y == pytest.approx((0.2214 + 0.25) / 1.5 * 150, abs=2.5)


def test_the_chip_agrees_with_the_one_dlib_cuts_from_a_found_face() -> None:
    pytest.importorskip("dlib")
    from hyperface_lib.embedding import load_embedder
    from hyperface_lib.embedding.detection import DlibChipCropper, detect_faces
    from hyperface_lib.faces import FaceWorld, identity_seeds, nuisance_seed

    people = identity_seeds("showcase", 4)
    crops = FaceWorld(112).render_batch(people, [nuisance_seed(who, 0) for who in people], profile="mild")
    descriptor = load_embedder("dlib")
    own = descriptor.embed(dlib_chips(crops))
    compared = 0
    for crop, vector in zip(crops, own, strict=True):
        large = np.asarray(Image.fromarray(crop).resize((336, 336), Image.Resampling.BICUBIC))
        large = np.pad(large, ((100, 100), (100, 100), (0, 0)), mode="edge")
        boxes = detect_faces(large)
        if boxes:
            compared += 1
            found = descriptor.embed(DlibChipCropper(150).crop(large, boxes[0])[None])[0]
            assert vector @ found > 0.97
    assert compared >= 3
    # two people are further apart than two ways to cut one
    assert (own @ own.T)[np.triu_indices(len(own), 1)].max() < 0.97
    assert np.array_equal(embed_aligned(descriptor, crops), own)


class Colour:
    name, image_size, dimension, fingerprint = "colour", 64, 3, "00"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def embed(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
        self.shapes.append(images.shape)
        mean = images.astype(np.float32).mean(axis=(1, 2)) - 127.3
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def test_an_image_set_is_embedded_in_its_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (6, 3))
    for number, colour in enumerate(colours):
        file = tmp_path / "faces" / f"id{number // 2}" / f"{number % 2}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        Image.fromarray(np.broadcast_to(colour.astype(np.uint8), (112, 112, 3)).copy()).save(stream, "PNG")
        file.write_bytes(stream.getvalue())
    images = open_image_set(tmp_path / "faces")
    embedder: Any = Colour()
    vectors = embed_image_set(embedder, images)
    expected = colours - 127.3
    assert vectors == pytest.approx(expected / np.linalg.norm(expected, axis=1, keepdims=True), abs=1e-4)
    assert embedder.shapes == [(6, 64, 64, 3)]
    assert len(DecodedImages(images)) == 6 and DecodedImages(images)[5][0, 0].tolist() == colours[5].tolist()
    (tmp_path / "faces" / "id1" / "0.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"id1.0\.png"):
        embed_image_set(embedder, open_image_set(tmp_path / "faces"))


def test_what_is_no_crop_is_refused() -> None:
    with pytest.raises(ValueError, match="square"):
        dlib_chips([np.zeros((100, 112, 3), np.uint8)])
    assert dlib_chips([]).shape == (0, 150, 150, 3)
    embedder: Any = Colour()
    embedder.image_size = 150
    with pytest.raises(ValueError, match="own 150-pixel chip"):
        embed_aligned(embedder, np.zeros((1, 112, 112, 3), np.uint8))
