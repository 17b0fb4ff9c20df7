"""Angles and neighbours of points on the sphere, exactly and in little memory."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import Array, as_unit_tensor, like
from hyperface_lib.sphere.blocks import pair_blocks, row_blocks


class ClosestPair(NamedTuple):
    """The two closest points and the angle between them."""

    first: int
    second: int
    angle_degrees: float


class Neighbours(NamedTuple):
    """Row i: the nearest vectors of point i, nearest first. Both of shape (n, k)."""

    indices: Array
    cosines: Array


def angle_degrees_between(first: Tensor, second: Tensor) -> Tensor:
    """Return the angles in degrees between rows, accurate for small and large angles alike (Kahan's formula)."""
    first, second = first.double(), second.double()
    apart = torch.linalg.vector_norm(first - second, dim=-1)
    together = torch.linalg.vector_norm(first + second, dim=-1)
    return torch.rad2deg(2 * torch.atan2(apart, together))


def _double(points: Tensor) -> Tensor:
    points = points.cpu() if points.device.type == "mps" else points
    return torch.nn.functional.normalize(points.double(), dim=1)


def closest_pair_of(points: Tensor) -> ClosestPair:
    """Return the closest pair of unit rows: found in the points' precision, its angle taken in float64."""
    if len(points) * points.shape[1] <= 200_000:
        points = _double(points)
    candidates: list[tuple[float, int, int]] = []
    for rows, columns, cosines in pair_blocks(points):
        flat = int(cosines.argmax())
        i, j = divmod(flat, cosines.shape[1])
        candidates.append((float(cosines[i, j]), rows.start + i, columns.start + j))
    # Rounding can misorder near-ties between blocks: settle those in float64.
    largest = max(candidates)[0]
    close = [(i, j) for cosine, i, j in candidates if cosine >= largest - 1e-5]
    first, second = torch.tensor(close, device=points.device).T
    angles = angle_degrees_between(_double(points[first]), _double(points[second]))
    best = int(angles.argmin())
    return ClosestPair(*close[best], float(angles[best]))


def closest_pair(points: Array) -> ClosestPair:
    """Return the indices of the closest pair of `points` (n, d) and their angle in degrees.

    Raises ValueError for fewer than 2 points, a zero or non-unit vector, NaN.
    """
    tensor = as_unit_tensor(points)
    if len(tensor) < 2:
        raise ValueError(f"a closest pair needs at least 2 points, found {len(tensor)}.")
    return closest_pair_of(tensor)


def min_angle_degrees(points: Array) -> float:
    """Return the smallest angle in degrees between any two of `points` (n, d), a verified float64 value.

    Raises ValueError for fewer than 2 points, a zero or non-unit vector, NaN.
    """
    return closest_pair(points).angle_degrees


def nearest_of(points: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Return (indices, inner products) of the row of `reference` with the largest inner product, in tiles."""
    indices = torch.empty(len(points), dtype=torch.int64, device=points.device)
    products = torch.full((len(points),), -torch.inf, dtype=points.dtype, device=points.device)
    for rows in row_blocks(len(points)):
        for columns in row_blocks(len(reference), 8192):
            best, where = (points[rows] @ reference[columns].T).max(dim=1)
            better = best > products[rows]
            products[rows] = torch.where(better, best, products[rows])
            indices[rows] = torch.where(better, where + columns.start, indices[rows])
    return indices, products


def nearest_neighbours(points: Array, k: int = 1, reference: Array | None = None) -> Neighbours:
    """Find the `k` nearest rows of `reference` for every row of `points`, nearest first.

    Shapes: points (n, d), reference (m, d); without a reference the neighbours are sought among the points themselves,
    each point excluded from its own list. Returns indices (n, k) and cosines (n, k).
    Raises ValueError when fewer than `k` neighbours exist or the vectors are not unit rows of one dimension.
    """
    tensor = as_unit_tensor(points)
    others = tensor if reference is None else as_unit_tensor(reference, "reference", tensor.shape[1]).to(tensor)
    available = len(others) - (1 if reference is None else 0)
    if not 1 <= k <= available:
        raise ValueError(f"k must be between 1 and the {available} vectors available, found {k}.")
    all_indices, all_cosines = [], []
    for rows in row_blocks(len(tensor)):
        best = torch.empty((rows.stop - rows.start, 0), dtype=tensor.dtype, device=tensor.device)
        where = torch.empty(best.shape, dtype=torch.int64, device=tensor.device)
        for columns in row_blocks(len(others), 8192):
            cosines = tensor[rows] @ others[columns].T
            if reference is None:
                own = torch.arange(rows.start, rows.stop, device=tensor.device)
                inside = (own >= columns.start) & (own < columns.stop)
                cosines[inside, own[inside] - columns.start] = -torch.inf
            top, index = cosines.topk(min(k, cosines.shape[1]), dim=1)
            best = torch.cat([best, top], dim=1)
            where = torch.cat([where, index + columns.start], dim=1)
            best, order = best.topk(min(k, best.shape[1]), dim=1)
            where = where.gather(1, order)
        all_indices.append(where)
        all_cosines.append(best.clamp(-1, 1))
    return Neighbours(like(torch.cat(all_indices), points), like(torch.cat(all_cosines), points))


def nearest_neighbour_angles(points: Array, reference: Array | None = None) -> Array:
    """Return the angle in degrees from each point to its nearest other point, or nearest row of `reference`: (n,)."""
    indices, _ = nearest_neighbours(points, 1, reference)
    tensor = as_unit_tensor(points)
    others = tensor if reference is None else as_unit_tensor(reference, "reference", tensor.shape[1])
    where = torch.as_tensor(indices)[:, 0]
    angles = angle_degrees_between(tensor.cpu(), others.cpu()[where.cpu()])
    return like(angles.float(), points)


def degrees_from_cosine(cosine: float) -> float:
    """Return the angle in degrees whose cosine is `cosine`, clipped into [-1, 1]."""
    return math.degrees(math.acos(float(np.clip(cosine, -1.0, 1.0))))
