"""Objectives on the distance of every point to its nearest neighbour."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperface_lib.sphere.blocks import NearestOthers
from hyperface_lib.sphere.objectives.base import Evaluation, PairObjective
from hyperface_lib.sphere.traversal import PairTraversal

_LEAST_DISTANCE = 1e-12


class MeanNearest(PairObjective):
    """Minus the mean distance to the nearest neighbour, mean_i max_{j != i} cos_ij - 1.

    Every point is pushed from its nearest one alone. The smallest distance is not looked after: one close pair among n
    costs 2 / n of the value.
    """

    name = "mean-nearest"

    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d)."""
        nearest = self.pairs.nearest_others(points, self.matmul_dtype)
        weights = torch.full_like(nearest.cosines, 1 / len(nearest.cosines))
        value = float(nearest.cosines.mean(dtype=_wide(points))) - 1.0
        return Evaluation(value, _pulls(self.pairs, points, nearest, weights), float(nearest.cosines.max()))


class KoLeo(PairObjective):
    """The differential entropy estimate -(1/n) sum_i log min_{j != i} |x_i - x_j| (Sablayrolles et al. 2019).

    "Spreading vectors for similarity search", after Kozachenko and Leonenko. The value is a log of chord lengths, not a
    distance: it is unbounded where points coincide, so close pairs are pushed by 1 / (1 - cos), not by a constant.
    """

    name = "koleo"

    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d)."""
        nearest = self.pairs.nearest_others(points, self.matmul_dtype)
        distances = (1 - nearest.cosines).clamp_(min=_LEAST_DISTANCE)
        # log |x - y| = log(2 d) / 2, so its derivative by the cosine is -1 / (2 d).
        value = -0.5 * float((2 * distances).log().mean(dtype=_wide(points)))
        weights = 0.5 / (len(distances) * distances)
        return Evaluation(value, _pulls(self.pairs, points, nearest, weights), float(nearest.cosines.max()))


def _pulls(pairs: PairTraversal, points: Tensor, nearest: NearestOthers, weights: Tensor) -> Tensor:
    """Return the gradient of sum_i f_i(cos(x_i, its nearest)) for the rows given, with f_i' = `weights` of all points.

    A point appears in its own term, and in the terms of all points it is the nearest of.
    """
    everyone, own = pairs.everyone(points), pairs.own_rows(points)
    gradient = weights[own, None] * everyone[nearest.indices[own]]
    inside = ((nearest.indices >= own.start) & (nearest.indices < own.stop)).nonzero()[:, 0]
    return gradient.index_add_(0, nearest.indices[inside] - own.start, weights[inside, None] * everyone[inside])


def _wide(points: Tensor) -> torch.dtype:
    return torch.float32 if points.device.type == "mps" else torch.float64
