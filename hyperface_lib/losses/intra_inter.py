"""Additions to a classification head: draw samples to their centre (intra), push centres apart (inter)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hyperface_lib.losses.cosine_head import AngleRecord
from hyperface_lib.losses.margins import angle_of, floored_sine, unit_rows
from hyperface_lib.losses.softmax import NormalisedSoftmaxHead

# Entries of the (samples, classes) matrix of angles the inter loss holds at a time.
BLOCK_ENTRIES = 2**21


class Addition(nn.Module):
    """A second loss of a head, which may look at the head's class centres."""

    def forward(self, head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
        """Return a scalar from features (n, d) and labels (n,), all of which are known; n may be 0."""
        raise NotImplementedError


class WithAddition(nn.Module):
    """A head whose loss is head + weight * addition; everything else about it is the head's.

    Raises ValueError if the weight is negative.
    """

    def __init__(self, head: nn.Module, addition: Addition, weight: float = 1.0) -> None:
        super().__init__()
        if not weight >= 0:
            raise ValueError(f"the weight of an addition must be 0 or above, found {weight}")
        self.head = head
        self.addition = addition
        self.addition_weight = float(weight)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of features (n, dimension) with labels (n,); -1 means no label, for both parts."""
        loss = self.head(features, labels)
        known = labels >= 0
        with torch.autocast(features.device.type, enabled=False):
            return loss + self.addition_weight * self.addition(self.head, features[known], labels[known].long())

    def cosines(self, features: Tensor) -> Tensor:
        """Return the head's cosines (n, classes) for features (n, dimension)."""
        result: Tensor = self.head.cosines(features)  # type: ignore[operator]
        return result

    def logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the head's logits (n, classes)."""
        result: Tensor = self.head.logits(features, labels)  # type: ignore[operator]
        return result

    @property
    def weight(self) -> Tensor:
        """The head's class centres."""
        return self.head.weight  # type: ignore[return-value]

    @property
    def dimension(self) -> int:
        """The length of a feature."""
        return self.head.dimension  # type: ignore[return-value]

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self.head.classes  # type: ignore[return-value]

    @property
    def scale(self) -> float | Tensor:
        """The head's scale."""
        return self.head.scale  # type: ignore[return-value]

    @property
    def angles(self) -> AngleRecord | None:
        """The head's record of the last batch."""
        return self.head.angles  # type: ignore[return-value]

    @property
    def margin_fraction(self) -> float:
        """How much of its margin the head applies, 0 .. 1."""
        return self.head.margin_fraction  # type: ignore[return-value]

    @margin_fraction.setter
    def margin_fraction(self, fraction: float) -> None:
        self.head.margin_fraction = fraction  # type: ignore[assignment]


class IntraLoss(Addition):
    """Mean of theta_y / pi, the angle of a sample to its own centre (Deng et al., arXiv 1801.07698, eq. 5)."""

    def forward(self, head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
        """Return a scalar in 0 .. 1. Raises ValueError if the head has not one centre a class."""
        weight = class_centres(head)
        features = features.to(torch.promote_types(features.dtype, weight.dtype))
        if len(labels) == 0:
            return features.sum() * 0.0
        own = (unit_rows(features) * unit_rows(weight[labels])).sum(dim=1)
        return angle_of(own).mean() / math.pi


class InterLoss(Addition):
    """Minus the mean over samples of sum_{j != y} arccos(W_y . W_j) / (pi (N - 1)) (Deng et al., eq. 6).

    0 for a single class. It reaches the class centres only, of all N classes, in blocks of them.
    """

    def forward(self, head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
        """Return a scalar in -1 .. 0. Raises ValueError if the head has not one centre a class."""
        weight = class_centres(head)
        nothing = features.to(weight.dtype).sum() * 0.0
        if len(labels) == 0 or len(weight) == 1:
            return nothing
        present, counts = torch.unique(labels, return_counts=True)
        total: Tensor = _WeightedAngles.apply(unit_rows(weight), present, counts)
        return nothing - total / (len(labels) * math.pi * (len(weight) - 1))


class _WeightedAngles(torch.autograd.Function):
    """Sum over rows y of count_y * sum_{j != y} arccos(U_y . U_j), differentiated block by block as it goes."""

    @staticmethod
    def forward(ctx: Any, unit: Tensor, rows: Tensor, counts: Tensor) -> Tensor:
        own = unit[rows]
        share = counts.to(unit.dtype)[:, None]
        gradient = torch.zeros_like(unit)
        of_own = torch.zeros_like(own)
        total = unit.new_zeros(())
        step = max(1, BLOCK_ENTRIES // len(rows))
        for start in range(0, len(unit), step):
            block = unit[start : start + step]
            cosines = own @ block.T
            classes = torch.arange(start, start + len(block), device=unit.device)
            other = share * (classes[None, :] != rows[:, None])
            total += (other * torch.acos(cosines.clamp(-1, 1))).sum()
            slopes = -other / floored_sine(cosines)
            of_own += slopes @ block
            gradient[start : start + step] += slopes.T @ own
        gradient.index_add_(0, rows, of_own)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (saved,) = ctx.saved_tensors
        return gradient * saved, None, None


class IntraHead(WithAddition):
    """Normalised softmax plus the intra loss (Deng et al., arXiv 1801.07698, eq. 5)."""

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        weight: float = 1.0,
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(NormalisedSoftmaxHead(dimension, classes, scale, learnable_scale), IntraLoss(), weight)


class InterHead(WithAddition):
    """Normalised softmax plus the inter loss (Deng et al., arXiv 1801.07698, eq. 6)."""

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        weight: float = 1.0,
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(NormalisedSoftmaxHead(dimension, classes, scale, learnable_scale), InterLoss(), weight)


def class_centres(head: nn.Module) -> Tensor:
    """Return the centres (classes, d) of a head in float32 or wider.

    Raises ValueError if the head has none, or several a class.
    """
    weight = getattr(head, "weight", None)
    if not isinstance(weight, Tensor) or weight.ndim != 2:
        found = "none" if not isinstance(weight, Tensor) else f"{tuple(weight.shape)}"
        raise ValueError(f"this addition needs a head with class centres (classes, dimension), found {found}")
    return weight if weight.dtype == torch.float64 else weight.float()
