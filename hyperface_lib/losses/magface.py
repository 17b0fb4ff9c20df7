"""MagFace: the margin grows with the feature's length, and a regulariser makes good features long."""

from __future__ import annotations

import math

from torch import Tensor

from hyperface_lib.losses.margins import add_angle, check_number
from hyperface_lib.losses.target_margin import TargetMarginHead


class MagFaceHead(TargetMarginHead):
    """The target cos(theta_y + m(a)), a = |x|, and a regulariser lambda_g g(a), g(a) = 1 / a + a / u_a^2.

    Source: Meng et al., arXiv 2103.06627, eq. 3.
    m(a) rises linearly from `margin_radians_low` at length `norm_low` to `margin_radians_high` at `norm_high` (u_a);
    lengths are clipped to that range, and beyond it have no gradient. With the exact gradient the margin also pulls at
    the length; with the detached one only the regulariser does. Defaults of the paper: 0.45 at 10, 0.8 at 110,
    lambda_g (`regulariser_weight`) 35, scale 64. `monotonic=True` puts cos(theta) - m sin(m) on targets beyond pi - m.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        margin_radians_low: float = 0.45,
        margin_radians_high: float = 0.8,
        norm_low: float = 10.0,
        norm_high: float = 110.0,
        regulariser_weight: float = 35.0,
        gradient: str = "exact",
        monotonic: bool = False,
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, gradient, learnable_scale)
        if not 0 <= margin_radians_low <= margin_radians_high < math.pi:
            raise ValueError(
                "margin_radians_low and margin_radians_high must rise within 0 .. pi, "
                f"found {margin_radians_low} and {margin_radians_high}"
            )
        if not 0 < norm_low < norm_high:
            raise ValueError(f"norm_low and norm_high must rise above 0, found {norm_low} and {norm_high}")
        self.margin_radians_low = float(margin_radians_low)
        self.margin_radians_high = float(margin_radians_high)
        self.norm_low = float(norm_low)
        self.norm_high = float(norm_high)
        self.regulariser_weight = check_number("regulariser_weight", regulariser_weight, low=0.0)
        self.monotonic = monotonic

    @property
    def typical_norm(self) -> float:
        """The length in the middle of the range."""
        return (self.norm_low + self.norm_high) / 2

    def margin(self, norms: Tensor) -> Tensor:
        """Return m(a) in radians (n,) from the features' lengths (n,)."""
        share = (norms.clamp(self.norm_low, self.norm_high) - self.norm_low) / (self.norm_high - self.norm_low)
        return self.margin_radians_low + (self.margin_radians_high - self.margin_radians_low) * share

    def regulariser(self, norms: Tensor) -> Tensor:
        """Return g(a) = 1 / a + a / u_a^2 (n,), smallest at a = u_a."""
        lengths = norms.clamp(self.norm_low, self.norm_high)
        return 1.0 / lengths + lengths / self.norm_high**2

    def target(self, own: Tensor, norms: Tensor) -> Tensor:
        """Return cos(theta + m(a))."""
        return add_angle(own, self.margin(norms) * self.margin_fraction, monotonic=self.monotonic)

    def reduce(self, losses: Tensor, own: Tensor, norms: Tensor) -> Tensor:
        """Return the mean of cross-entropy and regulariser."""
        del own
        return losses.mean() + self.regulariser_weight * self.regulariser(norms).mean()
