"""The arrangements that exist in every dimension: polygon, simplex, orthoplex, root system."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np

from hyperface_lib.sphere.codes.rows import unit


def polygon(n: int) -> np.ndarray:
    """Return the regular polygon: `n` points in the plane."""
    angles = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def simplex(n: int, dimension: int | None = None) -> np.ndarray:
    """Return `n` <= d + 1 points with all cosines -1 / (n - 1), float64 (n, dimension), dimension n - 1 by default.

    Raises ValueError for n < 2 or n > dimension + 1.
    """
    if n < 2:
        raise ValueError(f"a simplex needs at least 2 points, found {n}.")
    dimension = n - 1 if dimension is None else dimension
    if n > dimension + 1:
        raise ValueError(f"a simplex in dimension {dimension} has at most {dimension + 1} points, found {n}.")
    # Helmert's basis of the hyperplane orthogonal to (1, ..., 1): column k is (1, ..., 1, -k, 0, ..., 0), normalised.
    points = np.zeros((n, dimension))
    for k in range(1, n):
        length = math.sqrt(k * (k + 1))
        points[:k, k - 1], points[k, k - 1] = 1 / length, -k / length
    return unit(points)


def orthoplex(dimension: int, n: int | None = None) -> np.ndarray:
    """Return the 2 d points +-e_k, or the first `n` of them, float64: pairs of opposites, all others orthogonal.

    Raises ValueError for n > 2 d.
    """
    n = 2 * dimension if n is None else n
    if not 2 <= n <= 2 * dimension:
        raise ValueError(f"an orthoplex in dimension {dimension} has 2 to {2 * dimension} points, found {n}.")
    identity = np.eye(dimension)
    return np.concatenate([identity, -identity])[:n]


def hypercube(dimension: int) -> np.ndarray:
    """Return the 2^d vertices of the cube, cosine 1 - 2 / d."""
    return unit(np.array(list(product((1.0, -1.0), repeat=dimension))))


def root_system_d(dimension: int) -> np.ndarray:
    """Return the 2 d (d - 1) roots +-e_i +-e_j, cosine 1/2; in 4 dimensions the 24-cell."""
    rows = []
    for i, j in combinations(range(dimension), 2):
        for first, second in product((1.0, -1.0), repeat=2):
            row = np.zeros(dimension)
            row[i], row[j] = first, second
            rows.append(row)
    return unit(np.array(rows))
