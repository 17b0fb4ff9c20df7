"""CosFace, also called AM-softmax: the margin is taken from the target's cosine."""

from __future__ import annotations

from torch import Tensor

from hyperface_lib.losses.margins import check_number
from hyperface_lib.losses.target_margin import TargetMarginHead


class CosFaceHead(TargetMarginHead):
    """Additive cosine margin: scale * (cos(theta_y) - m) (Wang et al., arXiv 1801.09414, eq. 4).

    The same loss is AM-softmax (arXiv 1801.05599, eq. 6). Its exact and its detached gradient are the same. Defaults of
    the paper: scale 64, m 0.35.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        margin_cosine: float = 0.35,
        gradient: str = "exact",
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, gradient, learnable_scale)
        self.margin_cosine = check_number("margin_cosine", margin_cosine)

    def target(self, own: Tensor, norms: Tensor) -> Tensor:
        """Return cos(theta) - m."""
        del norms
        return own - self.margin_cosine * self.margin_fraction
