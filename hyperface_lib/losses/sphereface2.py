"""SphereFace2: one yes-or-no question for each class instead of one softmax over all."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from hyperface_lib.losses.cosine_head import RowRule
from hyperface_lib.losses.margins import check_number, through
from hyperface_lib.losses.target_margin import TargetMarginHead


class SphereFace2Head(TargetMarginHead):
    """Binary cross-entropies over all classes: z_y = r (g(cos(theta_y)) - m) + b, z_j = r (g(cos(theta_j)) + m) + b.

    The loss of a sample is w / r (a log(1 + e^{-z_y}) + (1 - a) sum_{j != y} log(1 + e^{z_j})), where
    g(c) = 2 ((c + 1) / 2)^t - 1 spreads the cosines. Source: Wen et al., arXiv 2108.01513, the cosine margin ("C").
    b is learned; it starts where the loss of features at right angles to all centres is smallest.

    r is `scale` (40), m `margin_cosine` (0.4), t 3, a `positive_weight` (0.7): the paper's. w is `loss_weight`: 1 is
    the formula as printed; 50, the default, is the authors' code, which makes steps as long as the softmax heads'.
    `gradient="detached"` lets both g and m through as constants, as that code does.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 40.0,
        margin_cosine: float = 0.4,
        t: float = 3.0,
        positive_weight: float = 0.7,
        loss_weight: float = 50.0,
        gradient: str = "exact",
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, gradient, learnable_scale)
        self.margin_cosine = check_number("margin_cosine", margin_cosine)
        self.t = check_number("t", t, low=1.0)
        if not 0 < positive_weight < 1:
            raise ValueError(f"positive_weight must lie between 0 and 1, found {positive_weight}")
        self.positive_weight = float(positive_weight)
        self.loss_weight = check_number("loss_weight", loss_weight, low=0.0)
        self.bias = nn.Parameter(torch.tensor(self.best_first_bias()))

    def best_first_bias(self) -> float:
        """Return the b with the smallest loss where all cosines are 0; for one class, where z_y is 0.

        With u = e^b, p = r (g(0) - m), q = r (g(0) + m) and z = a / ((1 - a)(C - 1)) the derivative vanishes where
        e^p u^2 + (1 - z) u - z e^-q = 0.
        """
        middle = 2.0 * 0.5**self.t - 1.0
        scale = float(torch.as_tensor(self.scale).detach())
        positive, negative = scale * (middle - self.margin_cosine), scale * (middle + self.margin_cosine)
        if self.classes == 1:
            return -positive
        ratio = self.positive_weight / ((1.0 - self.positive_weight) * (self.classes - 1))
        root = math.sqrt((1.0 - ratio) ** 2 + 4.0 * ratio * math.exp(positive - negative))
        # Two forms of one root: each where nothing cancels.
        if ratio > 1.0:
            return math.log(ratio - 1.0 + root) - math.log(2.0) - positive
        return math.log(2.0 * ratio) - negative - math.log(1.0 - ratio + root)

    def spread(self, cosines: Tensor) -> Tensor:
        """Return g(c) = 2 ((c + 1) / 2)^t - 1."""
        return 2.0 * ((cosines + 1.0) / 2.0).clamp_min(0.0) ** self.t - 1.0

    def target(self, own: Tensor, norms: Tensor) -> Tensor:
        """Return g(cos(theta_y)) - m."""
        del norms
        return self.spread(own) - self.margin_cosine * self.margin_fraction

    def adjust(self, cosines: Tensor, labels: Tensor, norms: Tensor) -> Tensor:
        """Return g(cos) - m for the target and g(cos) + m for the others (n, classes)."""
        own = cosines.gather(1, labels[:, None]).squeeze(1)
        others = self.spread(cosines) + self.margin_cosine * self.margin_fraction
        rule = RowRule(self.row_rule(own, norms).target)
        return rule.applied(through(others, cosines, self.gradient), labels)

    def logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return z (n, classes); also records the angles."""
        with torch.autocast(features.device.type, enabled=False):
            return super().logits(features, labels) + self._precise(self.bias)

    def plain_loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of the samples."""
        features, labels = self._checked(features, labels)
        if len(labels) == 0:
            return self._no_loss(features)
        with torch.autocast(features.device.type, enabled=False):
            logits = self.logits(features, labels)
            index = labels[:, None]
            positive = functional.softplus(-logits.gather(1, index)).squeeze(1)
            negative = functional.softplus(logits).scatter(1, index, 0.0).sum(dim=1)
            losses = self.positive_weight * positive + (1.0 - self.positive_weight) * negative
            return self.loss_weight * (losses / self.scale).mean()

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of features (n, dimension) with labels (n,); -1 means no label."""
        return self.plain_loss(features, labels)
