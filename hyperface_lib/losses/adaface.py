"""AdaFace: the kind of margin follows the feature's length, taken as the quality of the image."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyperface_lib.losses.margins import add_angle, check_number
from hyperface_lib.losses.observing import ObservingHead

# Lengths outside are clipped before they enter the statistics, and this is added to their spread, as in public code.
SMALLEST_NORM, LARGEST_NORM = 1e-3, 100.0
SPREAD_FLOOR = 1e-3


class AdaFaceHead(ObservingHead):
    """The target cos(theta_y + g_angle) - g_add, with g_angle = -m z and g_add = m z + m.

    Source: Kim et al., arXiv 2204.00964, section 3.3. z = clip(h (|x| - mu) / sigma, -1, 1) says how long the feature x
    is; mu and sigma follow the lengths of the training batches at `norm_rate`. The length is a constant here: no
    gradient passes. z = -1 (poor image) is ArcFace, z = 0 CosFace, z = 1 (good image) a negative angular margin and
    twice CosFace's.

    `monotonic=True`, the default, holds theta + g_angle within 0 .. pi as the authors' code does; without it a good
    sample closer than m to its centre is pushed away again. Defaults of the paper: scale 64, m 0.4 (`margin_radians`
    and a cosine at once), h 0.333, momentum 0.99 (`norm_rate` 0.01); mu and sigma start at 20 and 100 as in its code.
    """

    norm_mean: Tensor
    norm_spread: Tensor

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        margin_radians: float = 0.4,
        h: float = 0.333,
        norm_rate: float = 0.01,
        gradient: str = "exact",
        monotonic: bool = True,
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, gradient, learnable_scale)
        if not 0 <= margin_radians < math.pi:
            raise ValueError(f"margin_radians must lie in 0 .. pi, found {margin_radians}")
        self.margin_radians = float(margin_radians)
        self.h = check_number("h", h, low=0.0)
        self.norm_rate = check_number("norm_rate", norm_rate, low=0.0, high=1.0)
        self.monotonic = monotonic
        self.register_buffer("norm_mean", torch.tensor(20.0))
        self.register_buffer("norm_spread", torch.tensor(100.0))

    @property
    def typical_norm(self) -> float:
        """The length of a feature of middle quality."""
        return float(self.norm_mean)

    def observe(self, own: Tensor, norms: Tensor) -> None:
        """Move mean and spread of the lengths towards the batch's; one sample has no spread."""
        del own
        lengths = norms.clamp(SMALLEST_NORM, LARGEST_NORM).to(self.norm_mean.dtype)
        self.norm_mean.lerp_(lengths.mean(), self.norm_rate)
        if len(lengths) > 1:
            self.norm_spread.lerp_(lengths.std(), self.norm_rate)

    def quality(self, norms: Tensor) -> Tensor:
        """Return z in -1 .. 1 (n,) from the features' lengths (n,)."""
        lengths = norms.detach().clamp(SMALLEST_NORM, LARGEST_NORM)
        return (self.h * (lengths - self.norm_mean) / (self.norm_spread + SPREAD_FLOOR)).clamp(-1.0, 1.0)

    def target(self, own: Tensor, norms: Tensor) -> Tensor:
        """Return cos(theta + g_angle) - g_add."""
        margin = self.margin_radians * self.margin_fraction
        quality = self.quality(norms).to(own.dtype)
        angles = -margin * quality
        turned = add_angle(own, angles)
        if self.monotonic:
            # theta + g_angle > pi and < 0, written with cosines.
            turned = torch.where((angles > 0) & (own < -torch.cos(angles)), -torch.ones_like(own), turned)
            turned = torch.where((angles < 0) & (own > torch.cos(angles)), torch.ones_like(own), turned)
        return turned - margin * (quality + 1.0)
