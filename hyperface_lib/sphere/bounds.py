"""How far apart n points can be at best: Rankin's, Fejes Toth's and Levenshtein's bounds."""

from __future__ import annotations

import math
from functools import lru_cache
from operator import index

from hyperface_lib.sphere.levenshtein import levenshtein_cosine, order_of_size

# Beyond this, Levenshtein's bound on the ordinary sphere is of a degree in the hundreds and never the better one.
_FEJES_TOTH_ALONE = 100


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
    cosine = levenshtein_cosine(n, dimension)
    # Where both are exact (the icosahedron) rounding must not decide the name.
    if plain > cosine + 1e-12:
        return plain, "Fejes Toth"
    return cosine, f"Levenshtein, degree {order_of_size(n, dimension)}"


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
