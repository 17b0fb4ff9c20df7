"""Log-sum-exp of all cosines, and the Gaussian potential, which is the same but for a constant."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyperface_lib.sphere.objectives.base import Evaluation, ShiftedObjective

# exp of less than this neither overflows float32 nor loses the sum.
_SAFE_EXPONENT = 30.0
# Weights below exp of this count for nothing, and would be denormal numbers, which halve the speed.
_LEAST_EXPONENT = -60.0


class _SoftMaximum(ShiftedObjective):
    """The soft maximum T log sum_{i<j} exp(cos_ij / T) and its gradient."""

    def _soft_maximum(self, points: Tensor, temperature: float) -> Evaluation:
        # The exponents are shifted by the largest cosine seen last; if that is too far off, the pass is made again.
        shift = self._shift(points)

        def weigh(cosines: Tensor) -> tuple[Tensor, Tensor]:
            wide = cosines if cosines.dtype in (torch.float32, torch.float64) else cosines.float()
            weights = wide.sub_(shift).div_(temperature).clamp_(min=_LEAST_EXPONENT).exp_()
            return weights, weights.sum()[None]

        result = self.pairs.accumulate(points, weigh, self.matmul_dtype)
        if not abs(result.max_cosine - shift) <= _SAFE_EXPONENT * temperature:
            shift = result.max_cosine
            result = self.pairs.accumulate(points, weigh, self.matmul_dtype)
        self._last_max = result.max_cosine
        total = float(result.sums[0])
        return Evaluation(shift + temperature * math.log(total), result.gradient / total, result.max_cosine)


class LogSumExp(_SoftMaximum):
    """The soft maximum T log sum_{i<j} exp(cos_ij / T) - 1, T the temperature.

    At most T log(n^2 / 2) above the hard one.
    """

    name = "log-sum-exp"

    def __init__(self, temperature: float = 0.02) -> None:
        super().__init__()
        self.temperature = temperature

    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d)."""
        result = self._soft_maximum(points, self.temperature)
        return result._replace(value=result.value - 1.0)


class GaussianPotential(_SoftMaximum):
    """The uniformity loss U_t = log mean_{i<j} exp(-t |x_i - x_j|^2), as a distance: U_t / (2 t), temperature = 1 / t.

    Wang and Isola, "Understanding contrastive representation learning through alignment and uniformity", 2020; theirs
    is t = 2, the default here. |x - y|^2 = 2 (1 - cos), so U_t / (2 t) = T log mean exp(cos / T) - 1, T = 1 / (2 t):
    the log-sum-exp of half this temperature, less the constant T log(n (n - 1) / 2). The two have the same gradient;
    the mean instead of the sum makes this one a bound from below, at most that constant under minus the smallest
    distance.
    """

    name = "gaussian"

    def __init__(self, temperature: float = 0.5) -> None:
        super().__init__()
        self.temperature = temperature

    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d)."""
        half = self.temperature / 2
        n = self.pairs.count(points)
        result = self._soft_maximum(points, half)
        return result._replace(value=result.value - half * math.log(n * (n - 1) / 2) - 1.0)
