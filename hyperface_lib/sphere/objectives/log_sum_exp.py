"""Log-sum-exp of all cosines."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyperface_lib.sphere.blocks import accumulate_pairs, largest_cosine
from hyperface_lib.sphere.objectives.base import Evaluation

# exp of less than this neither overflows float32 nor loses the sum.
_SAFE_EXPONENT = 30.0


class LogSumExp:
    """The soft maximum T log sum_{i<j} exp(cos_ij / T) - 1, T the temperature.

    At most T log(n^2 / 2) above the hard one.
    """

    name = "log-sum-exp"

    def __init__(self, temperature: float = 0.02) -> None:
        self.temperature = temperature
        self.matmul_dtype: torch.dtype | None = None
        self._last_max: float | None = None

    def forget(self) -> None:
        """Drop what was kept of earlier evaluations: the next is as the first."""
        self._last_max = None

    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d)."""
        # The exponents are shifted by the largest cosine seen last; if that is too far off, the pass is made again.
        shift = self._last_max if self._last_max is not None else largest_cosine(points, self.matmul_dtype)

        def weigh(cosines: Tensor) -> tuple[Tensor, Tensor]:
            wide = cosines if cosines.dtype in (torch.float32, torch.float64) else cosines.float()
            weights = wide.sub_(shift).div_(self.temperature).exp_()
            return weights, weights.sum()[None]

        result = accumulate_pairs(points, weigh, dtype=self.matmul_dtype)
        if not abs(result.max_cosine - shift) <= _SAFE_EXPONENT * self.temperature:
            shift = result.max_cosine
            result = accumulate_pairs(points, weigh, dtype=self.matmul_dtype)
        self._last_max = result.max_cosine
        total = float(result.sums[0])
        value = shift + self.temperature * math.log(total)
        return Evaluation(value - 1.0, result.gradient / total, result.max_cosine)
