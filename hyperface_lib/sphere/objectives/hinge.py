"""The squared hinge on the closest pairs: the objective for many points in a high dimension."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperface_lib.sphere.objectives.base import Evaluation, ShiftedObjective


class SquaredHinge(ShiftedObjective):
    """Squared excess of the cosines over a threshold `temperature` below the largest one.

    With W = relu(cos - tau) and gamma = sum W, the value tau + sum W^2 / (2 gamma) is the soft maximum
    max_w <w, cos> - gamma/2 |w|^2 over the simplex (sparsemax; Martins and Astudillo 2016), so the gradient's weights
    W / gamma sum to 1 exactly as those of the hard maximum do: alpha of Eq. 2 keeps its meaning, and in the limit of a
    small window the stationary points are those of the printed objective. Only comparisons and products: cheap in
    bfloat16, where exponentials are not.
    """

    name = "hinge"

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature
        self.threshold: float | None = None

    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d).

        The threshold used is left in `threshold`.
        """
        # The window hangs from the largest cosine of the evaluation before, which saves a pass over all pairs;
        # when the points have moved so far that this is no longer the window meant, the pass is made again.
        if self._last_max is None:
            self._last_max = self.pairs.largest_cosine(points, self.matmul_dtype)
        window = self._window(points, self._last_max)
        threshold = self._last_max - window
        result = self.pairs.accumulate_excess(points, threshold, self.matmul_dtype)
        if not window / 4 <= result.max_cosine - threshold <= 4 * window or result.total == 0:
            largest = result.max_cosine
            if result.total == 0:
                largest = self.pairs.largest_cosine(points, self.matmul_dtype)
            result = self.pairs.accumulate_excess(points, largest - self._window(points, largest), self.matmul_dtype)
        self.threshold, self._last_max = result.threshold, result.max_cosine
        value = result.threshold + result.squares / (2 * result.total)
        return Evaluation(value - 1.0, result.gradient.div_(result.total), result.max_cosine)

    def _window(self, points: Tensor, max_cosine: float) -> float:
        """Return the temperature, or the finest window that the precision of the cosines can tell from none."""
        dtype = self.matmul_dtype or points.dtype
        return max(self.temperature, torch.finfo(dtype).eps * abs(max_cosine))
