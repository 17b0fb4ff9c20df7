"""Sub-center ArcFace: several centres a class, so that wrongly labelled images need not pull the main one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hyperface_lib.losses.combined import CombinedMarginHead
from hyperface_lib.losses.margins import SINE_SQUARED_FLOOR, check_number, unit_rows

POOLINGS = ("max", "softmax")


class SubCenterHead(CombinedMarginHead):
    """Margin softmax over classes of K centres each: cos(theta_j) = max_k W_jk . x (arXiv 1801.07698, eq. 7).

    `pooling="max"` takes the nearest sub-centre, so that only it learns from a sample. "softmax" takes the mean of the
    K cosines c_k weighted with softmax(c_k / pooling_temperature), as SoftTriple does (Qian et al., arXiv 1909.05235,
    section 3, temperature 0.1): the variant the paper compares with. Any margin goes on top: cos(m1 theta + m2) - m3,
    ArcFace by default.

    `regulariser_weight` above 0 adds that many times `spread()`, which pulls the sub-centres of a class together: the
    paper's alternative to dropping them (SoftTriple's weight is 0.2).

    `weight` is (classes, sub_centers, dimension). Defaults of the paper: K 3, scale 64, m2 0.5.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        sub_centers: int = 3,
        pooling: str = "max",
        pooling_temperature: float = 0.1,
        regulariser_weight: float = 0.0,
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
        if sub_centers < 1:
            raise ValueError(f"sub_centers must be at least 1, found {sub_centers}")
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, found {pooling!r}")
        if not pooling_temperature > 0:
            raise ValueError(f"pooling_temperature must be above 0, found {pooling_temperature}")
        self.sub_centers = sub_centers
        self.pooling = pooling
        self.pooling_temperature = float(pooling_temperature)
        self.regulariser_weight = check_number("regulariser_weight", regulariser_weight, low=0.0)
        self.weight = nn.Parameter(torch.randn(classes, sub_centers, dimension) * 0.05)

    def sub_center_cosines(self, features: Tensor) -> Tensor:
        """Return the cosines (n, classes, sub_centers) between features (n, dimension) and every sub-centre."""
        with torch.autocast(features.device.type, enabled=False):
            centres = unit_rows(self._precise(self.weight)).flatten(0, 1)
            return (unit_rows(self._precise(features)) @ centres.T).unflatten(1, (self.classes, self.sub_centers))

    def own_sub_center_cosines(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the cosines (n, sub_centers) between each feature and the sub-centres of its own class only.

        Memory grows with n, not with n * classes: the argmax over the last axis, counted over a class, names its
        dominant sub-centre. Raises ValueError if a label lies outside 0 .. classes - 1.
        """
        kept, labels = self._checked(features, labels)
        if len(kept) < len(features):
            raise ValueError("own_sub_center_cosines needs a class for every row, found labels of -1")
        with torch.autocast(features.device.type, enabled=False):
            centres = unit_rows(self._precise(self.weight[labels]))
            return torch.einsum("nd,nkd->nk", unit_rows(self._precise(kept)), centres)

    def pooled(self, cosines: Tensor) -> Tensor:
        """Return one cosine for the K of the last axis."""
        if self.pooling == "max":
            return cosines.max(dim=-1).values
        shares = torch.softmax(cosines / self.pooling_temperature, dim=-1)
        return (shares * cosines).sum(dim=-1)

    def cosines(self, features: Tensor) -> Tensor:
        """Return the pooled cosines (n, classes)."""
        return self.pooled(self.sub_center_cosines(features))

    def spread(self) -> Tensor:
        """Return the distances between sub-centres of a class, sum_j sum_{k<l} |w_jk - w_jl| / (C K (K - 1)).

        Source: the regulariser of SoftTriple (Qian et al., arXiv 1909.05235, section 3). 0 for K = 1.
        """
        first, second = torch.triu_indices(self.sub_centers, self.sub_centers, 1, device=self.weight.device)
        with torch.autocast(self.weight.device.type, enabled=False):
            centres = unit_rows(self._precise(self.weight))
            cosines = (centres[:, first] * centres[:, second]).sum(dim=-1)
            # Two centres in one place have no direction to each other: the root is flat there.
            distances = (2.0 - 2.0 * cosines).clamp_min(SINE_SQUARED_FLOOR).sqrt()
            return distances.sum() / (self.classes * max(1, self.sub_centers * (self.sub_centers - 1)))

    def plain_loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, with the regulariser if it has a weight."""
        loss = super().plain_loss(features, labels)
        if not self.regulariser_weight:
            return loss
        return loss + self.regulariser_weight * self.spread()

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of features (n, dimension) with labels (n,); -1 means no label."""
        return self.plain_loss(features, labels)
