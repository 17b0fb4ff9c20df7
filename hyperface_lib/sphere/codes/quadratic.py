"""Codes of signs of quadratic functions on GF(2)^m: Gold, Kerdock, Delsarte-Goethals, duals of BCH codes.

Two points (-1)^{q(x) + l(x) + e} / sqrt(2^m), with q from a set of quadratic functions and l linear, have an inner
product of 0 or +-2^{m - r/2}, where r is the rank of the bilinear form of the difference of their q. The larger the
smallest rank, the further apart the points and the smaller the set (Delsarte and Goethals 1975).

A code is shortened by keeping the points that are + at s chosen coordinates and dropping those coordinates: what the
points had in common goes, so the largest cosine M / N becomes (M - s) / (N - s), for a 2^s-th of the points.
Dropping further coordinates (puncturing) keeps the points at a cosine of at most (M + p) / (N - p).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hyperface_lib.sphere.codes.finite_field import PRIMITIVE, BinaryField

_SMALLEST_M, _LARGEST_M = 2, 14


@lru_cache(maxsize=4)
def _field(m: int) -> BinaryField:
    return BinaryField(m)


@dataclass(frozen=True)
class QuadraticCode:
    """The code in 2^m dimensions with `terms` free coefficients.

    m odd: q(x) = sum_{j=1..terms} Tr(b_j x^{1 + 2^j}), x in GF(2^m): dual of the BCH code that corrects terms + 1
    errors, Gold's for one term (MacWilliams and Sloane, chapter 15). m even: x = (y, z) in GF(2^{m-1}) x GF(2) and
    q(x) = sum_{j=1..(m-2)/2} Tr((a y)^{1 + 2^j}) + z Tr(a y) + sum_{j=1..terms} Tr(b_j y^{1 + 2^j}): Kerdock's without
    terms, Delsarte and Goethals' with (Hammons, Kumar, Calderbank, Sloane and Sole 1994, under the Gray map).
    Raises ValueError for m outside 2..14 and terms the length has no room for.
    """

    m: int
    terms: int

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not _SMALLEST_M <= self.m <= _LARGEST_M:
            raise ValueError(f"m must be between {_SMALLEST_M} and {_LARGEST_M}, found {self.m}.")
        low, high = (1, (self.m - 1) // 2) if self.m % 2 else (0, self.m // 2 - 1)
        if not low <= self.terms <= high:
            raise ValueError(f"terms must be between {low} and {high} for m = {self.m}, found {self.terms}.")

    @property
    def name(self) -> str:
        """What the code is called."""
        if self.m % 2 == 0 and self.terms == 0:
            return f"Kerdock code, m = {self.m}"
        if self.m % 2 == 0:
            return f"Delsarte-Goethals code, m = {self.m}, r = {self.terms}"
        return (
            f"Gold code, m = {self.m}" if self.terms == 1 else f"dual BCH code, m = {self.m}, {self.terms + 1} errors"
        )

    @property
    def source(self) -> str:
        """Where the code comes from."""
        if self.m % 2 == 0:
            return "Kerdock 1972" if self.terms == 0 else "Delsarte and Goethals 1975"
        return "Gold 1968" if self.terms == 1 else "MacWilliams and Sloane 1977, chapter 15"

    @property
    def length(self) -> int:
        """The dimension, 2^m."""
        return 1 << self.m

    @property
    def forms(self) -> int:
        """The number of quadratic functions."""
        return 1 << (self.m * self.terms if self.m % 2 else (self.m - 1) * (self.terms + 1))

    @property
    def size(self) -> int:
        """The number of points, 2^{m+1} for each quadratic function."""
        return self.forms << (self.m + 1)

    @property
    def largest_product(self) -> int:
        """The largest inner product M of two points times 2^m; -2^m for opposite points."""
        return 1 << ((self.m - 1) // 2 + self.terms if self.m % 2 else self.m // 2 + self.terms)

    def cut_size(self, shortened: int) -> int:
        """Return the number of points after shortening `shortened` <= m + 1 times."""
        return self.size >> shortened

    def cut_cosine(self, shortened: int, punctured: int) -> float:
        """Return what no cosine of the shortened and punctured code exceeds."""
        cut = shortened - punctured
        return (self.largest_product - cut) / (self.length - shortened - punctured)

    def points(self, count: int, shortened: int = 0, punctured: int = 0) -> np.ndarray:
        """Return the first `count` points, float32 (count, 2^m - shortened - punctured).

        Without shortening they come one quadratic function after the other, each an orthoplex.
        Raises ValueError for a count or a number of shortenings out of range.
        """
        if not 0 <= shortened <= self.m + 1:
            raise ValueError(f"shortened must be between 0 and {self.m + 1}, found {shortened}.")
        if not 0 <= punctured < self.length - shortened:
            raise ValueError(f"punctured must be below {self.length - shortened}, found {punctured}.")
        size = self.cut_size(shortened)
        if not 1 <= count <= size:
            raise ValueError(f"the {self.name} cut {shortened} times has 1 to {size} points, found count {count}.")
        # The origin and the first unit vectors are affinely independent: a linear function takes any values there.
        dropped = [0, *(1 << k for k in range(self.m))][:shortened]
        kept = np.setdiff1d(np.arange(self.length), dropped)
        kept = kept[: len(kept) - punctured]
        affine = self._affine_signs(shortened)[:, kept]
        scale = np.float32(1 / math.sqrt(len(kept)))
        out = np.empty((count, len(kept)), dtype=np.float32)
        for form in range(-(-count // len(affine))):
            start = form * len(affine)
            part = out[start : start + len(affine)]
            signs = (1 - 2 * self._vanishing_on(dropped, self.values(form))[kept]).astype(np.float32)
            np.multiply(affine[: len(part)], signs * scale, out=part)
        return out

    def _affine_signs(self, shortened: int) -> np.ndarray:
        """Return the signs of the affine functions that vanish at the dropped places, rows of Sylvester's matrix."""
        places = np.arange(self.length)
        linear = np.arange(0, self.length, 1 << max(shortened - 1, 0))
        if shortened == 0:
            plus = _signs(linear, places)
            return np.concatenate([plus, -plus])
        return _signs(linear, places)

    def _vanishing_on(self, dropped: list[int], values: np.ndarray) -> np.ndarray:
        """Return `values` plus the affine function that makes them 0 at the dropped places."""
        if not dropped:
            return values
        places = np.arange(self.length)
        out = values ^ values[0]
        for place in dropped[1:]:
            out ^= np.where(places & place, values[place] ^ values[0], 0)
        return out

    def values(self, form: int) -> np.ndarray:
        """Return the values, 0 or 1, of quadratic function number `form` at all 2^m places."""
        if self.m % 2:
            return self._odd_values(form)
        return self._even_values(form)

    def _odd_values(self, form: int) -> np.ndarray:
        field = _field(self.m)
        return _trace_terms(field, np.arange(field.order), form, self.terms)

    def _even_values(self, form: int) -> np.ndarray:
        field = _field(self.m - 1)
        elements = np.arange(field.order)
        rest, a = divmod(form, field.order)
        scaled = field.multiply(np.full(field.order, a), elements)
        kerdock = np.zeros(field.order, dtype=np.int64)
        for j in range(1, self.m // 2):
            kerdock ^= field.trace(field.power(scaled, 1 + (1 << j)))
        first = kerdock ^ _trace_terms(field, elements, rest, self.terms)
        return np.concatenate([first, first ^ field.trace(scaled)])


def _trace_terms(field: BinaryField, elements: np.ndarray, number: int, terms: int) -> np.ndarray:
    """Return sum_j Tr(b_j x^{1 + 2^j}) at all elements, b_j the digits of `number` in base 2^m."""
    values = np.zeros(field.order, dtype=np.int64)
    for j in range(1, terms + 1):
        number, digit = divmod(number, field.order)
        powers = field.power(elements, 1 + (1 << j))
        values ^= field.trace(field.multiply(np.full(field.order, digit), powers))
    return values


def _signs(linear: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return (-1)^{l . x} for the bit vectors `linear` (k,) and `places` (n,), float32 (k, n)."""
    bits = np.bitwise_count(linear[:, None] & places[None, :])
    return (1.0 - 2.0 * (bits & 1)).astype(np.float32)


def quadratic_codes(largest_length: int) -> list[QuadraticCode]:
    """Return all codes of this kind with 2^m up to `largest_length`."""
    codes = []
    for m in range(_SMALLEST_M, min(_LARGEST_M, largest_length.bit_length() - 1) + 1):
        terms = range(1, (m - 1) // 2 + 1) if m % 2 else range(m // 2)
        codes += [QuadraticCode(m, count) for count in terms]
    return codes


def gold_code(m: int, count: int | None = None) -> np.ndarray:
    """Return the first `count` points of the Gold code in 2^m dimensions, m odd: all 2^(2m+1) of them by default.

    x_{a,b,e}(t) = (-1)^{Tr(a t + b t^3) + e} / sqrt(2^m), t over GF(2^m): the dual of the extended two-error-correcting
    BCH code (Gold 1968; MacWilliams and Sloane, chapter 15). Cosines are at most 2^{-(m-1)/2}: in 512 dimensions
    524,288 points at 1/16, 86.417 degrees. Points come one b after the other, 2^(m+1) each, each such part an
    orthoplex. float32 (count, 2^m). Raises ValueError for an m that is not odd in 3..13 or a count out of range.
    """
    known = [k for k in PRIMITIVE if k > 1]
    if m not in known:
        raise ValueError(f"a Gold code is built for m in {', '.join(map(str, known))}, found {m}.")
    code = QuadraticCode(m, 1)
    return code.points(code.size if count is None else count)


def kerdock_code(m: int, count: int | None = None) -> np.ndarray:
    """Return the first `count` of the 2^(2m) + 2^(m+1) points of the Kerdock code with the axes, m even.

    2^{m-1} + 1 real bases of 2^m dimensions, mutually unbiased, with signs: d (d + 2) points with cosines of at most
    1 / sqrt d, d = 2^m: 66,048 points at 1/16 in 256 dimensions. In 2^m dimensions with m odd nothing as good exists,
    as 2^m is no square. float32 (count, 2^m).
    Kerdock 1972; Calderbank, Cameron, Kantor and Seidel 1997.
    Raises ValueError for an m that is not even in 2..14 or a count out of range.
    """
    if m % 2 or not _SMALLEST_M <= m <= _LARGEST_M:
        raise ValueError(f"a Kerdock code is built for even m in {_SMALLEST_M} to {_LARGEST_M}, found {m}.")
    code = QuadraticCode(m, 0)
    total = code.size + 2 * code.length
    return with_axes(code, total if count is None else count)


def with_axes(code: QuadraticCode, count: int) -> np.ndarray:
    """Return `count` points: the code's, then the axes +-e_k, which are at 1 / sqrt d <= M / d from all of them.

    Raises ValueError for a count above the size of both.
    """
    total = code.size + 2 * code.length
    if not 1 <= count <= total:
        raise ValueError(f"the {code.name} with the axes has 1 to {total} points, found count {count}.")
    inside = min(count, code.size)
    points = code.points(inside)
    if count == inside:
        return points
    identity = np.eye(code.length, dtype=np.float32)
    return np.concatenate([points, np.concatenate([identity, -identity])[: count - inside]])


def hadamard_pair(m: int, count: int | None = None) -> np.ndarray:
    """Return the first `count` of the 4 d points +-e_k and +-rows of Sylvester's matrix / sqrt d, d = 2^m.

    Cosines are at most 1 / sqrt d. float32 (count, d). Raises ValueError for m outside 1..14 or a count out of range.
    """
    if not 1 <= m <= _LARGEST_M:
        raise ValueError(f"a pair of bases is built for m in 1 to {_LARGEST_M}, found {m}.")
    length = 1 << m
    count = 4 * length if count is None else count
    if not 1 <= count <= 4 * length:
        raise ValueError(f"the pair of bases for m = {m} has 1 to {4 * length} points, found count {count}.")
    places = np.arange(length)
    identity, rows = np.eye(length, dtype=np.float32), _signs(places, places) / np.float32(math.sqrt(length))
    return np.concatenate([identity, -identity, rows, -rows])[:count]
