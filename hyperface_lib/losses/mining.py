"""Mining by loss: hard-example softmax, focal softmax, and both beside a margin."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperface_lib.losses.combined import CombinedMarginHead
from hyperface_lib.losses.margins import check_number
from hyperface_lib.losses.softmax import NormalisedSoftmaxHead

MININGS = ("focal", "hard")


def mean_of_hardest(losses: Tensor, hard_fraction: float) -> Tensor:
    """Return the mean of the highest `hard_fraction` of losses (n,): the whole part of the fraction, at least one."""
    # 0.9 * 10 may come out a hair below 9.
    count = max(1, int(hard_fraction * len(losses) + 1e-9))
    return losses.topk(count).values.mean()


def focal_mean(losses: Tensor, focal_gamma: float) -> Tensor:
    """Return the mean of (1 - p)^gamma * loss, with p = exp(-loss); gradient flows through both."""
    # The root of 0 has no derivative; a loss of 0 weighs nothing with any power above 0.
    errors = -torch.expm1(-losses)
    weights = errors.clamp_min(torch.finfo(losses.dtype).tiny) ** focal_gamma
    return (weights * losses).mean()


def _check_hard_fraction(hard_fraction: float) -> float:
    if not 0 < hard_fraction <= 1:
        raise ValueError(f"hard_fraction must be above 0 and at most 1, found {hard_fraction}")
    return float(hard_fraction)


class HardMiningSoftmaxHead(NormalisedSoftmaxHead):
    """HM-softmax: only the `hard_fraction` of a batch with the highest loss counts.

    Source: Shrivastava et al., arXiv 1604.03540. It is eq. 2 of arXiv 1812.11317, -g(p_y) log(p_y), with g = 1 for a
    hard sample and 0 otherwise. Default 0.9, as in that paper's code; 1 is the normalised softmax.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        hard_fraction: float = 0.9,
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, learnable_scale)
        self.hard_fraction = _check_hard_fraction(hard_fraction)

    def reduce(self, losses: Tensor, own: Tensor, norms: Tensor) -> Tensor:
        """Return the mean loss of the hard samples."""
        del own, norms
        return mean_of_hardest(losses, self.hard_fraction)


class FocalSoftmaxHead(NormalisedSoftmaxHead):
    """F-softmax: -(1 - p_y)^gamma log(p_y) (Lin et al., arXiv 1708.02002, eq. 4; arXiv 1812.11317, eq. 2).

    p_y is the probability of the right class. `focal_gamma` 2 is the paper's; 0 is the normalised softmax.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        focal_gamma: float = 2.0,
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, learnable_scale)
        self.focal_gamma = check_number("focal_gamma", focal_gamma, low=0.0)

    def reduce(self, losses: Tensor, own: Tensor, norms: Tensor) -> Tensor:
        """Return the mean of the weighted losses."""
        del own, norms
        return focal_mean(losses, self.focal_gamma)


class MiningMarginHead(CombinedMarginHead):
    """Mining and margin multiplied: -g(p_y) log(e^{s f} / (e^{s f} + sum_k e^{s cos(theta_k)})), f = f(m, theta_y).

    Source: arXiv 1812.11317, eq. 4, the naive fusion that SV-softmax is compared with. `mining="focal"` weighs with
    g = (1 - p_y)^focal_gamma, "hard" keeps the `hard_fraction` with the highest loss. p_y is the probability after the
    margin, as in public code. f is cos(m1 theta + m2) - m3, ArcFace by default.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        mining: str = "focal",
        focal_gamma: float = 2.0,
        hard_fraction: float = 0.9,
        margin_radians: float = 0.5,
        margin_cosine: float = 0.0,
        margin_factor: float = 1.0,
        gradient: str = "exact",
        monotonic: bool = False,
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(
            dimension,
            classes,
            scale,
            margin_factor=margin_factor,
            margin_radians=margin_radians,
            margin_cosine=margin_cosine,
            gradient=gradient,
            monotonic=monotonic,
            learnable_scale=learnable_scale,
        )
        if mining not in MININGS:
            raise ValueError(f"mining must be one of {', '.join(MININGS)}, found {mining!r}")
        self.mining = mining
        self.focal_gamma = check_number("focal_gamma", focal_gamma, low=0.0)
        self.hard_fraction = _check_hard_fraction(hard_fraction)

    def reduce(self, losses: Tensor, own: Tensor, norms: Tensor) -> Tensor:
        """Return the mean of the mined losses."""
        del own, norms
        if self.mining == "focal":
            return focal_mean(losses, self.focal_gamma)
        return mean_of_hardest(losses, self.hard_fraction)
