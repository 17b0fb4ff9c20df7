"""Regular polytopes in three and four dimensions, and the small optimal arrangements on the ordinary sphere."""

from __future__ import annotations

import math
from itertools import combinations, permutations, product

import numpy as np
from scipy.optimize import brentq

from hyperface_lib.sphere.codes.elementary import hypercube
from hyperface_lib.sphere.codes.rows import unit

GOLDEN = (1 + math.sqrt(5)) / 2


def _even_permutations(size: int) -> list[list[int]]:
    def inversions(order: tuple[int, ...]) -> int:
        return sum(order[i] > order[j] for i, j in combinations(range(size), 2))

    return [list(order) for order in permutations(range(size)) if inversions(order) % 2 == 0]


def _orbit(values: tuple[float, ...], orders: list[list[int]]) -> set[tuple[float, ...]]:
    """Return all sign changes of `values` in all `orders`, each once."""
    rows: set[tuple[float, ...]] = set()
    for signs in product((1.0, -1.0), repeat=len(values)):
        # No minus zero: it would count as another row.
        signed = [sign * value if value else 0.0 for sign, value in zip(signs, values, strict=True)]
        rows |= {tuple(signed[place] for place in order) for order in orders}
    return rows


def icosahedron() -> np.ndarray:
    """Return the 12 vertices of the icosahedron, cosine 1 / sqrt 5."""
    rows = [np.roll((0.0, a, b * GOLDEN), k) for a in (-1, 1) for b in (-1, 1) for k in range(3)]
    return unit(np.array(rows))


def dodecahedron() -> np.ndarray:
    """Return the 20 vertices of the dodecahedron, cosine sqrt 5 / 3; not the best arrangement of 20 points."""
    rows = _orbit((0.0, 1 / GOLDEN, GOLDEN), _even_permutations(3)) | _orbit((1.0, 1.0, 1.0), [[0, 1, 2]])
    return unit(np.array(sorted(rows)))


# t^3 = t^2 + t + 1.
_TRIBONACCI = (1 + (19 - 3 * math.sqrt(33)) ** (1 / 3) + (19 + 3 * math.sqrt(33)) ** (1 / 3)) / 3
SNUB_CUBE_COSINE = _TRIBONACCI**2 / (1 + _TRIBONACCI**2 + _TRIBONACCI**-2)


def snub_cube() -> np.ndarray:
    """Return the 24 vertices of the snub cube, optimal (Robinson 1961), cosine t^2 / (1 + t^2 + 1 / t^2).

    Even permutations of (+-1, +-1/t, +-t) with an even number of minus signs and odd ones with an odd number, t the
    tribonacci constant.
    """
    even = _even_permutations(3)
    rows = []
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            if (math.prod(signs) > 0) == (list(order) in even):
                values = np.array([1.0, 1 / _TRIBONACCI, _TRIBONACCI])[list(order)]
                rows.append(values * np.array(signs))
    return unit(np.array(rows))


def _ring(count: int, cosine_from_pole: float, turn_radians: float) -> np.ndarray:
    """Return `count` equally spaced points on a circle of latitude, the first at longitude `turn_radians`."""
    sine = math.sqrt(1 - cosine_from_pole**2)
    angles = turn_radians + 2 * np.pi * np.arange(count) / count
    return np.stack([sine * np.cos(angles), sine * np.sin(angles), np.full(count, cosine_from_pole)], axis=1)


def _seven_points_excess(c: float) -> float:
    lower = (1 + 2 * c) / 3
    return -c * math.sqrt(lower) + 0.5 * math.sqrt((1 - c * c) * (1 - lower)) - c


SEVEN_POINTS_COSINE = float(brentq(_seven_points_excess, 0.1, 0.3, xtol=1e-16))


def seven_points() -> np.ndarray:
    """Return the optimal 7 points on the sphere: a pole, three at angle theta from it, and three below.

    The lower three are at theta from one another and from the upper ones: with c = cos theta and l = (1 + 2c) / 3 it
    is the root of -c sqrt l + sqrt((1 - c^2)(1 - l)) / 2 = c. Schuette and van der Waerden 1951.
    """
    c = SEVEN_POINTS_COSINE
    pole = np.array([[0.0, 0.0, 1.0]])
    return np.concatenate([pole, _ring(3, c, 0.0), _ring(3, -math.sqrt((1 + 2 * c) / 3), math.pi / 3)])


def square_antiprism() -> np.ndarray:
    """Return the optimal 8 points on the sphere, cosine (2 sqrt 2 - 1) / 7 (Schuette and van der Waerden 1951).

    All edges are equal when the height h of a square above the equator fulfils h^2 = (2 sqrt 2 - 1) / 7.
    """
    height = math.sqrt((2 * math.sqrt(2) - 1) / 7)
    return np.concatenate([_ring(4, height, 0.0), _ring(4, -height, math.pi / 4)])


def nine_points() -> np.ndarray:
    """Return the optimal 9 points on the sphere, cosine 1/3: three triangles (Schuette and van der Waerden 1951)."""
    height = math.sqrt(5) / 3
    return np.concatenate([_ring(3, 0.0, math.pi / 3), _ring(3, height, 0.0), _ring(3, -height, 0.0)])


def _meeting(x: float, y: float, c: float) -> tuple[float, float]:
    """Return the unit vector of the plane with inner product `c` with (x, y), turned clockwise from it."""
    square = x * x + y * y
    side = math.sqrt(square - c * c)
    return (c * x + side * y) / square, (c * y - side * x) / square


def _ten_points(c: float) -> tuple[np.ndarray, float]:
    """Return the ten points for the cosine `c` of all contacts but the last, and how far that one is above `c`."""
    up, out = math.sqrt((1 + c) / 2), math.sqrt((1 - c) / 2)
    height = (3 * c - 1) / (2 * up)
    side = math.sqrt(1 - out * out - height * height)
    first, first_height = _meeting(out, height, c)
    second, second_height = _meeting(side, height, c)
    rows = [(sign * out, 0.0, up) for sign in (1, -1)]
    rows += [(sign * out, other * side, height) for sign, other in product((1, -1), repeat=2)]
    rows += [(sign * first, 0.0, first_height) for sign in (1, -1)]
    rows += [(0.0, sign * second, second_height) for sign in (1, -1)]
    return np.array(rows), first_height * second_height - c


TEN_POINTS_COSINE = float(brentq(lambda c: _ten_points(c)[1], 0.402, 0.406, xtol=1e-16))


def ten_points() -> np.ndarray:
    """Return the optimal 10 points on the sphere (Danzer 1963): two mirrors, orbits of 2, 4, 2 and 2 points.

    Five of the six kinds of contact fix the points for a cosine c, the sixth fixes c (Sugimoto and Tanemura 2015).
    """
    return _ten_points(TEN_POINTS_COSINE)[0]


def twelve_on_a_torus() -> np.ndarray:
    """Return 12 points in 4 dimensions with cosine 1/4, (w^{2k}, w^{3k}) / sqrt 2 for w a 12th root of unity.

    The cosines (cos(k 60 degrees) + cos(k 90 degrees)) / 2 are 1/4, 0, -1/2 and -3/4. No better one is known.
    """
    angles = 2 * np.pi * np.arange(12) / 12
    columns = [np.cos(2 * angles), np.sin(2 * angles), np.cos(3 * angles), np.sin(3 * angles)]
    return np.stack(columns, axis=1) / math.sqrt(2)


def six_hundred_cell() -> np.ndarray:
    """Return the 120 vertices of the 600-cell (the icosian units), cosine (1 + sqrt 5) / 4."""
    rows = {tuple(row) for row in np.concatenate([np.eye(4), -np.eye(4)])}
    rows |= set(product((0.5, -0.5), repeat=4))
    rows |= _orbit((GOLDEN / 2, 0.5, 1 / (2 * GOLDEN), 0.0), _even_permutations(4))
    return unit(np.array(sorted(rows)))


def one_hundred_twenty_cell() -> np.ndarray:
    """Return the 600 vertices of the 120-cell, cosine (1 + 3 sqrt 5) / 8 (Coxeter, Regular Polytopes, section 8.7)."""
    root = math.sqrt(5)
    every = [list(order) for order in permutations(range(4))]
    even = _even_permutations(4)
    rows: set[tuple[float, ...]] = set()
    for values, orders in [
        ((0.0, 0.0, 2.0, 2.0), every),
        ((1.0, 1.0, 1.0, root), every),
        ((GOLDEN**-2, GOLDEN, GOLDEN, GOLDEN), every),
        ((1 / GOLDEN, 1 / GOLDEN, 1 / GOLDEN, GOLDEN**2), every),
        ((0.0, GOLDEN**-2, 1.0, GOLDEN**2), even),
        ((0.0, 1 / GOLDEN, GOLDEN, root), even),
        ((1 / GOLDEN, 1.0, GOLDEN, 2.0), even),
    ]:
        rows |= _orbit(values, orders)
    return unit(np.array(sorted(rows)))


def cube() -> np.ndarray:
    """Return the 8 vertices of the cube, cosine 1/3; the square antiprism is better."""
    return hypercube(3)


def tesseract() -> np.ndarray:
    """Return the 16 vertices of the tesseract, cosine 1/2."""
    return hypercube(4)
