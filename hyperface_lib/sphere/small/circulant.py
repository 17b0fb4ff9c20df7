"""Starts with a large symmetry group: minima of the energy among unions of a few orbits of permuted coordinates.

Among hundreds of points the energy has so many minima that descents from random points never meet the best code; among
codes that a large group leaves as they are it has few. The groups are those of quasi-cyclic codes: coordinates come in
as many copies of Z_p as fit, which x -> a x + b permutes, a from the subgroup of order k; the rest stay. With or
without x -> -x. All groups of this family that fit the number of points and the dimension are drawn alike, whatever is
known of the code sought; that such a family is worth drawing from was learnt from codes whose groups are known.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from hyperface_lib.sphere.small.contacts import unit_rows

_MOST_ORBITS = 14
_ITERATIONS = 300
_LEAST_DISTANCE = 1e-9


class Layout(NamedTuple):
    """A group, and of how many orbits of which kind a packing consists.

    The group has order p k, times 2 if `antipodal`. `free` orbits have as many points as it; a point of a `short` orbit
    is unmoved by a -> a x, which leaves p points; `fixed` points are unmoved by all (up to the antipodal map).
    """

    prime: int
    multipliers: int
    antipodal: bool
    free: int
    short: int
    fixed: int

    @property
    def orbits(self) -> int:
        """The number of orbits, from 1 point each of which the packing follows."""
        return self.free + self.short + self.fixed


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % factor for factor in range(2, int(number**0.5) + 1))


def _order(element: int, prime: int) -> int:
    """Return the multiplicative order of `element` modulo `prime`."""
    return next(order for order in range(1, prime) if pow(element, order, prime) == 1)


@lru_cache(maxsize=256)
def layouts(count: int, dimension: int) -> tuple[Layout, ...]:
    """Return all layouts of `count` points in `dimension` with at most 14 orbits, the groups of order 5 and more."""
    found = []
    for prime in filter(_is_prime, range(3, dimension + 1)):
        for multipliers in (k for k in range(1, prime) if (prime - 1) % k == 0):
            for sign in (1, 2):
                order, shorter = sign * prime * multipliers, sign * prime
                if order < 5:
                    continue
                # With k = 1 short orbits are free ones.
                most_short = _MOST_ORBITS if multipliers > 1 else 0
                for free in range(min(_MOST_ORBITS, count // order) + 1):
                    for short in range(min(most_short, (count - free * order) // shorter) + 1):
                        fixed, odd = divmod(count - free * order - short * shorter, sign)
                        if not odd and fixed <= 2 and free + short + fixed <= _MOST_ORBITS:
                            found.append(Layout(prime, multipliers, sign == 2, free, short, fixed))
    return tuple(found)


def draw_layout(count: int, dimension: int, generator: np.random.Generator) -> Layout | None:
    """Return a random layout, those with few orbits preferred; None if there is none."""
    choices = layouts(count, dimension)
    if not choices:
        return None
    weights = np.array([1.0 / layout.orbits**2 for layout in choices])
    return choices[generator.choice(len(choices), p=weights / weights.sum())]


def group_permutations(layout: Layout, dimension: int) -> np.ndarray:
    """Return how the group permutes coordinates (k, p, d): element (e, b) is x -> g^e x + b on each copy of Z_p."""
    prime, multipliers = layout.prime, layout.multipliers
    generator = next(g for g in range(1, prime) if _order(g, prime) == multipliers)
    permutations = np.tile(np.arange(dimension), (multipliers, prime, 1))
    residues = np.arange(prime)
    for e in range(multipliers):
        for shift in range(prime):
            images = (pow(generator, e, prime) * residues + shift) % prime
            for copy in range(dimension // prime):
                permutations[e, shift, copy * prime + images] = copy * prime + residues
    return permutations


class _Code:
    """The points that seeds, one for each orbit, stand for."""

    def __init__(self, layout: Layout, dimension: int) -> None:
        permutations = group_permutations(layout, dimension)
        everything = permutations.reshape(-1, dimension)
        identity = permutations[0, :1]
        # For each kind of orbit: the permutations that make it, those that must leave the seed, how many orbits.
        self.kinds = [
            (everything, identity, layout.free),
            (permutations[0], permutations[:, 0], layout.short),
            (identity, everything, layout.fixed),
        ]
        self.signs = (1.0, -1.0) if layout.antipodal else (1.0,)
        self.sizes = np.concatenate(
            [np.full(number, len(self.signs) * len(making)) for making, _, number in self.kinds]
        ).astype(np.float64)
        self.own = np.cumsum(np.append(0, self.sizes[:-1])).astype(int)

    def projected(self, seeds: np.ndarray) -> np.ndarray:
        """Return the parts of `seeds` that their stabilisers leave."""
        parts, start = [], 0
        for _, leaving, number in self.kinds:
            parts.append(seeds[start : start + number][:, leaving].mean(axis=1))
            start += number
        return np.concatenate(parts)

    def points(self, seeds: np.ndarray) -> np.ndarray:
        """Return all points, orbit after orbit, each led by its seed."""
        parts, start = [], 0
        for making, _, number in self.kinds:
            images = seeds[start : start + number][:, making]
            signed = np.concatenate([sign * images for sign in self.signs], axis=1)
            parts.append(signed.reshape(-1, seeds.shape[1]))
            start += number
        return np.concatenate(parts)

    def energy(self, flat: np.ndarray, half_exponent: float) -> tuple[float, np.ndarray]:
        """Return the Riesz energy, the mean of d^-h over ordered pairs, and its gradient with respect to raw seeds."""
        dimension = len(flat) // len(self.sizes)
        projected = self.projected(flat.reshape(-1, dimension))
        lengths = np.maximum(np.linalg.norm(projected, axis=1, keepdims=True), 1e-12)
        seeds = projected / lengths
        points = self.points(seeds)
        distances = np.maximum(1 - seeds @ points.T, _LEAST_DISTANCE)
        weights = distances**-half_exponent
        weights[np.arange(len(seeds)), self.own] = 0
        scale = 1 / float(len(points)) ** 2
        gradient = (2 * half_exponent * scale) * self.sizes[:, None] * ((weights / distances) @ points)
        gradient = (gradient - (gradient * seeds).sum(axis=1, keepdims=True) * seeds) / lengths
        return scale * float(self.sizes @ weights.sum(axis=1)), self.projected(gradient).ravel()


def symmetric_minimum(
    layout: Layout, dimension: int, half_exponent: float, generator: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Return a minimum of the energy among the codes of `layout`, unit rows (n, d), and its energy (L-BFGS)."""
    code = _Code(layout, dimension)
    seeds = code.projected(generator.standard_normal((layout.orbits, dimension)))
    result = minimize(
        code.energy,
        unit_rows(seeds).ravel(),
        args=(half_exponent,),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _ITERATIONS, "maxcor": 15, "ftol": 1e-12, "gtol": 1e-8},
    )
    return code.points(unit_rows(code.projected(result.x.reshape(layout.orbits, dimension)))), float(result.fun)


def circulant_start(
    count: int, dimension: int, half_exponent: float, draws: int, generator: np.random.Generator
) -> np.ndarray | None:
    """Return the code (n, d) of least energy of `draws` minima with random layouts; None where no layout fits."""
    best: tuple[np.ndarray, float] | None = None
    for _ in range(draws):
        layout = draw_layout(count, dimension, generator)
        if layout is None:
            return None
        found = symmetric_minimum(layout, dimension, half_exponent, generator)
        if best is None or found[1] < best[1]:
            best = found
    return None if best is None else best[0]
