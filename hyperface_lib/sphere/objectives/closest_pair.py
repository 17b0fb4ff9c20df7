"""The paper's Eq. 1 as printed: the single closest pair."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperface_lib.sphere.objectives.base import Evaluation, PairObjective


class ClosestPairObjective(PairObjective):
    """Minus the smallest pairwise distance, -min_{i != j} (1 - cos_ij) (HyperFace, Eq. 1).

    Its gradient moves two points only, which is why the soft objectives exist.
    """

    name = "closest-pair"

    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d)."""
        nearest = self.pairs.nearest_others(points, self.matmul_dtype)
        first = int(nearest.cosines.argmax())
        second, best = int(nearest.indices[first]), float(nearest.cosines[first])
        everyone, own = self.pairs.everyone(points), self.pairs.own_rows(points)
        gradient = torch.zeros_like(points)
        for one, other in ((first, second), (second, first)):
            if own.start <= one < own.stop:
                gradient[one - own.start] = everyone[other]
        return Evaluation(best - 1.0, gradient, best)
