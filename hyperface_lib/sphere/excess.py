"""The excess of cosines over a threshold, W = relu(cos - tau), summed over all pairs with its gradient."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from hyperface_lib.sphere.blocks import PairSums, Weighing
from hyperface_lib.sphere.precision import accumulator_dtype


class ExcessSums(NamedTuple):
    """Over pairs i < j: sum W, sum W^2, the gradient sum_j W_ij x_j (n, d), the largest cosine and the threshold used.

    Where no pair is above the threshold the sums are 0 and the largest cosine may be minus infinity: not looked for.
    The gradient may lack or hold a part along the points themselves, which a step on the sphere drops.
    """

    total: float
    squares: float
    gradient: Tensor
    max_cosine: float
    threshold: float


class Accumulates(Protocol):
    """What sums a weighing over all pairs."""

    def accumulate(self, points: Tensor, weigh: Weighing, dtype: torch.dtype | None = None) -> PairSums:
        """Sum over all pairs."""
        ...


def excess_of_pairs(pairs: Accumulates, points: Tensor, threshold: float, dtype: torch.dtype | None) -> ExcessSums:
    """Sum the excess of all pairs of `points`, unit rows (n, d), by the traversal `pairs`; any device and precision."""

    def weigh(cosines: Tensor) -> tuple[Tensor, Tensor]:
        weights = cosines.sub_(threshold).clamp_(min=0)
        wide = accumulator_dtype(weights.device)
        # Row by row: a sum of the whole block in a wider format would first copy the block.
        lengths = torch.linalg.vector_norm(weights, dim=1).to(wide)
        return weights, torch.stack([weights.sum(dim=1).to(wide).sum(), torch.dot(lengths, lengths)])

    result = pairs.accumulate(points, weigh, dtype)
    total, squares = result.sums.tolist()
    return ExcessSums(total, squares, result.gradient, result.max_cosine, threshold)
