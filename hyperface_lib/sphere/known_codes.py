"""Which arrangement in closed form is the best for a number of points and a dimension.

A code serves a larger dimension too, padded with zeros, and fewer points. Where the points have to be signs, a
dimension between two powers of two is served from the one below by exponential sums, or from the one above by
shortening.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache, partial
from operator import index

import numpy as np

from hyperface_lib.sphere.codes.catalogue import NAMED_CODES, KnownCode, named_code
from hyperface_lib.sphere.codes.elementary import orthoplex, polygon, simplex
from hyperface_lib.sphere.codes.exponential_sums import exponential_sum_code, exponential_sum_size, largest_prime
from hyperface_lib.sphere.codes.quadratic import (
    QuadraticCode,
    gold_code,
    hadamard_pair,
    kerdock_code,
    quadratic_codes,
    with_axes,
)

__all__ = [
    "KnownCode",
    "best_known",
    "gold_code",
    "kerdock_code",
    "named_code",
    "orthoplex",
    "simplex",
]

_MAX_DEGREE = 3


def _elementary(n: int, dimension: int) -> Iterator[KnownCode]:
    if dimension == 2:
        yield KnownCode("polygon", n, 2, math.cos(2 * math.pi / n), "regular polygon", partial(polygon, n))
    if n <= dimension + 1:
        yield KnownCode("simplex", n, n - 1, -1 / (n - 1), "Rankin 1955", partial(simplex, n))
    if n <= 2 * dimension:
        half = max(2, -(-n // 2))
        yield KnownCode("orthoplex", n, half, 0.0, "Rankin 1955", partial(orthoplex, half, n))


@lru_cache(maxsize=8)
def _families(largest_length: int) -> tuple[QuadraticCode, ...]:
    return tuple(quadratic_codes(largest_length))


def _signs(n: int, dimension: int) -> Iterator[KnownCode]:
    """Yield the codes of quadratic functions, each cut as often as leaves n points."""
    # A code of more than twice the dimension would lose most of its coordinates.
    for code in _families(1 << (2 * dimension - 1).bit_length() - 1):
        if n > code.size:
            if n <= code.size + 2 * code.length and code.length <= dimension:
                cosine = code.cut_cosine(0, 0)
                name = f"{code.name}, with the axes"
                yield KnownCode(name, n, code.length, cosine, code.source, partial(with_axes, code, n))
            continue
        shortened = min(code.m + 1, (code.size // n).bit_length() - 1)
        punctured = max(0, code.length - shortened - dimension)
        if code.cut_cosine(shortened, punctured) < 1 and code.length - shortened - punctured > 1:
            yield _cut(code, n, shortened, punctured)


def _cut(code: QuadraticCode, n: int, shortened: int, punctured: int) -> KnownCode:
    name = code.name
    if shortened:
        name += f", shortened by {shortened}"
    if punctured:
        name += f", punctured by {punctured}"
    dimension = code.length - shortened - punctured
    cosine = code.cut_cosine(shortened, punctured)
    return KnownCode(name, n, dimension, cosine, code.source, partial(code.points, n, shortened, punctured))


def _pairs_of_bases(n: int, dimension: int) -> Iterator[KnownCode]:
    m = min(dimension.bit_length() - 1, 14)
    if n <= 4 << m:
        cosine = 2.0 ** (-m / 2)
        yield KnownCode(f"two bases, m = {m}", n, 1 << m, cosine, "Sylvester 1867", partial(hadamard_pair, m, n))


def _exponential_sums(n: int, dimension: int) -> Iterator[KnownCode]:
    for degree in range(2, _MAX_DEGREE + 1):
        prime = largest_prime(dimension // 2)
        if prime is None or prime <= degree or n > exponential_sum_size(prime, degree):
            continue
        cosine = (degree - 1) / math.sqrt(prime)
        kind = "mutually unbiased bases" if degree == 2 else f"exponential sums of degree {degree}"
        source = "Wootters and Fields 1989" if degree == 2 else "Weil 1948"
        build = partial(exponential_sum_code, prime, degree, n)
        if cosine < 1:
            yield KnownCode(f"{kind}, p = {prime}", n, 2 * prime, cosine, source, build)


def _candidates(n: int, dimension: int) -> Iterator[KnownCode]:
    yield from _elementary(n, dimension)
    yield from (code for code in NAMED_CODES if code.size >= n and code.dimension <= dimension)
    yield from _signs(n, dimension)
    yield from _pairs_of_bases(n, dimension)
    yield from _exponential_sums(n, dimension)


def _part(code: KnownCode, n: int, dimension: int) -> np.ndarray:
    points = code.points()[:n]
    if points.shape[1] == dimension:
        return points
    return np.pad(points, ((0, 0), (0, dimension - points.shape[1])))


def best_known(n: int, dimension: int) -> KnownCode | None:
    """Return the closed form with the largest angle for `n` points in `dimension`, or None when there is none.

    A code of more points or fewer dimensions serves too: `points()` gives exactly `n` rows of `dimension` columns, and
    only it builds anything. Raises TypeError for numbers that are not integers, ValueError for n < 2 or dimension < 2.
    """
    try:
        n, dimension = index(n), index(dimension)
    except TypeError:
        raise TypeError(f"n and dimension must be integers, found {n!r} and {dimension!r}.") from None
    if n < 2:
        raise ValueError(f"n must be at least 2, found {n}.")
    if dimension < 2:
        raise ValueError(f"dimension must be at least 2, found {dimension}.")
    # Rounding must not choose between equals: the smaller code is the better of them.
    code = min(
        _candidates(n, dimension),
        key=lambda code: (round(code.max_cosine, 12), code.dimension, code.size),
        default=None,
    )
    if code is None:
        return None
    return KnownCode(code.name, n, dimension, code.max_cosine, code.source, partial(_part, code, n, dimension))
