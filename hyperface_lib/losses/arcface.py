"""Margins that add to the target's angle (ArcFace) or take from its cosine (CosFace), and softmax without margin."""

from __future__ import annotations

import math

from torch import Tensor

from hyperface_lib.losses.cosine_head import CosineHead
from hyperface_lib.losses.margins import add_angle, check_gradient, through


class NormalisedSoftmaxHead(CosineHead):
    """Softmax over scale * cos(theta_j), no bias (Deng et al., arXiv 1801.07698, eq. 2)."""


class TargetMarginHead(CosineHead):
    """A head whose margin touches the target's cosine only; a subclass says how in `target`."""

    def __init__(self, dimension: int, classes: int, scale: float = 64.0, gradient: str = "exact") -> None:
        super().__init__(dimension, classes, scale)
        self.gradient = check_gradient(gradient)

    def target(self, cosines: Tensor) -> Tensor:
        """Return the target cosines (n,) with the margin applied."""
        raise NotImplementedError

    def adjust(self, cosines: Tensor, labels: Tensor, norms: Tensor) -> Tensor:
        """Replace the target's cosine and leave the others alone."""
        del norms
        index = labels[:, None]
        own = cosines.gather(1, index)
        return cosines.scatter(1, index, through(self.target(own), own, self.gradient))


class ArcFaceHead(TargetMarginHead):
    """Additive angular margin: scale * cos(theta_y + m) (Deng et al., arXiv 1801.07698, eq. 3).

    `gradient="exact"` differentiates the margin; "detached" lets it through as a constant, as common code does.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        margin_radians: float = 0.5,
        gradient: str = "exact",
        monotonic: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, gradient)
        if not 0 <= margin_radians < math.pi:
            raise ValueError(f"margin_radians must lie in 0 .. pi, found {margin_radians}")
        self.margin_radians = float(margin_radians)
        self.monotonic = monotonic

    def target(self, cosines: Tensor) -> Tensor:
        """Return cos(theta + m)."""
        margin = self.margin_radians * self.margin_fraction
        return add_angle(cosines, margin, monotonic=self.monotonic) if margin else cosines


class CosFaceHead(TargetMarginHead):
    """Additive cosine margin: scale * (cos(theta_y) - m) (Wang et al., arXiv 1801.09414)."""

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        margin_cosine: float = 0.35,
        gradient: str = "exact",
    ) -> None:
        super().__init__(dimension, classes, scale, gradient)
        self.margin_cosine = float(margin_cosine)

    def target(self, cosines: Tensor) -> Tensor:
        """Return cos(theta) - m."""
        return cosines - self.margin_cosine * self.margin_fraction
