"""From a nearly optimal packing to its last digits."""

from __future__ import annotations

import numpy as np

from hyperface_lib.sphere.small.annealing import LAST_DOUBLINGS, sharpen
from hyperface_lib.sphere.small.contacts import contacts_within, equalise, largest_cosine_of
from hyperface_lib.sphere.small.linear import lower_largest_cosine

# At exponent 2 h a contact with multiplier w lies log(1 / w) / h below the closest pair, relative to its distance.
_SHARPEST_DOUBLINGS = LAST_DOUBLINGS + 4
_LOG_MULTIPLIERS = (20.0, 100.0, 4.0)
# A linear program of this many coordinates takes about a second.
_LINEAR_COORDINATES = 400
_LINEAR_CYCLES = 4
_LEAST_GAIN = 1e-14


def settle(points: np.ndarray) -> np.ndarray:
    """Return the packing at the end of annealed `points`, unit rows (n, d): never one with a larger cosine.

    Sharpens the energy until contacts and other pairs separate, then makes contacts equal by Newton's method.
    """
    sharp = sharpen(points, LAST_DOUBLINGS + 1, _SHARPEST_DOUBLINGS)
    best = min((points, sharp), key=largest_cosine_of)
    distance = 1 - largest_cosine_of(sharp)
    gaps = [logarithm * distance / 2.0**_SHARPEST_DOUBLINGS for logarithm in _LOG_MULTIPLIERS]
    return _best_equalised(best, sharp, gaps)


def polish(points: np.ndarray) -> np.ndarray:
    """Return a packing near `points`, unit rows (n, d), that no small move improves: never one with a larger cosine.

    Where linear programs are affordable they confirm that the packing is stationary, or lead on to one that is.
    """
    best = settle(points)
    if points.size > _LINEAR_COORDINATES:
        return best
    for _ in range(_LINEAR_CYCLES):
        before = largest_cosine_of(best)
        moved = lower_largest_cosine(best)
        best = _best_equalised(moved, moved, [1e-13, 1e-11, 1e-9, 1e-7])
        if before - largest_cosine_of(best) < _LEAST_GAIN:
            break
    return best


def _best_equalised(best: np.ndarray, points: np.ndarray, gaps: list[float]) -> np.ndarray:
    """Return `best` or, if better, the best of `points` with the pairs within one of `gaps` made equal."""
    sizes: set[int] = set()
    for gap in gaps:
        contacts = contacts_within(points, gap)
        if len(contacts.first) in sizes:
            continue
        sizes.add(len(contacts.first))
        equal = equalise(points, contacts)
        if largest_cosine_of(equal) < largest_cosine_of(best):
            best = equal
    return best
