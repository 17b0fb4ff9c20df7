"""How a head describes itself: what becomes of the target's cosine and of the cosines of hard negatives.

Both ways of working out a loss, block by block and by ordinary automatic differentiation, follow the same description.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class HardNegatives:
    """What becomes of the cosine c of another class above `threshold` (n,): quadratic c^2 + slope c + offset.

    The threshold is a constant: no gradient passes through it.
    """

    threshold: Tensor
    quadratic: float = 0.0
    slope: float = 1.0
    offset: float = 0.0

    def applied(self, cosines: Tensor) -> Tensor:
        """Return cosines (n, C) with the hard ones changed."""
        changed = (self.quadratic * cosines + self.slope) * cosines + self.offset
        return torch.where(cosines > self.threshold.detach()[:, None], changed, cosines)


@dataclass(frozen=True)
class RowRule:
    """What a head makes of the rows of a batch: the cosine in the target's place (n,), and the hard negatives' rule."""

    target: Tensor
    negatives: HardNegatives | None = None

    def applied(self, cosines: Tensor, labels: Tensor) -> Tensor:
        """Return the cosines (n, C) that enter the softmax."""
        others = cosines if self.negatives is None else self.negatives.applied(cosines)
        return others.scatter(1, labels[:, None], self.target[:, None])
