"""The squared hinge on the closest pairs: the objective for many points in a high dimension."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperface_lib.sphere.blocks import PairSums, accumulate_pairs, largest_cosine
from hyperface_lib.sphere.objectives.base import Evaluation


class SquaredHinge:
    """Squared excess of the cosines over a threshold `temperature` below the largest one.

    With W = relu(cos - tau) and gamma = sum W, the value tau + sum W^2 / (2 gamma) is the soft maximum
    max_w <w, cos> - gamma/2 |w|^2 over the simplex (sparsemax; Martins and Astudillo 2016), so the gradient's weights
    W / gamma sum to 1 exactly as those of the hard maximum do: alpha of Eq. 2 keeps its meaning, and in the limit of a
    small window the stationary points are those of the printed objective. Only comparisons and products: cheap in
    bfloat16, where exponentials are not.
    """

    name = "hinge"

    def __init__(self, temperature: float = 0.1) -> None:
        self.temperature = temperature
        self.matmul_dtype: torch.dtype | None = None
        self.threshold: float | None = None
        self._last_max: float | None = None

    def forget(self) -> None:
        """Drop what was kept of earlier evaluations: the next is as the first."""
        self._last_max = None

    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d).

        The threshold used is left in `threshold`.
        """
        # The window hangs from the largest cosine of the evaluation before, which saves a pass over all pairs;
        # when the points have moved so far that this is no longer the window meant, the pass is made again.
        if self._last_max is None:
            self._last_max = largest_cosine(points, self.matmul_dtype)
        result, threshold = self._sums(points, self._last_max - self.temperature), self._last_max - self.temperature
        if not self.temperature / 4 <= result.max_cosine - threshold <= 4 * self.temperature:
            threshold = result.max_cosine - self.temperature
            result = self._sums(points, threshold)
        self.threshold, self._last_max = threshold, result.max_cosine
        total, squares = float(result.sums[0]), float(result.sums[1])
        value = threshold + squares / (2 * total)
        return Evaluation(value - 1.0, result.gradient / total, result.max_cosine)

    def _sums(self, points: Tensor, threshold: float) -> PairSums:
        def weigh(cosines: Tensor) -> tuple[Tensor, Tensor]:
            weights = cosines.sub_(threshold).clamp_(min=0)
            wide = torch.float64 if weights.dtype == torch.float64 else torch.float32
            length = torch.linalg.vector_norm(weights, dtype=wide)
            return weights, torch.stack([weights.sum(dtype=wide), length * length])

        return accumulate_pairs(points, weigh, dtype=self.matmul_dtype)
