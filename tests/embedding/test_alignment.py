from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hyperface_lib.embedding.alignment import (
    ARCFACE_TEMPLATE,
    align_face,
    arcface_template,
    similarity_transform,
    warp,
)


def apply(matrix, points):
    return np.asarray(points) @ matrix[:, :2].T + matrix[:, 2]


def similarity(scale, angle_radians, shift):
    cosine, sine = scale * np.cos(angle_radians), scale * np.sin(angle_radians)
    return np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]]])


def blobs(points, size, sigma=2.0):
    """An image with a bright Gaussian spot at each of the points."""
    rows, columns = np.mgrid[:size, :size]
    total = sum(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)) for x, y in points)
    return np.repeat(np.round(total * 250).astype(np.uint8)[:, :, None], 3, axis=2)


def spot(image, near, radius):
    """The centre of brightness around a point."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image[..., 0] * (np.hypot(columns - near[0], rows - near[1]) < radius)
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


@settings(deadline=None)
@given(
    scale=st.floats(0.05, 20),
    angle=st.floats(-3.1, 3.1),
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
    seed=st.integers(0, 1000),
)
def test_an_exact_similarity_is_recovered(scale, angle, x, y, seed):
    points = np.random.default_rng(seed).normal(scale=50, size=(5, 2))
    truth = similarity(scale, angle, (x, y))
    np.testing.assert_allclose(similarity_transform(points, apply(truth, points)), truth, rtol=1e-7, atol=1e-6)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_equals_scikit_image_on_noisy_points(seed):
    transform = pytest.importorskip("skimage.transform", reason="run make install")
    rng = np.random.default_rng(seed)
    source = rng.normal(scale=30, size=(5, 2)) + 100
    expected = transform.SimilarityTransform.from_estimate(source, ARCFACE_TEMPLATE).params[:2]
    np.testing.assert_allclose(similarity_transform(source, ARCFACE_TEMPLATE), expected, atol=1e-8)


def test_mirrored_points_never_give_a_reflection():
    mirrored = ARCFACE_TEMPLATE * [-1, 1]
    matrix = similarity_transform(mirrored, ARCFACE_TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_a_weight_counts_as_repetition():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    repeats = [1, 1, 3, 2]
    expected = similarity_transform(np.repeat(source, repeats, 0), np.repeat(target, repeats, 0))
    np.testing.assert_allclose(similarity_transform(source, target, repeats), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("source", "target", "weights", "match"),
    [
        (np.zeros((5, 3)), np.zeros((5, 3)), None, "at least 2 points"),
        (np.zeros((5, 2)), np.zeros((4, 2)), None, "at least 2 points"),
        (np.ones((5, 2)), ARCFACE_TEMPLATE, None, "one place"),
        (np.full((5, 2), np.nan), ARCFACE_TEMPLATE, None, "finite"),
        (ARCFACE_TEMPLATE, ARCFACE_TEMPLATE, [1, 1, 1, 1, -1], "weights"),
        (ARCFACE_TEMPLATE, ARCFACE_TEMPLATE, [0, 0, 0, 0, 0], "weights"),
    ],
)
def test_impossible_points_are_refused(source, target, weights, match):
    with pytest.raises(ValueError, match=match):
        similarity_transform(source, target, weights)


def test_the_template_scales_as_insightface_defines():
    np.testing.assert_allclose(arcface_template(64), ARCFACE_TEMPLATE * 64 / 112)
    np.testing.assert_allclose(arcface_template(224), ARCFACE_TEMPLATE * 2)
    np.testing.assert_allclose(arcface_template(128), ARCFACE_TEMPLATE + np.array([8, 0]))
    np.testing.assert_allclose(arcface_template(256), (ARCFACE_TEMPLATE + np.array([8, 0])) * 2)
    np.testing.assert_allclose(arcface_template(896), ARCFACE_TEMPLATE * 8)


@pytest.mark.parametrize("size", [64, 112, 128])
@pytest.mark.parametrize("scale", [0.7, 1.0, 3.3, 7.0])
@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_points_land_on_the_template(size, scale, angle):
    truth = similarity(scale * 112 / size, angle, (150, 60))
    points = apply(truth, arcface_template(size))
    image = blobs(points, int(points.max() + 80), sigma=2.5 * scale)
    crop = align_face(image, points, size)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    for point in arcface_template(size):
        np.testing.assert_allclose(spot(crop, point, 7 * size / 112), point, atol=0.15)


def test_an_identity_warp_changes_no_pixel():
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    np.testing.assert_array_equal(warp(image, np.eye(3)[:2], 40), image)


def test_equals_scikit_image_bilinear_when_enlarging():
    transform = pytest.importorskip("skimage.transform", reason="run make install")
    rng = np.random.default_rng(1)
    image = np.asarray(Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).resize((60, 60)))
    matrix = similarity(1.6, 0.3, (5, -8))
    full = transform.AffineTransform(matrix=np.vstack([matrix, [0, 0, 1]]))
    expected = transform.warp(image, full.inverse, output_shape=(64, 64), order=1, preserve_range=True)
    # The border differs: ours ends sharply, scikit-image's blends into black.
    inside = transform.warp(np.ones((60, 60)), full.inverse, output_shape=(64, 64), order=1) == 1
    assert inside.mean() > 0.5
    assert np.abs(warp(image, matrix, 64) - expected)[inside].max() <= 1.0


def test_shrinking_averages_instead_of_picking_pixels():
    checkerboard = (np.indices((800, 800)).sum(0) % 2 * 255).astype(np.uint8)
    image = np.repeat(checkerboard[:, :, None], 3, axis=2)
    matrix = similarity(0.14, 0.2, (0, 20))
    middle = warp(image, matrix, 112)[40:70, 40:70].astype(float)
    assert abs(middle.mean() - 127.5) < 2
    assert middle.std() < 12


def test_outside_is_black():
    image = np.full((30, 30, 3), 200, np.uint8)
    crop = warp(image, similarity(1, 0, (20, 20)), 60)
    assert (crop[:19] == 0).all()
    assert (crop[22:48, 22:48] == 200).all()


@pytest.mark.parametrize("image", [np.zeros((9, 9)), np.zeros((9, 9, 3)), np.zeros((9, 9, 4), np.uint8), [[1]]])
def test_other_images_are_refused(image):
    with pytest.raises(ValueError, match="uint8 RGB image"):
        warp(image, np.eye(3)[:2], 8)


def test_other_point_counts_are_refused():
    with pytest.raises(ValueError, match="five points"):
        align_face(np.zeros((50, 50, 3), np.uint8), np.zeros((68, 2)))
