"""Levenshtein's function: the most points a sphere holds with cosines at most s, and the cosine at which that is n.

V. I. Levenshtein, "Universal bounds for codes and designs", Handbook of Coding Theory, 1998: of every degree.
"""

from __future__ import annotations

from math import comb

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import brentq


def levenshtein_cosine(n: int, dimension: int) -> float:
    """Return the cosine at which Levenshtein's bound on the size of a code in d >= 3 dimensions is n > d + 1."""
    order = order_of_size(n, dimension)
    half = (order + 1) // 2
    if order % 2:
        low, high = _largest_zero(dimension, half - 1, 1, 1), _largest_zero(dimension, half, 1, 0)
    else:
        low, high = _largest_zero(dimension, half, 1, 0), _largest_zero(dimension, half, 1, 1)
    # At the upper end the function equals the design bound of the next order, an integer.
    if n == _design_bound(dimension, order + 1):
        return high

    def excess(s: float) -> float:
        binomial, factor = levenshtein_function(dimension, order, s)
        return binomial * factor - n

    # Within rounding of an end the sign there is not to be trusted; the lower end is the safe side of a lower bound.
    if excess(low) >= 0:
        return low
    if excess(high) <= 0:
        return high
    return float(brentq(excess, low, high, xtol=1e-16))


def levenshtein_function(dimension: int, order: int, s: float) -> tuple[int, float]:
    """Return L_order(dimension, s) as its binomial coefficient and the other factor: the product may exceed a float."""
    half = (order + 1) // 2
    # Gegenbauer polynomials of two neighbouring degrees, by their recurrence. Only their quotient matters: they are
    # scaled on the way, as they fall below the smallest float for small angles.
    lower, upper = 1.0, s
    for j in range(1, half + (1 - order % 2)):
        size = abs(lower) + abs(upper)
        lower, upper = upper / size, ((2 * j + dimension - 2) * s * upper - j * lower) / ((j + dimension - 2) * size)
    if order % 2:
        inner = (2 * half + dimension - 3) / (dimension - 1) - (lower - upper) / ((1 - s) * upper)
        return comb(half + dimension - 3, half - 1), inner
    ratio = (1 + s) * (lower - upper) / ((1 - s) * (lower + upper))
    return comb(half + dimension - 2, half), (2 * half + dimension - 1) / (dimension - 1) - ratio


def order_of_cosine(dimension: int, cosine: float) -> int:
    """Return m with `cosine` in the m-th interval; its end is t_k^{1,0} for m = 2 k - 1, t_k^{1,1} for m = 2 k."""

    def end(order: int) -> float:
        return _largest_zero(dimension, (order + 1) // 2, 1, 1 - order % 2)

    high = 2
    while end(high) < cosine:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if end(middle) < cosine else (low, middle)
    return high


def order_of_size(n: int, dimension: int) -> int:
    """Return the order of Levenshtein's bound for n > d + 1: the design bounds of it and the next one enclose n."""
    order = 1
    while n > _design_bound(dimension, order + 1):
        order += 1
    return order


def _design_bound(dimension: int, strength: int) -> int:
    """Return the smallest size of a spherical design (Delsarte, Goethals and Seidel 1977, theorems 5.11 and 5.12)."""
    half, odd = divmod(strength, 2)
    if odd:
        return 2 * comb(dimension + half - 1, dimension - 1)
    return comb(dimension + half - 1, dimension - 1) + comb(dimension + half - 2, dimension - 1)


def _largest_zero(dimension: int, degree: int, a: int, b: int) -> float:
    """Return t_k^{a,b}, the largest zero of a Jacobi polynomial adjacent to the sphere's; -1 for degree 0.

    Zeros are the eigenvalues of the recurrence's tridiagonal matrix (Golub and Welsch, 1969), which neither over- nor
    underflows at any degree.
    """
    if degree == 0:
        return -1.0
    first, second = a + (dimension - 3) / 2, b + (dimension - 3) / 2
    both = first + second
    k = np.arange(1, degree)
    diagonal = np.empty(degree)
    diagonal[0] = (second - first) / (both + 2)
    diagonal[1:] = (second**2 - first**2) / ((2 * k + both) * (2 * k + both + 2))
    # (k + both) / (2 k + both - 1) is 1 at k = 1, also where both is -1 and the quotient 0 / 0.
    squares = 4 * k * (k + first) * (k + second) / ((2 * k + both) ** 2 * (2 * k + both + 1))
    squares[1:] *= (k[1:] + both) / (2 * k[1:] + both - 1)
    last = degree - 1
    return float(eigh_tridiagonal(diagonal, np.sqrt(squares), True, select="i", select_range=(last, last))[0])
