"""Softmax without a margin: with a bias, with normalised rows, and with features of one length."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from hyperface_lib.losses.cosine_head import CosineHead
from hyperface_lib.losses.margins import unit_rows


class NormalisedSoftmaxHead(CosineHead):
    """Softmax over scale * cos(theta_j), no bias (Deng et al., arXiv 1801.07698, eq. 2)."""


class SoftmaxHead(CosineHead):
    """Softmax over W_j . x + b_j (Deng et al., arXiv 1801.07698, eq. 1).

    With a `scale` the features are brought to that length first, W_j . (scale x / |x|) + b_j: the L2-constrained
    softmax (Ranjan et al., arXiv 1703.09507, section 3), whose scale may be learned (`learnable_scale=True`) or fixed;
    `smallest_scale` says how long is long enough. Raises ValueError for a learnable scale without a first value.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float | None = None,
        learnable_scale: bool = False,
        bias: bool = True,
    ) -> None:
        if scale is None and learnable_scale:
            raise ValueError("a learnable scale needs a first value: give scale a number, found None")
        super().__init__(dimension, classes, 1.0 if scale is None else scale, learnable_scale)
        self.constrained = scale is not None
        self.bias = nn.Parameter(torch.zeros(classes)) if bias else None

    def logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return W x + b (n, classes); also records the angles."""
        with torch.autocast(features.device.type, enabled=False):
            self._record(self.cosines(features.detach()).detach(), labels)
            rows, weight = self._precise(features), self._precise(self.weight)
            if self.constrained:
                rows = self.scale * unit_rows(rows)
            return functional.linear(rows, weight, None if self.bias is None else self._precise(self.bias))

    def plain_loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy."""
        features, labels = self._checked(features, labels)
        if len(labels) == 0:
            return self._no_loss(features)
        return functional.cross_entropy(self.logits(features, labels), labels)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of features (n, dimension) with labels (n,); -1 means no label."""
        return self.plain_loss(features, labels)


def smallest_scale(classes: int, probability: float) -> float:
    """Return the scale from which a softmax of cosines can give the right class `probability`.

    It is log(p (C - 2) / (1 - p)) for C classes whose features lie at their own centre, one other centre opposite and
    the rest at right angles (Ranjan et al., arXiv 1703.09507, section 3), where the opposite one is neglected. Raises
    ValueError unless classes > 2 and 1 / (C - 1) < p < 1, where it is above 0.
    """
    if classes < 3 or not 1 / (classes - 1) < probability < 1:
        raise ValueError(
            f"smallest_scale needs classes >= 3 and 1 / (classes - 1) < probability < 1, found {classes}, {probability}"
        )
    return math.log(probability * (classes - 2) / (1 - probability))
