"""How far apart n points can be at best: Rankin's, Fejes Toth's and Levenshtein's bounds."""

from __future__ import annotations

import math
from functools import lru_cache
from math import comb
from operator import index

from scipy.optimize import brentq
from scipy.special import roots_jacobi

# Beyond this, Levenshtein's bound on the ordinary sphere is of a degree in the hundreds and never the better one.
_FEJES_TOTH_ALONE = 100


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


def _order(n: int, dimension: int) -> int:
    """Return the order of Levenshtein's bound for n > d + 1: the design bounds of it and the next one enclose n."""
    order = 1
    while n > _design_bound(dimension, order + 1):
        order += 1
    return order


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


def _levenshtein_cosine(n: int, dimension: int) -> float:
    """Return the cosine at which Levenshtein's bound on the size of a code in d >= 3 dimensions is n > d + 1."""
    order = _order(n, dimension)
    half = (order + 1) // 2
    if order % 2:
        low, high = _largest_root(dimension, half - 1, 1, 1), _largest_root(dimension, half, 1, 0)
    else:
        low, high = _largest_root(dimension, half, 1, 0), _largest_root(dimension, half, 1, 1)
    # At the upper end the function equals the design bound of the next order, an integer.
    if n == _design_bound(dimension, order + 1):
        return high

    def excess(s: float) -> float:
        return _levenshtein_function(dimension, order, s) - n

    # Within rounding of an end the sign there is not to be trusted; the lower end is the safe side of a lower bound.
    if excess(low) >= 0:
        return low
    if excess(high) <= 0:
        return high
    return float(brentq(excess, low, high, xtol=1e-16))


def _fejes_toth_cosine(n: int) -> float:
    """Return (cot^2 w - 1) / 2, w = n pi / (6 (n - 2)): the bound on the ordinary sphere (Fejes Toth 1943)."""
    cotangent = 1 / math.tan(n * math.pi / (6 * (n - 2)))
    return (cotangent * cotangent - 1) / 2


def _checked(n: int, dimension: int) -> tuple[int, int]:
    """Return both as Python integers: numpy's overflow."""
    try:
        n, dimension = index(n), index(dimension)
    except TypeError:
        raise TypeError(f"n and dimension must be integers, found {n!r} and {dimension!r}.") from None
    if n < 2:
        raise ValueError(f"n must be at least 2, found {n}.")
    if dimension < 2:
        raise ValueError(f"dimension must be at least 2, found {dimension}.")
    return n, dimension


@lru_cache(maxsize=4096)
def _bound(n: int, dimension: int) -> tuple[float, str]:
    if dimension == 2:
        return math.cos(2 * math.pi / n), "exact in the plane"
    if n <= dimension + 1:
        return -1.0 / (n - 1), "Rankin, simplex"
    if n <= 2 * dimension:
        return 0.0, "Rankin, orthoplex"
    plain = _fejes_toth_cosine(n) if dimension == 3 else -1.0
    if dimension == 3 and n > _FEJES_TOTH_ALONE:
        return plain, "Fejes Toth"
    cosine = _levenshtein_cosine(n, dimension)
    # Where both are exact (the icosahedron) rounding must not decide the name.
    if plain > cosine + 1e-12:
        return plain, "Fejes Toth"
    return cosine, f"Levenshtein, degree {_order(n, dimension)}"


def cosine_lower_bound(n: int, dimension: int) -> float:
    """Return a value that the largest cosine among `n` points in `dimension` cannot go below.

    Exact in the plane; Rankin (1955) for n <= 2 d, attained; above, Levenshtein's universal bound (1979, general
    degree), on the ordinary sphere the better of that and Fejes Toth's (1943).
    Raises TypeError for numbers that are not integers, ValueError for n < 2 or dimension < 2.
    """
    return _bound(*_checked(n, dimension))[0]


def bound_name(n: int, dimension: int) -> str:
    """Return which bound `cosine_lower_bound` gives: "Rankin, simplex", "Levenshtein, degree 5" and the like.

    Raises TypeError for numbers that are not integers, ValueError for n < 2 or dimension < 2.
    """
    return _bound(*_checked(n, dimension))[1]


def levenshtein_bound_degrees(n: int, dimension: int) -> float:
    """Return the largest angle in degrees that `n` points on the sphere in `dimension` could have, by known bounds.

    No set of points has a larger smallest angle; codes that reach it are called sharp. Levenshtein, "On bounds for
    packings in n-dimensional Euclidean space", 1979; `bound_name` says where another bound is the better one.
    Raises TypeError for numbers that are not integers, ValueError for n < 2 or dimension < 2.
    """
    return math.degrees(math.acos(cosine_lower_bound(n, dimension)))
