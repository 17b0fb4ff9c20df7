"""How an objective sees the pairs of all points when it is given some of them."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from hyperface_lib.sphere.blocks import (
    NearestOthers,
    PairSums,
    Weighing,
    accumulate_pairs,
    largest_cosine,
    nearest_others,
)
from hyperface_lib.sphere.excess import ExcessSums, excess_of_pairs
from hyperface_lib.sphere.rectified import rectified_pairs, rectifies_in_one_pass


class PairTraversal(Protocol):
    """How an objective sees the pairs of all points when it is given some of them.

    In one process the points given are all there are. With points spread over processes each holds some rows, and sums
    over pairs, maxima and counts are those of everybody's.
    """

    def count(self, points: Tensor) -> int:
        """Return how many points there are in all."""
        ...

    def everyone(self, points: Tensor) -> Tensor:
        """Return all points (n, d), of which `points` are some."""
        ...

    def own_rows(self, points: Tensor) -> slice:
        """Return which rows of `everyone(points)` are `points`."""
        ...

    def total(self, values: Tensor) -> Tensor:
        """Return the sum of `values`, any shape, over processes."""
        ...

    def agree(self, value: float) -> float:
        """Return one process's `value` on all of them."""
        ...

    def accumulate(self, points: Tensor, weigh: Weighing, dtype: torch.dtype | None = None) -> PairSums:
        """Sum over all pairs; the gradient is that of the rows given."""
        ...

    def accumulate_excess(self, points: Tensor, threshold: float, dtype: torch.dtype | None = None) -> ExcessSums:
        """Sum the excess of the cosines over `threshold` over all pairs; the gradient is that of the rows given."""
        ...

    def largest_cosine(self, points: Tensor, dtype: torch.dtype | None = None) -> float:
        """Return the largest cosine of all pairs."""
        ...

    def nearest_others(self, points: Tensor, dtype: torch.dtype | None = None) -> NearestOthers:
        """Return the nearest other point of every one of all points."""
        ...


class LocalPairs:
    """The traversal of one process: the points given are all there are."""

    def count(self, points: Tensor) -> int:
        """Return the number of points given."""
        return len(points)

    def everyone(self, points: Tensor) -> Tensor:
        """Return the points given."""
        return points

    def own_rows(self, points: Tensor) -> slice:
        """Return all rows."""
        return slice(0, len(points))

    def total(self, values: Tensor) -> Tensor:
        """Return the values given."""
        return values

    def agree(self, value: float) -> float:
        """Return the value given."""
        return value

    def accumulate(self, points: Tensor, weigh: Weighing, dtype: torch.dtype | None = None) -> PairSums:
        """Sum over all pairs, with the gradient of every point."""
        return accumulate_pairs(points, weigh, dtype=dtype)

    def accumulate_excess(self, points: Tensor, threshold: float, dtype: torch.dtype | None = None) -> ExcessSums:
        """Sum the excess of the cosines over `threshold`, with the gradient of every point."""
        if rectifies_in_one_pass(points.device, dtype):
            return rectified_pairs(points, threshold)
        return excess_of_pairs(self, points, threshold, dtype)

    def largest_cosine(self, points: Tensor, dtype: torch.dtype | None = None) -> float:
        """Return the largest cosine of all pairs."""
        return largest_cosine(points, dtype)

    def nearest_others(self, points: Tensor, dtype: torch.dtype | None = None) -> NearestOthers:
        """Return the nearest other point of every point."""
        return nearest_others(points, dtype)
