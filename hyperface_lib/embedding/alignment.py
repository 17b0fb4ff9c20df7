"""Align a face to the five-point template that ArcFace-style recognisers are trained on."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

# x, y in a 112 x 112 crop, pixel centres at whole numbers: the eye at the left of the image, the eye at its right,
# nose tip, mouth corner left, mouth corner right.
ARCFACE_TEMPLATE: NDArray[np.float64] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)

_MOST_SAMPLES_PER_SIDE = 32


def arcface_template(size: int = 112) -> NDArray[np.float64]:
    """Return the five template points (5, 2) for a crop of `size` pixels.

    Sizes that are multiples of 128 but not of 112 get the same face with 8 more pixels (at 128) left and right, as
    insightface's `face_align` defines; every other size scales the 112-pixel template.
    """
    if size < 8:
        raise ValueError(f"A face crop needs a size of at least 8 pixels; got {size}.")
    if size % 112 and size % 128 == 0:
        return (ARCFACE_TEMPLATE + np.array([8.0, 0.0])) * (size / 128)
    return ARCFACE_TEMPLATE * (size / 112)


def similarity_transform(source: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return the (2, 3) matrix of the least-squares rotation, uniform scale and shift from `source` to `target`.

    Both are (n, 2) points, n >= 2; `weights` (n,) multiply their squared errors (None: all alike). Never mirrors.
    Raises ValueError for shapes that differ, for numbers that are not finite, for weights that are negative or all
    zero, and for source points that all coincide.
    Source: Umeyama, Least-squares estimation of transformation parameters between two point patterns, PAMI 1991,
    equations 40-42, with weighted means and covariance.
    """
    moving, fixed = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if moving.ndim != 2 or moving.shape[1] != 2 or len(moving) < 2 or moving.shape != fixed.shape:
        raise ValueError(f"Expected two equal sets of at least 2 points (n, 2); got {moving.shape} and {fixed.shape}.")
    if not (np.isfinite(moving).all() and np.isfinite(fixed).all()):
        raise ValueError("Expected finite points; found NaN or infinity.")
    shares = np.ones(len(moving)) if weights is None else np.asarray(weights, np.float64)
    if shares.shape != (len(moving),) or not (np.isfinite(shares).all() and (shares >= 0).all() and shares.sum() > 0):
        raise ValueError(f"Expected {len(moving)} weights, none negative and not all zero; got {shares.tolist()}.")
    shares = shares / shares.sum()
    moving_mean, fixed_mean = shares @ moving, shares @ fixed
    centred = moving - moving_mean
    variance = shares @ (centred**2).sum(1)
    if variance < 1e-12:
        raise ValueError("Expected at least two different source points; found all of them in one place.")
    left, singular_values, right = np.linalg.svd((fixed - fixed_mean).T @ (centred * shares[:, None]))
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    scaled_rotation = (left * signs) @ right * (singular_values @ signs / variance)
    return np.column_stack([scaled_rotation, fixed_mean - scaled_rotation @ moving_mean])


def warp(
    image: NDArray[np.uint8],
    matrix: ArrayLike,
    size: int,
    resampling: Image.Resampling = Image.Resampling.BILINEAR,
) -> NDArray[np.uint8]:
    """Resample an image (H, W, 3) through a similarity `matrix` (2, 3) into (size, size, 3), black outside.

    `matrix` takes positions in `image` to positions in the result, pixel centres at whole numbers. Bilinear by default,
    as the field's aligned sets are made; where the image shrinks, a pixel of the result is the mean over the square it
    covers (sampled about once per source pixel), so that large photographs do not alias.
    """
    image = _require_rgb(image)
    forward = np.asarray(matrix, np.float64)
    pixels_per_pixel = math.sqrt(abs(np.linalg.det(forward[:, :2])))  # of the result, along one side
    if not pixels_per_pixel > 0:
        raise ValueError(f"Expected a similarity matrix with a positive scale; got {forward.tolist()}.")
    samples = min(_MOST_SAMPLES_PER_SIDE, max(1, math.ceil(1 / pixels_per_pixel - 1e-6)))
    inverse = np.linalg.inv(forward[:, :2])
    # Pillow counts from pixel corners: position p has its centre at p + 0.5 on both sides.
    offset = inverse @ (-0.5 - forward[:, 2]) + 0.5
    step = inverse / samples
    coefficients = (step[0, 0], step[0, 1], offset[0], step[1, 0], step[1, 1], offset[1])
    sampled = Image.fromarray(image).transform(
        (size * samples, size * samples), Image.Transform.AFFINE, coefficients, resampling
    )
    return np.asarray(sampled.reduce(samples) if samples > 1 else sampled)


def align_face(image: NDArray[np.uint8], five_points: ArrayLike, size: int = 112) -> NDArray[np.uint8]:
    """Cut the ArcFace crop (size, size, 3) out of an image (H, W, 3) whose five points (5, 2) are known, in pixels.

    Order: the eye at the left of the image, the other eye, nose tip, the mouth corner at the left, the other one.
    Source: the template and the similarity of Deng et al., ArcFace, CVPR 2019, section 3.1.
    """
    points = np.asarray(five_points, np.float64)
    if points.shape != (5, 2):
        raise ValueError(f"Expected five points (5, 2): eyes, nose, mouth corners; got {points.shape}.")
    return warp(image, similarity_transform(points, arcface_template(size)), size)


def _require_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"Expected a uint8 RGB image (H, W, 3); got {found}.")
    return image
