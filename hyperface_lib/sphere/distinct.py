"""How many identities a set of points holds at a threshold, by counting.

Two points are one identity when their angle is below the threshold. Points are kept in order, each if it is no identity
kept before. The kept set is maximal (every other point is within the threshold of a kept one), so its size is a lower
bound of the largest set of distinct identities, the maximum independent set, which is out of reach for thousands of
points; it depends on the order, and not always falls as the threshold rises. Cosines have the points' precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from hyperface_lib.sphere.arrays import Array, as_unit_tensor, like
from hyperface_lib.sphere.blocks import pair_blocks


@dataclass(frozen=True)
class CapacityCurve:
    """Counts among `n` points at each threshold, arrays of one length.

    `unique`: size of the set of distinct identities, kept greedily in order. `isolated`: points with no other one
    within the threshold.
    """

    n: int
    thresholds_degrees: NDArray[np.float64]
    unique: NDArray[np.int64]
    isolated: NDArray[np.int64]


def capacity_curve(points: Array, thresholds_degrees: ArrayLike) -> CapacityCurve:
    """Count the unique identities of `points` (n, d) at each of the thresholds, in one traversal of all pairs.

    Raises ValueError for non-unit rows or a threshold outside [0, 180].
    """
    tensor = as_unit_tensor(points)
    thresholds = checked_thresholds(thresholds_degrees)
    kept, nearest = _keep_distinct(tensor, thresholds)
    isolated = (nearest[None] <= _cosines(thresholds, tensor)[:, None]).sum(dim=1)
    return CapacityCurve(len(tensor), thresholds, kept.sum(dim=1).cpu().numpy(), isolated.cpu().numpy())


def identity_accumulation(points: Array, threshold_degrees: float) -> NDArray[np.int64]:
    """Return the unique identities (n,) among the first 1, 2, ..., n of `points` (n, d): flat where they are used up.

    Greedy in the order given, so each is `unique_identities` of that many points. Raises ValueError for non-unit rows
    or a threshold outside [0, 180].
    """
    kept, _ = _keep_distinct(as_unit_tensor(points), checked_thresholds(threshold_degrees))
    return kept[0].cumsum(dim=0).cpu().numpy()


def unique_identities(points: Array, threshold_degrees: float) -> int:
    """Return the size of a maximal set of `points` (n, d) whose angles are all at least `threshold_degrees`.

    Greedy in the order given. Raises ValueError for non-unit rows or a threshold outside [0, 180].
    """
    return len(distinct_points(points, threshold_degrees))


def distinct_points(points: Array, threshold_degrees: float) -> Array:
    """Return the rows (k,) of a maximal set of `points` (n, d) whose angles are all at least `threshold_degrees`.

    Greedy in the order given. Raises ValueError for non-unit rows or a threshold outside [0, 180].
    """
    kept, _ = _keep_distinct(as_unit_tensor(points), checked_thresholds(threshold_degrees))
    return like(torch.nonzero(kept[0])[:, 0], points)


def checked_thresholds(thresholds_degrees: ArrayLike) -> NDArray[np.float64]:
    """Return thresholds as a row of angles in degrees; raises ValueError for one outside [0, 180]."""
    thresholds = np.atleast_1d(np.asarray(thresholds_degrees, dtype=np.float64))
    if thresholds.ndim != 1 or not len(thresholds):
        raise ValueError(f"thresholds must be one row of at least one angle, found shape {thresholds.shape}.")
    if not ((thresholds >= 0) & (thresholds <= 180)).all():
        raise ValueError(f"a threshold must be between 0 and 180 degrees, found {thresholds}.")
    return thresholds


def _cosines(thresholds_degrees: NDArray[np.float64], example: Tensor) -> Tensor:
    """Return the thresholds' cosines, raised by rounding: points exactly at a threshold are distinct."""
    slack = 4 * torch.finfo(example.dtype).eps
    return torch.from_numpy(np.cos(np.radians(thresholds_degrees))).to(example) + slack


def _keep_distinct(points: Tensor, thresholds_degrees: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Return which points are kept at each threshold (k, n), and every point's largest cosine (n,)."""
    limits = _cosines(thresholds_degrees, points)
    kept = torch.ones((len(limits), len(points)), dtype=torch.bool, device=points.device)
    nearest = torch.full((len(points),), -torch.inf, dtype=points.dtype, device=points.device)
    # Blocks come row by row, the diagonal one first: when it does, all earlier points have been held against its rows.
    for rows, columns, cosines in pair_blocks(points):
        nearest[rows] = torch.maximum(nearest[rows], cosines.amax(dim=1))
        nearest[columns] = torch.maximum(nearest[columns], cosines.amax(dim=0))
        for level, limit in enumerate(limits):
            same = cosines > limit
            if rows == columns:
                kept[level, rows] = _keep_in_order(same, kept[level, rows])
            else:
                kept[level, columns] &= ~same[kept[level, rows]].any(dim=0)
    return kept, nearest


def _keep_in_order(same: Tensor, candidates: Tensor) -> Tensor:
    """Return which candidates (b,) are the same (b, b) as no candidate kept before them."""
    links, keep = same.cpu().numpy(), candidates.cpu().numpy().copy()
    for row in np.flatnonzero(links.any(axis=1)):
        if keep[row]:
            keep[row + 1 :] &= ~links[row, row + 1 :]
    return torch.from_numpy(keep).to(candidates.device)
