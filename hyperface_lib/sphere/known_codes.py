"""Arrangements of points that are known in closed form, and the best of them for a size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, permutations, product

import numpy as np

from hyperface_lib.sphere.geometry import degrees_from_cosine

# Primitive polynomials over GF(2), bit k for x^k.
_PRIMITIVE = {3: 0b1011, 5: 0b100101, 7: 0b10000011, 9: 0b1000010001, 11: 0b100000000101}
_GOLDEN = (1 + math.sqrt(5)) / 2


@dataclass(frozen=True)
class KnownCode:
    """A code in closed form: `points()` builds it, float64 (size, dimension)."""

    name: str
    size: int
    dimension: int
    max_cosine: float
    source: str
    build: Callable[[], np.ndarray]

    @property
    def angle_degrees(self) -> float:
        """The smallest angle of the code in degrees."""
        return degrees_from_cosine(self.max_cosine)

    def points(self) -> np.ndarray:
        """Return the points of the code."""
        return self.build()


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


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
    return _unit(points)


def orthoplex(dimension: int, n: int | None = None) -> np.ndarray:
    """Return the 2 d points +-e_k, or the first `n` of them, float64: pairs of opposites, all others orthogonal.

    Raises ValueError for n > 2 d.
    """
    n = 2 * dimension if n is None else n
    if not 2 <= n <= 2 * dimension:
        raise ValueError(f"an orthoplex in dimension {dimension} has 2 to {2 * dimension} points, found {n}.")
    identity = np.eye(dimension)
    return np.concatenate([identity, -identity])[:n]


def icosahedron() -> np.ndarray:
    """Return the 12 vertices of the icosahedron, cosine 1 / sqrt 5."""
    rows = [np.roll((0.0, a, b * _GOLDEN), k) for a in (-1, 1) for b in (-1, 1) for k in range(3)]
    return _unit(np.array(rows))


def root_system_d(dimension: int) -> np.ndarray:
    """Return the 2 d (d - 1) roots +-e_i +-e_j, cosine 1/2; in 4 dimensions the 24-cell."""
    rows = []
    for i, j in combinations(range(dimension), 2):
        for first, second in product((1.0, -1.0), repeat=2):
            row = np.zeros(dimension)
            row[i], row[j] = first, second
            rows.append(row)
    return _unit(np.array(rows))


def six_hundred_cell() -> np.ndarray:
    """Return the 120 vertices of the 600-cell (the icosian units), cosine (1 + sqrt 5) / 4."""
    even = [p for p in permutations(range(4)) if _is_even(p)]
    values = np.array([_GOLDEN, 1.0, 1 / _GOLDEN, 0.0]) / 2
    rows = {tuple(row) for row in np.concatenate([np.eye(4), -np.eye(4)])}
    rows |= set(product((0.5, -0.5), repeat=4))
    for signs in product((1.0, -1.0), repeat=3):
        signed = values * np.array([*signs, 1.0])
        rows |= {tuple(signed[list(order)]) for order in even}
    return _unit(np.array(sorted(rows)))


def _is_even(order: tuple[int, ...]) -> bool:
    return sum(order[i] > order[j] for i, j in combinations(range(len(order)), 2)) % 2 == 0


def e8_roots() -> np.ndarray:
    """Return the 240 roots of E8, cosine 1/2."""
    halves = [signs for signs in product((0.5, -0.5), repeat=8) if sum(value < 0 for value in signs) % 2 == 0]
    return _unit(np.concatenate([root_system_d(8), np.array(halves)]))


def gold_code(m: int, count: int | None = None) -> np.ndarray:
    """Return the first `count` points of the Gold code in 2^m dimensions, m odd: all 2^(2m+1) of them by default.

    x_{a,b,e}(t) = (-1)^{Tr(a t + b t^3) + e} / sqrt(2^m), t over GF(2^m): the dual of the extended two-error-correcting
    BCH code (Gold 1968; MacWilliams and Sloane, chapter 15). Cosines are at most 2^{-(m-1)/2}: in 512 dimensions
    524,288 points at 1/16, 86.417 degrees. Points come one b after the other, 2^(m+1) each, each such part an
    orthoplex. float32 (count, 2^m). Raises ValueError for an m without a table entry or a count out of range.
    """
    if m not in _PRIMITIVE:
        raise ValueError(f"a Gold code is built for m in {', '.join(map(str, _PRIMITIVE))}, found {m}.")
    order = 1 << m
    size = 2 * order * order
    count = size if count is None else count
    if not 1 <= count <= size:
        raise ValueError(f"the Gold code for m = {m} has 1 to {size} points, found count {count}.")
    powers, logs = _field(m)
    elements = np.arange(order)
    trace = _trace(m, powers, logs)
    cubes = _multiply(_multiply(elements, elements, powers, logs), elements, powers, logs)
    linear = trace[_multiply(elements[:, None], elements[None, :], powers, logs)]
    out = np.empty((count, order), dtype=np.float32)
    for b in range(-(-count // (2 * order))):
        cubic = trace[_multiply(np.full(order, b), cubes, powers, logs)]
        plus = 1.0 - 2.0 * (linear ^ cubic)
        part = np.concatenate([plus, -plus])
        start = b * 2 * order
        out[start : start + len(part)] = part[: count - start] / math.sqrt(order)
    return out


def _field(m: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the powers of a primitive element of GF(2^m), and the discrete logarithms (of 0: unused)."""
    order = 1 << m
    powers = np.empty(order - 1, dtype=np.int64)
    value = 1
    for exponent in range(order - 1):
        powers[exponent] = value
        value <<= 1
        if value & order:
            value ^= _PRIMITIVE[m]
    logs = np.zeros(order, dtype=np.int64)
    logs[powers] = np.arange(order - 1)
    return powers, logs


def _multiply(a: np.ndarray, b: np.ndarray, powers: np.ndarray, logs: np.ndarray) -> np.ndarray:
    return np.where((a == 0) | (b == 0), 0, powers[(logs[a] + logs[b]) % len(powers)])


def _trace(m: int, powers: np.ndarray, logs: np.ndarray) -> np.ndarray:
    conjugate = np.arange(1 << m)
    total = np.zeros(1 << m, dtype=np.int64)
    for _ in range(m):
        total ^= conjugate
        conjugate = _multiply(conjugate, conjugate, powers, logs)
    return total & 1


def _candidates(n: int, dimension: int) -> list[KnownCode]:
    """Return the closed forms with `n` points or more in at most `dimension` dimensions."""
    codes = [KnownCode("polygon", n, 2, math.cos(2 * math.pi / n), "regular polygon", lambda: polygon(n))]
    if n <= dimension + 1:
        codes.append(KnownCode("simplex", n, n - 1, -1 / (n - 1), "Rankin 1955", lambda: simplex(n)))
    if n <= 2 * dimension:
        half = max(2, -(-n // 2))
        codes.append(KnownCode("orthoplex", n, half, 0.0, "Rankin 1955", lambda: orthoplex(half, n)))
    cosine = (1 + math.sqrt(5)) / 4
    codes += [
        KnownCode("icosahedron", 12, 3, 1 / math.sqrt(5), "Fejes Toth 1943", icosahedron),
        KnownCode("24-cell", 24, 4, 0.5, "Schlafli 1852; Musin 2008", lambda: root_system_d(4)),
        KnownCode("600-cell", 120, 4, cosine, "Schlafli 1852; Boroczky 1978", six_hundred_cell),
        KnownCode("E8 roots", 240, 8, 0.5, "Levenshtein 1979; Odlyzko and Sloane 1979", e8_roots),
    ]
    for m in _PRIMITIVE:
        order = 1 << m
        count = min(n, 2 * order * order)
        build = _gold_builder(m, count)
        codes.append(KnownCode(f"Gold code, m = {m}", count, order, 2.0 ** (-(m - 1) / 2), "Gold 1968", build))
    return [code for code in codes if code.size >= n and code.dimension <= dimension]


def _gold_builder(m: int, count: int) -> Callable[[], np.ndarray]:
    return lambda: gold_code(m, count)


def best_known(n: int, dimension: int) -> KnownCode | None:
    """Return the closed form with the largest angle for `n` points in `dimension`, or None when there is none.

    A code of more points or fewer dimensions serves too: `points()` gives exactly `n` rows of `dimension` columns.
    Raises ValueError for n < 2 or dimension < 2.
    """
    if n < 2:
        raise ValueError(f"n must be at least 2, found {n}.")
    if dimension < 2:
        raise ValueError(f"dimension must be at least 2, found {dimension}.")
    codes = [code for code in _candidates(n, dimension) if dimension == 2 or code.name != "polygon"]
    if not codes:
        return None
    code = min(codes, key=lambda code: code.max_cosine)

    def build() -> np.ndarray:
        points = code.points()[:n]
        return np.pad(points, ((0, 0), (0, dimension - points.shape[1])))

    return KnownCode(code.name, n, dimension, code.max_cosine, code.source, build)
