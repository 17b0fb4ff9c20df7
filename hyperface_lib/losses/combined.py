"""The three margins at once: a factor of the angle, an angle added, a cosine taken off."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperface_lib.losses.margins import add_angle, angle_of, check_number, falling_cosine
from hyperface_lib.losses.target_margin import TargetMarginHead


def combined_cosine(
    cosines: Tensor,
    margin_factor: float,
    margin_radians: float,
    margin_cosine: float,
    *,
    monotonic: bool = False,
) -> Tensor:
    """Return cos(m1 theta + m2) - m3 from cos(theta), with finite gradients (arXiv 1801.07698, eq. 4).

    With `monotonic` the angle a = m1 theta + m2 enters as (-1)^k cos(a) - 2k, k = floor(a / pi), which equals cos(a) up
    to pi and keeps falling beyond (SphereFace's extension, for real m1 and m2).
    """
    if monotonic:
        turned = falling_cosine(margin_factor * angle_of(cosines) + margin_radians)
    elif margin_factor != 1:
        turned = torch.cos(margin_factor * angle_of(cosines) + margin_radians)
    elif margin_radians:
        turned = add_angle(cosines, margin_radians)
    else:
        turned = cosines
    return turned - margin_cosine


class CombinedMarginHead(TargetMarginHead):
    """scale * (cos(m1 theta_y + m2) - m3) (Deng et al., arXiv 1801.07698, eq. 4).

    m1 is `margin_factor`, m2 `margin_radians`, m3 `margin_cosine`: any real numbers, m1 above 0. (1, m, 0) is ArcFace,
    (1, 0, m) CosFace, (m, 0, 0) with `monotonic=True` SphereFace without annealing. `monotonic` goes on falling where
    m1 theta + m2 passes pi. Defaults: scale 64 and the paper's first combination CM1, (1, 0.3, 0.2); CM2 is
    (0.9, 0.4, 0.15). While the margin warms up, m1 goes from 1 and m2, m3 from 0.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        margin_factor: float = 1.0,
        margin_radians: float = 0.3,
        margin_cosine: float = 0.2,
        gradient: str = "exact",
        monotonic: bool = False,
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, gradient, learnable_scale)
        self.margin_factor = check_number("margin_factor", margin_factor, low=0.0)
        if not self.margin_factor > 0:
            raise ValueError(f"margin_factor must be above 0, found {margin_factor}")
        self.margin_radians = check_number("margin_radians", margin_radians)
        self.margin_cosine = check_number("margin_cosine", margin_cosine)
        self.monotonic = monotonic

    def target(self, own: Tensor, norms: Tensor) -> Tensor:
        """Return cos(m1 theta + m2) - m3."""
        del norms
        fraction = self.margin_fraction
        factor = 1.0 + (self.margin_factor - 1.0) * fraction
        return combined_cosine(
            own,
            factor,
            self.margin_radians * fraction,
            self.margin_cosine * fraction,
            monotonic=self.monotonic,
        )
