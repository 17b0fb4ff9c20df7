"""Riesz energy, in the unit of distance."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyperface_lib.sphere.objectives.base import Evaluation, ShiftedObjective

_SAFE_EXPONENT = 30.0
_LEAST_DISTANCE = 1e-12
# Weights below exp of this count for nothing, and would be denormal numbers, which halve the speed.
_LEAST_EXPONENT = -60.0


class RieszEnergy(ShiftedObjective):
    """Minus the power mean of the distances d = 1 - cos over pairs, M = mean(d^{-s/2})^{-2/s}, s = 1 / temperature.

    d = |x - y|^2 / 2, so mean(d^{-s/2}) is the Riesz s-energy, and M tends to the smallest distance as s grows. Being a
    power mean it knows no length scale: the objective for few dimensions, where the closest cosines are near 1.
    """

    name = "riesz"

    def __init__(self, temperature: float = 0.25) -> None:
        super().__init__()
        self.temperature = temperature

    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d)."""
        half_exponent = 0.5 / self.temperature
        shift = self._shift(points)

        def weigh(cosines: Tensor) -> tuple[Tensor, Tensor]:
            wide = cosines if cosines.dtype in (torch.float32, torch.float64) else cosines.float()
            distances = wide.neg_().add_(1).clamp_(min=_LEAST_DISTANCE)
            # d^{-h-1}, the derivative's weight; the energy's d^{-h} is that times d.
            weights = distances.log().sub_(scale).mul_(-half_exponent - 1).clamp_(min=_LEAST_EXPONENT).exp_()
            # On the diagonal the distance is infinite and the weight next to 0: only there does this clamp act.
            return weights, torch.dot(weights.view(-1), distances.clamp_(max=4).view(-1))[None]

        scale = math.log(max(1 - shift, _LEAST_DISTANCE))
        result = self.pairs.accumulate(points, weigh, self.matmul_dtype)
        smallest = math.log(max(1 - result.max_cosine, _LEAST_DISTANCE))
        if not abs(smallest - scale) * half_exponent <= _SAFE_EXPONENT:
            scale = smallest
            result = self.pairs.accumulate(points, weigh, self.matmul_dtype)
        self._last_max = result.max_cosine
        n = self.pairs.count(points)
        pairs = n * (n - 1) / 2
        total = float(result.sums[0])
        # With h the half exponent, the weights are d^{-h-1} and the total is sum d^{-h}, both times exp((h+1) scale):
        # M = (sum d^{-h} / pairs)^{-1/h}, and dM/dcos = -M d^{-h-1} / sum d^{-h}.
        mean = math.exp(scale - (math.log(total / pairs) - scale) / half_exponent)
        return Evaluation(-mean, result.gradient * (mean / total), result.max_cosine)
