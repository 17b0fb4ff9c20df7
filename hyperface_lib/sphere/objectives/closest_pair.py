"""The paper's Eq. 1 as printed: the single closest pair."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperface_lib.sphere.blocks import pair_blocks
from hyperface_lib.sphere.objectives.base import Evaluation


class ClosestPairObjective:
    """Minus the smallest pairwise distance, -min_{i != j} (1 - cos_ij) (HyperFace, Eq. 1).

    Its gradient moves two points only, which is why the soft objectives exist.
    """

    name = "closest-pair"

    def __init__(self) -> None:
        self.matmul_dtype: torch.dtype | None = None

    def forget(self) -> None:
        """Nothing is kept of earlier evaluations."""

    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d)."""
        operand = points if self.matmul_dtype is None else points.to(self.matmul_dtype)
        best, first, second = -torch.inf, 0, 0
        for rows, columns, cosines in pair_blocks(operand):
            i, j = divmod(int(cosines.argmax()), cosines.shape[1])
            if float(cosines[i, j]) > best:
                best, first, second = float(cosines[i, j]), rows.start + i, columns.start + j
        gradient = torch.zeros_like(points)
        gradient[first], gradient[second] = points[second], points[first]
        return Evaluation(best - 1.0, gradient, best)
