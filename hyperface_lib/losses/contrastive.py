"""Contrastive loss: pairs of one class drawn together, pairs of two classes pushed to a distance."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperface_lib.losses.margins import check_number
from hyperface_lib.losses.miners import Miner
from hyperface_lib.losses.pairwise import DISTANCES, TupleHead, check_distance


class ContrastiveHead(TupleHead):
    """Contrastive loss on unit vectors: d^2 / 2 for a positive pair, [m - d]_+^2 / 2 for a negative one.

    Hadsell et al., CVPR 2006, eq. 4, with m = 1. A positive pair nearer than `positive_margin_distance` rests; beyond
    it counts what exceeds it. `power=1` takes the hinges themselves, without the half. The mean goes over the pairs
    with a loss above 0, for each kind by itself, so that the many negatives do not drown the positives.
    `margin_fraction` does not scale these margins: without them all features would be drawn to one point.
    Raises ValueError for an unknown distance or miner, a margin the distance cannot reach, or another power.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        margin_distance: float = 1.0,
        positive_margin_distance: float = 0.0,
        distance: str = "euclidean",
        power: int = 2,
        miner: str | Miner = "all",
    ) -> None:
        super().__init__(dimension, classes, miner)
        self.distance = check_distance(distance, margin_distance)
        check_number("positive_margin_distance", positive_margin_distance, 0.0, margin_distance)
        if power not in (1, 2):
            raise ValueError(f"power must be 1 or 2, found {power}")
        self.margin_distance = float(margin_distance)
        self.positive_margin_distance = float(positive_margin_distance)
        self.power = power

    def loss(self, cosines: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over positive pairs plus the mean over negative pairs."""
        measure, _ = DISTANCES[self.distance]
        distances = measure(cosines)
        positive, negative = self.miner.pairs(distances.detach(), labels, self.margin_distance)
        too_far = self._mean(distances - self.positive_margin_distance, positive)
        return too_far + self._mean(self.margin_distance - distances, negative)

    def _mean(self, violations: Tensor, chosen: Tensor) -> Tensor:
        active = chosen & (violations > 0)
        hinges = torch.where(active, violations, 0.0)
        losses = hinges if self.power == 1 else 0.5 * hinges * hinges
        return losses.sum() / active.sum().clamp_min(1)
