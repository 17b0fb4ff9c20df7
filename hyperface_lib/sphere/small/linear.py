"""Sequential linear programming: the largest cosine is lowered without a guess of which pairs touch in the end."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack

from hyperface_lib.sphere.small.contacts import contacts_within, jacobian, largest_cosine_of, unit_rows

# With less than this to gain the linear program's own tolerance decides.
_LEAST_GAIN = 1e-15


def lower_largest_cosine(points: np.ndarray, radius: float = 1e-4, rounds: int = 30) -> np.ndarray:
    """Return points near `points` (n, d) with a largest cosine that is no larger, to first order the least.

    Each round solves min t, cos_ij + J_ij u <= t, |u|_inf <= radius over the pairs that could matter within it (HiGHS),
    and takes the move if it lowers the largest cosine; the radius follows how well the linear model predicted that.
    """
    current, value = points, largest_cosine_of(points)
    for _ in range(rounds):
        pairs = contacts_within(current, 4 * radius * np.sqrt(points.shape[1]))
        rows = len(pairs.cosines)
        matrix = hstack([jacobian(current, pairs), csr_array(-np.ones((rows, 1)))], format="csr")
        # Moves are in units of the radius, so that the program's absolute tolerances are relative to it.
        program = linprog(
            np.append(np.zeros(points.size), 1.0),
            A_ub=matrix,
            b_ub=(value - pairs.cosines) / radius,
            bounds=[(-1, 1)] * points.size + [(None, None)],
            method="highs",
        )
        if program.x is None:
            break
        predicted = -radius * program.x[-1]
        if predicted < _LEAST_GAIN:
            break
        moved = unit_rows(current + radius * program.x[:-1].reshape(points.shape))
        gain = value - largest_cosine_of(moved)
        if gain > 0:
            current, value = moved, value - gain
        radius *= 2.0 if gain > 0.75 * predicted else 0.25
        if radius < 1e-13:
            break
    return current
