"""The contact graph of a packing, and Newton's method on it: all contacts become equal to the last digit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import lstsq
from scipy.sparse import csr_array, hstack
from scipy.sparse.linalg import lsmr

# Up to this many entries the Jacobian is held densely, which solves ill-conditioned graphs exactly.
_DENSE_ENTRIES = 100_000
_NEWTON_STEPS = 8
_ITERATIONS = 300


class Contacts(NamedTuple):
    """Pairs of points (m,), first > second, and their cosines, largest first."""

    first: np.ndarray
    second: np.ndarray
    cosines: np.ndarray


def unit_rows(points: np.ndarray) -> np.ndarray:
    """Return the rows of `points` divided by their lengths."""
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def largest_cosine_of(points: np.ndarray) -> float:
    """Return the largest cosine between two different unit rows (n, d)."""
    cosines = points @ points.T
    np.fill_diagonal(cosines, -np.inf)
    return float(cosines.max())


def contacts_within(points: np.ndarray, gap: float) -> Contacts:
    """Return the pairs of unit rows (n, d) whose cosine is less than `gap` below the largest one."""
    first, second = np.tril_indices(len(points), -1)
    cosines = (points @ points.T)[first, second]
    chosen = np.flatnonzero(cosines >= cosines.max() - gap)
    chosen = chosen[np.argsort(-cosines[chosen], kind="stable")]
    return Contacts(first[chosen], second[chosen], cosines[chosen])


def jacobian(points: np.ndarray, contacts: Contacts) -> csr_array:
    """Return the derivative (m, n d) of the cosines of `contacts` by tangent moves of the points (n, d)."""
    count, dimension = points.shape
    one, other = points[contacts.first], points[contacts.second]
    cosines = contacts.cosines[:, None]
    values = np.concatenate([other - cosines * one, one - cosines * other], axis=1)
    axes = np.arange(dimension)
    columns = np.concatenate(
        [contacts.first[:, None] * dimension + axes, contacts.second[:, None] * dimension + axes], axis=1
    )
    starts = np.arange(0, values.size + 1, 2 * dimension)
    return csr_array((values.ravel(), columns.ravel(), starts), shape=(len(values), count * dimension))


def equalise(points: np.ndarray, contacts: Contacts) -> np.ndarray:
    """Return the points near `points` (n, d) at which the cosines of `contacts` are equal.

    Newton's method on cos_ij = t with t free; each step is the shortest that solves the linearised equations, so it
    serves graphs with more contacts than freedoms (when they are consistent) and with fewer. From a packing that is
    optimal up to e the new one is optimal up to e^2: the multipliers make t stationary along what the contacts leave
    free.
    """
    current, pairs = points, contacts
    best, best_spread = points, np.inf
    for _ in range(_NEWTON_STEPS):
        spread = float(np.ptp(pairs.cosines))
        if not spread < best_spread / 2:
            break
        best, best_spread = current, spread
        if spread < 2e-16:
            break
        move = _shortest_solution(jacobian(current, pairs), pairs.cosines)
        current = unit_rows(current + move.reshape(current.shape))
        cosines = np.einsum("mk,mk->m", current[pairs.first], current[pairs.second])
        pairs = pairs._replace(cosines=cosines)
    return best


def _shortest_solution(derivative: csr_array, cosines: np.ndarray) -> np.ndarray:
    """Return the least-squares move u, of least length, of cosines + J u = constant."""
    residuals = cosines.mean() - cosines
    if derivative.shape[0] * derivative.shape[1] <= _DENSE_ENTRIES:
        dense = derivative.toarray()
        # Taking the mean over contacts off both sides eliminates the constant.
        return lstsq(dense - dense.mean(axis=0), residuals, cond=1e-11, lapack_driver="gelsy")[0]
    extended = hstack([derivative, csr_array(-np.ones((len(cosines), 1)))], format="csr")
    return lsmr(extended, residuals, atol=1e-15, btol=1e-15, conlim=0, maxiter=_ITERATIONS)[0][:-1]
