"""How far apart n points can be at best: Rankin's and Levenshtein's bounds."""

from __future__ import annotations

import math
from functools import lru_cache
from math import comb

from scipy.optimize import brentq
from scipy.special import roots_jacobi


def _gegenbauer(dimension: int, degree: int, s: float) -> float:
    """Return the Gegenbauer polynomial of the sphere in `dimension`, normalised to 1 at s = 1."""
    before, value = 1.0, s
    if degree == 0:
        return before
    for j in range(1, degree):
        before, value = value, ((2 * j + dimension - 2) * s * value - j * before) / (j + dimension - 2)
    return value


def _design_bound(dimension: int, strength: int) -> int:
    """Return the smallest size of a spherical design (Delsarte, Goethals and Seidel 1977, theorems 5.11 and 5.12)."""
    half, odd = divmod(strength, 2)
    if odd:
        return 2 * comb(dimension + half - 1, dimension - 1)
    return comb(dimension + half - 1, dimension - 1) + comb(dimension + half - 2, dimension - 1)


def _largest_root(dimension: int, degree: int, a: int, b: int) -> float:
    """Return the largest zero t_k^{a,b} of the adjacent Jacobi polynomial; -1 for degree 0."""
    if degree == 0:
        return -1.0
    return float(roots_jacobi(degree, a + (dimension - 3) / 2, b + (dimension - 3) / 2)[0].max())


def _levenshtein_function(dimension: int, order: int, s: float) -> float:
    """Return L_order(dimension, s), the largest size of a code with cosines at most s."""
    half = (order + 1) // 2
    if order % 2:
        lower, upper = _gegenbauer(dimension, half - 1, s), _gegenbauer(dimension, half, s)
        inner = (2 * half + dimension - 3) / (dimension - 1) - (lower - upper) / ((1 - s) * upper)
        return comb(half + dimension - 3, half - 1) * inner
    lower, upper = _gegenbauer(dimension, half, s), _gegenbauer(dimension, half + 1, s)
    ratio = (1 + s) * (lower - upper) / ((1 - s) * (lower + upper))
    return comb(half + dimension - 2, half) * ((2 * half + dimension - 1) / (dimension - 1) - ratio)


@lru_cache(maxsize=4096)
def cosine_lower_bound(n: int, dimension: int) -> float:
    """Return a value that the largest cosine among `n` points in `dimension` cannot go below.

    Rankin (1955) for n <= 2 d; Levenshtein's universal bound (1979, general degree) above; exact in the plane.
    Raises ValueError for n < 2 or dimension < 2.
    """
    if n < 2:
        raise ValueError(f"n must be at least 2, found {n}.")
    if dimension < 2:
        raise ValueError(f"dimension must be at least 2, found {dimension}.")
    if dimension == 2:
        return math.cos(2 * math.pi / n)
    if n <= dimension + 1:
        return -1.0 / (n - 1)
    if n <= 2 * dimension:
        return 0.0
    order = 1
    while not _design_bound(dimension, order) <= n <= _design_bound(dimension, order + 1):
        order += 1
    half = (order + 1) // 2
    if order % 2:
        low, high = _largest_root(dimension, half - 1, 1, 1), _largest_root(dimension, half, 1, 0)
    else:
        low, high = _largest_root(dimension, half, 1, 0), _largest_root(dimension, half, 1, 1)

    def excess(s: float) -> float:
        return _levenshtein_function(dimension, order, s) - n

    # At the ends of the interval the function equals the design bounds, so an end may itself be the root.
    if abs(excess(low)) < 1e-6 * n:
        return low
    if abs(excess(high)) < 1e-6 * n:
        return high
    return float(brentq(excess, low, high, xtol=1e-15))


def levenshtein_bound_degrees(n: int, dimension: int) -> float:
    """Return the largest angle in degrees that `n` points on the sphere in `dimension` could have, by known bounds.

    No set of points has a larger smallest angle; codes that reach it are called sharp. Levenshtein, "On bounds for
    packings in n-dimensional Euclidean space", 1979; for n <= 2 d it is Rankin's bound, which is attained.
    Raises ValueError for n < 2 or dimension < 2.
    """
    return math.degrees(math.acos(cosine_lower_bound(n, dimension)))
