"""The Riesz energy of few points, compiled: with its gradient it costs little more than the cosines themselves."""

from __future__ import annotations

import numpy as np
from numba import njit

# Rounding may be reordered, so that loops use vector instructions; NaN and infinity keep their meaning.
FAST = {"reassoc", "contract", "arcp", "nsz"}
# Points closer than this (in 1 - cos) push as if they were this far apart: coinciding points exert a finite force.
_LEAST_DISTANCE = 1e-14
# Weights below this, relative to the largest, count as 0, which keeps their squares out of the denormal range.
_LEAST_WEIGHT = 1e-60


@njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")
def energy_and_gradient(columns, doublings, distances, weights, gradient):  # type: ignore[no-untyped-def]
    """Return the logarithm of the Riesz power mean of the points and write its gradient.

    `columns` (d, n) are unit columns and `gradient` (d, n) becomes the ambient one. With d_ij = 1 - cos_ij the value is
    log(sum_{i<j} d_ij^-h) / h, h = 2^doublings: the Riesz energy of exponent s = 2 h, whose limit for large h is
    -log of the smallest distance. Such a power is a few squarings. `distances` (n, n) and `weights` (n,) are
    workspace; the lower triangle of the former holds d_ij afterwards.
    """
    dimension, count = columns.shape
    smallest = 4.0
    for i in range(1, count):
        row = distances[i]
        for j in range(i):
            row[j] = 1.0
        for k in range(dimension):
            for j in range(i):
                row[j] -= columns[k, i] * columns[k, j]
        for j in range(i):
            row[j] = max(row[j], _LEAST_DISTANCE)
            smallest = min(smallest, row[j])
    for k in range(dimension):
        for j in range(count):
            gradient[k, j] = 0.0
    total = 0.0
    for i in range(1, count):
        row = distances[i]
        for j in range(i):
            weights[j] = smallest / row[j]
        for _ in range(doublings):
            for j in range(i):
                weight = weights[j] * weights[j]
                weights[j] = weight if weight > _LEAST_WEIGHT else 0.0
        for j in range(i):
            total += weights[j]
            weights[j] /= row[j]
        for k in range(dimension):
            pull = 0.0
            here = columns[k, i]
            for j in range(i):
                pull += weights[j] * columns[k, j]
                gradient[k, j] += weights[j] * here
            gradient[k, i] += pull
    for k in range(dimension):
        for j in range(count):
            gradient[k, j] /= total
    return np.log(total) / 2.0**doublings - np.log(smallest)
