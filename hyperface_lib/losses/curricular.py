"""CurricularFace: hard negatives weigh little at first and more as training goes on."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyperface_lib.losses.cosine_head import HardNegatives, RowRule
from hyperface_lib.losses.margins import add_angle, check_number
from hyperface_lib.losses.observing import ObservingHead


class CurricularFaceHead(ObservingHead):
    """ArcFace's target, and for negatives with cos(theta_j) > cos(theta_y + m): cos(theta_j) (t + cos(theta_j)).

    Source: Huang et al., arXiv 2004.00288, section 3. t starts at 0 and follows the mean target cosine r of the
    training batches, t <- a r + (1 - a) t; the paper calls its momentum 0.99, that is `t_rate` a = 0.01 as in its code.
    t is a buffer. `monotonic=True` puts cos(theta) - m sin(m) on targets beyond pi - m, as their code does; the mask
    keeps cos(theta_y + m). Defaults of the paper: scale 64, m 0.5.
    """

    t: Tensor

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        margin_radians: float = 0.5,
        t_rate: float = 0.01,
        gradient: str = "exact",
        monotonic: bool = False,
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, gradient, learnable_scale)
        if not 0 <= margin_radians < math.pi:
            raise ValueError(f"margin_radians must lie in 0 .. pi, found {margin_radians}")
        self.margin_radians = float(margin_radians)
        self.t_rate = check_number("t_rate", t_rate, low=0.0, high=1.0)
        self.monotonic = monotonic
        self.register_buffer("t", torch.zeros(()))

    def observe(self, own: Tensor, norms: Tensor) -> None:
        """Move t towards the batch's mean target cosine."""
        del norms
        self.t.lerp_(own.mean().to(self.t.dtype), self.t_rate)

    def target(self, own: Tensor, norms: Tensor) -> Tensor:
        """Return cos(theta + m)."""
        del norms
        return add_angle(own, self.margin_radians * self.margin_fraction, monotonic=self.monotonic)

    def row_rule(self, own: Tensor, norms: Tensor) -> RowRule:
        """Put the margin on the target and modulate the hard negatives."""
        threshold = add_angle(own.detach(), self.margin_radians * self.margin_fraction)
        negatives = HardNegatives(threshold, quadratic=1.0, slope=float(self.t))
        return RowRule(super().row_rule(own, norms).target, negatives)
