"""Points seen along lines and great circles, where "uniform" has an exact one-dimensional meaning.

Projected on a line, uniform points follow a known law; projected on a great circle, their angles are uniform (the plane
of the circle cuts a rotation-invariant distribution). Both are tested by a quadratic statistic whose mean under
independent uniform points is a plain fraction, whatever the number of points and the dimension.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from hyperface_lib.sphere.arrays import Array, as_unit_tensor
from hyperface_lib.sphere.caps import marginal_distribution
from hyperface_lib.sphere.initial import random_points

# Means of the two statistics for independent uniform numbers: the integral of q (1 - q), and of half of that once the
# mean is taken out (Watson, "Goodness-of-fit tests on a circle", 1961).
UNIFORM_LINE_DISCREPANCY = 1 / 6
UNIFORM_CIRCLE_DISCREPANCY = 1 / 12

# Slices are drawn from a stream of their own: with the same seed they would be the points a packing started from.
_STREAM = 1_000_000_007


def line_discrepancy(points: Array, slices: int = 64, seed: int = 0) -> float:
    """Return how unevenly `points` (n, d) lie along random lines: the mean Cramer-von Mises statistic over `slices`.

    With v the share of the exact marginal below each projection, sorted: 1/(12 n) + sum_i (v_i - (2 i - 1)/(2 n))^2.
    Independent uniform points average 1/6 (standard deviation about 0.15 / sqrt(slices) while slices are few beside
    the dimension's independent directions); points spread more evenly than chance have less, clustered ones more.
    Raises ValueError for non-unit rows or no slices.
    """
    tensor = as_unit_tensor(points)
    directions = random_points(_checked(slices), tensor.shape[1], _STREAM + seed, tensor.dtype).to(tensor.device)
    projections = (tensor @ directions.T).cpu().double().numpy()
    return float(np.mean(_quadratic_statistics(marginal_distribution(projections, tensor.shape[1]))))


def circle_discrepancy(points: Array, slices: int = 64, seed: int = 0) -> float:
    """Return how unevenly `points` (n, d) lie around random great circles: Watson's statistic, averaged over `slices`.

    Angles theta_i around the circle, sorted, are held against equidistant ones theta*_i, the mean turn taken out. That
    is the sliced dispersion D = sum (theta_i - theta*_i)^2 / 2 of Tokarchuk, Bakker and Niculae, "Keep your distance:
    learning dispersed embeddings", 2025, in the normalisation of Watson (1961): U^2 = D / (2 pi^2) + 1/(12 n).
    Independent uniform points average 1/12. Raises ValueError for non-unit rows or no slices.
    """
    tensor = as_unit_tensor(points)
    dimension = tensor.shape[1]
    drawn = random_points(2 * _checked(slices), dimension, _STREAM + seed, torch.float64).reshape(slices, 2, dimension)
    # Two random directions span the plane of a great circle; its orthonormal basis is their QR factor.
    planes = torch.linalg.qr(drawn.transpose(1, 2)).Q.to(tensor)
    first, second = (tensor @ planes[:, :, side].T for side in (0, 1))
    turns = torch.atan2(second, first).cpu().double().numpy() / (2 * math.pi) + 0.5
    return float(np.mean(_quadratic_statistics(turns, rotation_free=True)))


def _checked(slices: int) -> int:
    if slices < 1:
        raise ValueError(f"slices must be at least 1, found {slices}.")
    return slices


def _quadratic_statistics(shares: NDArray[np.float64], rotation_free: bool = False) -> NDArray[np.float64]:
    """Return the statistic of every column of `shares` (n, slices), which uniform points spread over [0, 1]."""
    n = len(shares)
    apart = np.sort(shares, axis=0) - (2 * np.arange(1, n + 1)[:, None] - 1) / (2 * n)
    if rotation_free:
        apart -= apart.mean(axis=0)
    return (apart**2).sum(axis=0) + 1 / (12 * n)
