"""SV-softmax and SV-X-softmax: the classes that mis-classify a sample weigh more."""

from __future__ import annotations

from torch import Tensor

from hyperface_lib.losses.arcface import ArcFaceHead
from hyperface_lib.losses.cosface import CosFaceHead
from hyperface_lib.losses.cosine_head import HardNegatives, RowRule
from hyperface_lib.losses.margins import check_number
from hyperface_lib.losses.softmax import NormalisedSoftmaxHead


def guided(rule: RowRule, t: float) -> RowRule:
    """Return `rule` with the support vectors emphasised: cos(theta_k) > target becomes t cos(theta_k) + t - 1.

    This is h(t, theta_k, 1) e^{s cos(theta_k)} = e^{s (t - 1)(cos(theta_k) + 1)} e^{s cos(theta_k)} written into the
    exponent (Wang et al., arXiv 1812.11317, section 3). The mask is a constant; the gradient flows through h. The
    target in the mask is the one with the margin, f(m, theta_y).
    """
    return RowRule(rule.target, HardNegatives(rule.target.detach(), slope=t, offset=t - 1.0))


class SupportVectorSoftmaxHead(NormalisedSoftmaxHead):
    """SV-softmax: classes with cos(theta_k) > cos(theta_y) weigh h = e^{s (t - 1)(cos(theta_k) + 1)} more.

    Source: Wang et al., arXiv 1812.11317, section 3. t = 1 is the normalised softmax; default 1.2. Public code writes t
    for our t - 1. The scale is that code's, 32.
    """

    def __init__(
        self, dimension: int, classes: int, scale: float = 32.0, t: float = 1.2, learnable_scale: bool = False
    ) -> None:
        super().__init__(dimension, classes, scale, learnable_scale)
        self.t = check_number("t", t, low=1.0)

    def row_rule(self, own: Tensor, norms: Tensor) -> RowRule:
        """Emphasise the support vectors."""
        return guided(super().row_rule(own, norms), self.t)


class SupportVectorCosFaceHead(CosFaceHead):
    """SV-X-softmax with X = AM: f(m, theta_y) = cos(theta_y) - m in the loss and in the mask.

    Source: Wang et al., arXiv 1812.11317, section 3. t = 1 is CosFace. Defaults of their code: t 1.2, m 0.35, scale 32.
    The margin's warm-up leaves t alone.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 32.0,
        margin_cosine: float = 0.35,
        t: float = 1.2,
        gradient: str = "exact",
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, margin_cosine, gradient, learnable_scale)
        self.t = check_number("t", t, low=1.0)

    def row_rule(self, own: Tensor, norms: Tensor) -> RowRule:
        """Put the margin on the target and emphasise the support vectors."""
        return guided(super().row_rule(own, norms), self.t)


class SupportVectorArcFaceHead(ArcFaceHead):
    """SV-X-softmax with X = Arc: f(m, theta_y) = cos(theta_y + m) in the loss and in the mask.

    Source: Wang et al., arXiv 1812.11317, section 3. t = 1 is ArcFace. Defaults: t 1.2, m 0.5, scale 32. The margin's
    warm-up leaves t alone.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 32.0,
        margin_radians: float = 0.5,
        t: float = 1.2,
        gradient: str = "exact",
        monotonic: bool = False,
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, margin_radians, gradient, monotonic, learnable_scale)
        self.t = check_number("t", t, low=1.0)

    def row_rule(self, own: Tensor, norms: Tensor) -> RowRule:
        """Put the margin on the target and emphasise the support vectors."""
        return guided(super().row_rule(own, norms), self.t)
