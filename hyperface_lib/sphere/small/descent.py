"""L-BFGS for the Riesz energy on the product of spheres, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

from hyperface_lib.sphere.small.energy import FAST, energy_and_gradient

_MEMORY = 12
_ARMIJO, _CURVATURE = 1e-4, 0.9
# No point moves further than the first in one trial step, or than the second while only the gradient is known.
_LONGEST_STEP_RADIANS, _LONGEST_FIRST_STEP_RADIANS = 0.3, 0.02
_TRIALS = 30


@njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")
def _dot(first, second):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(first.shape[0]):
        for j in range(first.shape[1]):
            total += first[k, j] * second[k, j]
    return total


@njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")
def _combine(target, first, factor, second):  # type: ignore[no-untyped-def]
    """Write first + factor x second into `target`, all (d, n)."""
    for k in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[k, j] = first[k, j] + factor * second[k, j]


@njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")
def _column_sums(first, second, sums):  # type: ignore[no-untyped-def]
    """Write the inner products of the columns of two (d, n) arrays."""
    for j in range(first.shape[1]):
        sums[j] = 0.0
    for k in range(first.shape[0]):
        for j in range(first.shape[1]):
            sums[j] += first[k, j] * second[k, j]


@njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")
def _normalise(raw, columns, lengths):  # type: ignore[no-untyped-def]
    """Write the unit columns of `raw` (d, n) and their lengths."""
    _column_sums(raw, raw, lengths)
    for j in range(raw.shape[1]):
        lengths[j] = np.sqrt(lengths[j])
    for k in range(raw.shape[0]):
        for j in range(raw.shape[1]):
            columns[k, j] = raw[k, j] / lengths[j]


@njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")
def _evaluate(raw, doublings, columns, lengths, along, distances, gradient):  # type: ignore[no-untyped-def]
    """Return the energy at x = raw / |raw| and write its gradient with respect to `raw` (d, n)."""
    _normalise(raw, columns, lengths)
    value = energy_and_gradient(columns, doublings, distances, along, gradient)
    _column_sums(columns, gradient, along)
    for k in range(raw.shape[0]):
        for j in range(raw.shape[1]):
            gradient[k, j] = (gradient[k, j] - along[j] * columns[k, j]) / lengths[j]
    return value


@njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")
def _point(direction, gradient, steps, changes, curvatures, weights, stored):  # type: ignore[no-untyped-def]
    """Write the quasi-Newton direction: the two-loop recursion over the last `stored` pairs."""
    _combine(direction, gradient, -2.0, gradient)
    oldest = max(0, stored - _MEMORY)
    for number in range(stored - 1, oldest - 1, -1):
        slot = number % _MEMORY
        weights[slot] = _dot(steps[slot], direction) / curvatures[slot]
        _combine(direction, direction, -weights[slot], changes[slot])
    if stored > 0:
        slot = (stored - 1) % _MEMORY
        scale = curvatures[slot] / _dot(changes[slot], changes[slot])
        _combine(direction, direction, scale - 1.0, direction)
    for number in range(oldest, stored):
        slot = number % _MEMORY
        correction = weights[slot] - _dot(changes[slot], direction) / curvatures[slot]
        _combine(direction, direction, correction, steps[slot])


@njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")
def minimise_energy(columns, doublings, iterations, tolerance):  # type: ignore[no-untyped-def]
    """Move unit columns (d, n) in place to lower the Riesz energy of exponent 2 h, h = 2^doublings.

    L-BFGS (Nocedal and Wright 2006, algorithm 7.4) on y with x = y / |y|; the step is bisected until it satisfies the
    weak Wolfe conditions (Lewis and Overton 2013, algorithm 2.6). Ends after `iterations`, when one of them lowers the
    value (a logarithm of a distance) by less than `tolerance`, or when no step lowers it. Returns the number of
    evaluations.
    """
    shape = columns.shape
    dimension, count = shape
    raw, trial = columns.copy(), np.empty(shape)
    gradient, trial_gradient, direction = np.empty(shape), np.empty(shape), np.empty(shape)
    lengths, along, distances = np.empty(count), np.empty(count), np.empty((count, count))
    steps, changes = np.empty((_MEMORY, dimension, count)), np.empty((_MEMORY, dimension, count))
    curvatures, weights = np.empty(_MEMORY), np.empty(_MEMORY)
    value = _evaluate(raw, doublings, columns, lengths, along, distances, gradient)
    evaluations, stored = 1, 0
    for _ in range(iterations):
        _point(direction, gradient, steps, changes, curvatures, weights, stored)
        slope = _dot(gradient, direction)
        _column_sums(direction, direction, along)
        longest = np.sqrt(along.max())
        improved = False
        trial_value = value
        if slope < 0.0:
            limit = _LONGEST_STEP_RADIANS if stored > 0 else _LONGEST_FIRST_STEP_RADIANS
            step = min(1.0, limit / longest)
            shortest, too_long = 0.0, np.inf
            for _ in range(_TRIALS):
                _combine(trial, raw, step, direction)
                trial_value = _evaluate(trial, doublings, columns, lengths, along, distances, trial_gradient)
                evaluations += 1
                improved = trial_value <= value + _ARMIJO * step * slope and trial_value < value
                if not improved:
                    too_long = step
                elif _dot(trial_gradient, direction) < _CURVATURE * slope:
                    shortest = step
                else:
                    break
                step = 2 * shortest if too_long == np.inf else (shortest + too_long) / 2
                if step * longest < 1e-16:
                    break
        if not improved:
            # The pairs may be stale; a step along the gradient decides whether there is anything left to gain.
            if stored == 0:
                break
            stored = 0
            continue
        slot = stored % _MEMORY
        _combine(steps[slot], trial, -1.0, raw)
        _combine(changes[slot], trial_gradient, -1.0, gradient)
        curvatures[slot] = _dot(steps[slot], changes[slot])
        if curvatures[slot] > 1e-14 * _dot(changes[slot], changes[slot]):
            stored += 1
        gain = value - trial_value
        value = trial_value
        _combine(raw, trial, 0.0, trial)
        _combine(gradient, trial_gradient, 0.0, trial_gradient)
        if gain < tolerance:
            break
    _normalise(raw, columns, lengths)
    return evaluations
