"""Triplet losses: an anchor nearer to its own class than to another by a margin, in distance or in angle."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyperface_lib.losses.margins import angle_of
from hyperface_lib.losses.miners import Miner
from hyperface_lib.losses.pairwise import DISTANCES, TupleHead, check_distance, mean_over_blocks


def triplet_hinge(distances: Tensor, labels: Tensor, margin: float, miner: Miner) -> Tensor:
    """Return the mean of d(a, p) - d(a, n) + margin over the mined triplets where it is above 0, else 0.

    The triplets that keep the margin do not count: their share grows as training goes on and would shrink the step.
    """

    def rule(positives: Tensor, rows: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
        violations = positives[:, None] - rows + margin
        violated = negatives & (violations > 0)
        return torch.where(violated, violations, 0.0).sum(), violated.sum()

    return mean_over_blocks(distances, miner.blocks(distances.detach(), labels, margin), rule)


class TripletHead(TupleHead):
    """Triplet loss [d(a, p) - d(a, n) + m]_+ on unit vectors (FaceNet; Schroff et al., arXiv 1503.03832, eq. 3).

    `distance="squared"` is FaceNet's ||a - b||^2, from 0 to 4, with m = 0.2; "euclidean" is ||a - b|| itself, as in
    Hermans et al. (arXiv 1703.07737). `miner` is "all", "semi-hard" (FaceNet's), "hard", or a Miner.
    `margin_fraction` does not scale the margin: it is the band in which semi-hard negatives lie, and without one a
    training would begin with none, or be content with all features in one point.
    Raises ValueError for an unknown distance or miner or a margin the distance cannot reach.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        margin_distance: float = 0.2,
        distance: str = "squared",
        miner: str | Miner = "semi-hard",
    ) -> None:
        super().__init__(dimension, classes, miner)
        self.distance = check_distance(distance, margin_distance)
        self.margin_distance = float(margin_distance)

    def loss(self, cosines: Tensor, labels: Tensor) -> Tensor:
        """Return the mean violation of the margin, in the unit of the distance."""
        measure, _ = DISTANCES[self.distance]
        return triplet_hinge(measure(cosines), labels, self.margin_distance, self.miner)


class AngularTripletHead(TupleHead):
    """Triplet loss on angles, arccos(p . a) + m <= arccos(n . a) (Deng et al., arXiv 1801.07698), m in radians.

    `miner` is "all", "semi-hard", "hard", or a Miner. As in `TripletHead` the margin is whole from the first step.
    Raises ValueError for a margin outside 0 .. pi.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        margin_radians: float = 0.35,
        miner: str | Miner = "semi-hard",
    ) -> None:
        super().__init__(dimension, classes, miner)
        if not 0 <= margin_radians < math.pi:
            raise ValueError(f"margin_radians must lie in 0 .. pi, found {margin_radians}")
        self.margin_radians = float(margin_radians)

    def loss(self, cosines: Tensor, labels: Tensor) -> Tensor:
        """Return the mean violation of the margin in radians."""
        return triplet_hinge(angle_of(cosines), labels, self.margin_radians, self.miner)
