"""One descent: a Riesz energy of low exponent converged, then the exponent doubled until only contacts are left."""

from __future__ import annotations

import time

import numpy as np

from hyperface_lib.sphere.small.descent import minimise_energy

LAST_DOUBLINGS = 18
_FIRST_ITERATIONS, _FIRST_TOLERANCE = 1000, 1e-10
_TOLERANCE = 1e-10
# Before each doubling points are moved by this fraction of how far they follow the exponent: minima of a low exponent
# are symmetric, and become saddles that no descent leaves by itself.
_NOISE = 0.01


def evaluation_cost(count: int, dimension: int) -> float:
    """Return the cost of one evaluation of the energy in multiplications, about 4e9 of which take a second."""
    return count * (count - 1) / 2 * (dimension + 12) + 60.0 * count * dimension


def anneal(
    points: np.ndarray,
    generator: np.random.Generator,
    first_doublings: int,
    iterations: int = 120,
    last_doublings: int = LAST_DOUBLINGS,
    deadline: float = np.inf,
) -> tuple[np.ndarray, int]:
    """Descend from `points`, unit rows (n, d), along energies of exponent 2^(k+1), k = first to last doublings.

    The first is converged, the others get `iterations` each. Ends early when time.perf_counter() passes `deadline`.
    Returns the points and the number of evaluations.
    """
    columns = np.ascontiguousarray(points.T)
    evaluations = 0
    for doublings in range(first_doublings, last_doublings + 1):
        if doublings == first_doublings:
            evaluations += minimise_energy(columns, doublings, _FIRST_ITERATIONS, _FIRST_TOLERANCE)
        else:
            columns += _NOISE * np.sqrt(_nearest(columns) / 2.0**doublings) * generator.standard_normal(columns.shape)
            columns /= np.linalg.norm(columns, axis=0)
            evaluations += minimise_energy(columns, doublings, iterations, _TOLERANCE)
        if time.perf_counter() > deadline:
            break
    return np.ascontiguousarray(columns.T), evaluations


def sharpen(points: np.ndarray, first_doublings: int, last_doublings: int) -> np.ndarray:
    """Follow the energies of rising exponent from `points`, unit rows (n, d), exactly: without noise."""
    columns = np.ascontiguousarray(points.T)
    for doublings in range(first_doublings, last_doublings + 1):
        minimise_energy(columns, doublings, 200, 1e-15)
    return np.ascontiguousarray(columns.T)


def _nearest(columns: np.ndarray) -> float:
    """Return the smallest 1 - cos between two unit columns (d, n)."""
    cosines = columns.T @ columns
    np.fill_diagonal(cosines, -1.0)
    return max(1.0 - float(cosines.max()), 1e-14)
