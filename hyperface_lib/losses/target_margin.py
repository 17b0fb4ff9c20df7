"""What the margin heads share: a margin on the target's cosine, differentiated exactly or let through."""

from __future__ import annotations

from torch import Tensor

from hyperface_lib.losses.cosine_head import CosineHead, RowRule
from hyperface_lib.losses.margins import check_gradient, through


class TargetMarginHead(CosineHead):
    """A head with a margin on the target's cosine; a subclass says in `target` what becomes of it.

    `gradient="exact"` differentiates the margin: d(target) / d(cosine) is what the formula says. "detached" lets it
    through as a constant, so that this derivative is 1: what common public code does by editing logits in place.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        gradient: str = "exact",
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, learnable_scale)
        self.gradient = check_gradient(gradient)

    def target(self, own: Tensor, norms: Tensor) -> Tensor:
        """Return the target cosines (n,) with the margin applied, from those without and the features' lengths."""
        raise NotImplementedError

    def row_rule(self, own: Tensor, norms: Tensor) -> RowRule:
        """Put the margin on the target and leave the other classes alone."""
        return RowRule(through(self.target(own, norms), own, self.gradient))
