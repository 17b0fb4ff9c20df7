"""ArcFace: the margin is an angle added to the target's."""

from __future__ import annotations

import math

from torch import Tensor

from hyperface_lib.losses.margins import add_angle
from hyperface_lib.losses.target_margin import TargetMarginHead


class ArcFaceHead(TargetMarginHead):
    """Additive angular margin: scale * cos(theta_y + m) (Deng et al., arXiv 1801.07698, eq. 3).

    cos(theta + m) rises again beyond theta = pi - m; `monotonic=True` puts cos(theta) - m sin(m) there, as the
    authors' first code does. Defaults of the paper: scale 64, m 0.5. Raises ValueError unless 0 <= m < pi.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        margin_radians: float = 0.5,
        gradient: str = "exact",
        monotonic: bool = False,
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, gradient, learnable_scale)
        if not 0 <= margin_radians < math.pi:
            raise ValueError(f"margin_radians must lie in 0 .. pi, found {margin_radians}")
        self.margin_radians = float(margin_radians)
        self.monotonic = monotonic

    def target(self, own: Tensor, norms: Tensor) -> Tensor:
        """Return cos(theta + m)."""
        del norms
        margin = self.margin_radians * self.margin_fraction
        return add_angle(own, margin, monotonic=self.monotonic) if margin else own
