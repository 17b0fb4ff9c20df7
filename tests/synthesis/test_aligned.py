"""Drawn photographs cut to recogniser crops: the face where it is found, FFHQ's place where it is not."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest

from hyperface_lib.embedding.alignment import arcface_template
from hyperface_lib.synthesis import AlignedGenerator, Generator

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("dlib") is None, reason="dlib is not installed: run make install"
)


def painter_of(photograph: np.ndarray) -> SimpleNamespace:
    """A generator that draws one and the same photograph of everybody."""
    return SimpleNamespace(
        name="camera",
        fingerprint="f",
        embedder_name="arcface",
        embedder_fingerprint="e",
        image_size=len(photograph),
        dimension=4,
        sample=lambda vectors, *_: np.repeat(photograph[None], len(vectors), axis=0),
    )


def test_a_face_is_cut_out_where_it_is() -> None:
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed: run make install")
    portrait = np.ascontiguousarray(data.astronaut())
    moved = np.roll(portrait, (60, -90), axis=(0, 1))
    straight, shifted = (AlignedGenerator(painter_of(one), 112) for one in (portrait, moved))
    assert isinstance(straight, Generator)
    crop, other = (one.sample(np.eye(4)[:1], 0)[0].astype(int) for one in (straight, shifted))
    assert crop.shape == (112, 112, 3) and straight.missed == shifted.missed == 0
    assert np.abs(crop - other).mean() < 6  # the same face, wherever it stood
    assert np.abs(crop - crop[:, ::-1]).mean() > 12  # and not any flat picture


def test_without_a_face_the_crop_is_where_ffhq_has_it() -> None:
    """Five dots at FFHQ's landmarks, on black: they come out at the template's places."""
    side = 512
    canvas = np.zeros((side, side, 3), np.uint8)
    for x, y in [(0.377, 0.469), (0.623, 0.469), (0.501, 0.613), (0.393, 0.725), (0.611, 0.725)]:
        canvas[round(y * side) - 4 : round(y * side) + 4, round(x * side) - 4 : round(x * side) + 4] = 255
    painter = AlignedGenerator(painter_of(canvas), 112)
    crops = painter.sample(np.eye(4)[:2], 0)
    assert painter.missed == 2
    for x, y in arcface_template(112).round().astype(int):
        assert crops[0, y - 2 : y + 3, x - 2 : x + 3].max() > 128, (x, y)
