"""The maximum mean discrepancy to the uniform distribution on the sphere."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyperface_lib.sphere.objectives.base import Evaluation, PairObjective


class MaximumMeanDiscrepancy(PairObjective):
    """The squared MMD between the points and the uniform distribution, with the kernel k = exp(gamma (cos - 1)).

    MMD^2 = (1/n^2) sum_{i,j} k(x_i, x_j) - E k(u, v), u and v uniform (Tokarchuk, Bakker and Niculae, "Keep your
    distance: learning dispersed embeddings", 2025; their kernel exp(gamma cos) is divided by its largest value). The
    mean embedding of the uniform distribution is constant on the sphere, so of the three terms of an MMD the pairs
    alone have a gradient. The value is a number between 0 and 1, not a distance, and depends on gamma.

    The kernel is exp(-(gamma / 2) |x - y|^2): for gamma = 2 t the gradient is that of the Gaussian potential, not
    divided by the mean, and the default is its t = 2. It has no annealing: cooled, the gradient would underflow.
    """

    name = "mmd"

    def __init__(self, gamma: float = 4.0) -> None:
        super().__init__()
        if not gamma > 0:
            raise ValueError(f"gamma must be positive, found {gamma}.")
        self.gamma = gamma

    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d)."""
        gamma = self.gamma

        def weigh(cosines: Tensor) -> tuple[Tensor, Tensor]:
            wide = cosines if cosines.dtype in (torch.float32, torch.float64) else cosines.float()
            weights = wide.sub_(1).mul_(gamma).exp_()
            return weights, weights.sum()[None]

        result = self.pairs.accumulate(points, weigh, self.matmul_dtype)
        n = self.pairs.count(points)
        value = 1 / n + 2 * float(result.sums[0]) / n**2 - mean_kernel(gamma, points.shape[1])
        return Evaluation(value, result.gradient * (2 * gamma / n**2), result.max_cosine)


def mean_kernel(gamma: float, dimension: int) -> float:
    """Return E exp(gamma (cos(u, v) - 1)) for u and v uniform on the sphere in `dimension`.

    The cosine has the density c (1 - s^2)^((d - 3) / 2), whose moment generating function is the Bessel series
    sum_k (gamma / 2)^(2 k) / (k! (d / 2)_k): positive terms, summed here as logarithms.
    """
    # Terms grow until k (k + d / 2) passes (gamma / 2)^2, and then fall faster than geometrically.
    terms = int(gamma) + 60
    k = torch.arange(terms, dtype=torch.float64)
    logs = 2 * k * math.log(gamma / 2) - torch.lgamma(k + 1) - torch.lgamma(k + dimension / 2)
    return math.exp(float(torch.logsumexp(logs, dim=0)) + math.lgamma(dimension / 2) - gamma)
