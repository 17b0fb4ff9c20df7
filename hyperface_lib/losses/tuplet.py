"""Tuplet losses: an anchor and its positive against many negatives at once, with and without a slack angle."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from hyperface_lib.losses.margins import add_angle, angle_of
from hyperface_lib.losses.miners import Miner
from hyperface_lib.losses.pairwise import TupleHead, mean_over_blocks


class TupletHead(TupleHead):
    """Tuplet margin loss: the mean over positive pairs of log(1 + sum_n exp(s (cos theta_an - cos(theta_ap - m)))).

    Yu and Tao, ICCV 2019, with s = 64 and a slack of m = 0.1 radians (5.73 degrees), which eases the positive so that
    the hardest pairs are not over-fitted. `margin_radians=0, scale=1, miner="n-pair"` is the N-pair loss of Sohn
    (NIPS 2016) on unit vectors. The pairs and their negatives are the miner's; semi-hard is measured in radians with
    the slack as its band. Raises ValueError for a scale that is not above 0 or a slack outside 0 .. pi / 2.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        margin_radians: float = 0.1,
        miner: str | Miner = "all",
    ) -> None:
        super().__init__(dimension, classes, miner)
        if not scale > 0:
            raise ValueError(f"scale must be above 0, found {scale}")
        if not 0 <= margin_radians < math.pi / 2:
            raise ValueError(f"margin_radians must lie in 0 .. pi / 2, found {margin_radians}")
        self.scale = float(scale)
        self.margin_radians = float(margin_radians)

    def loss(self, cosines: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over the pairs that have a negative."""
        slack = self.margin_radians * self.margin_fraction
        angles = angle_of(cosines.detach())

        def rule(positives: Tensor, rows: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
            eased = add_angle(positives, -slack) if slack else positives
            gaps = (self.scale * (rows - eased[:, None])).masked_fill(~negatives, -torch.inf)
            # The column of zeros is the 1 in log(1 + ...); it also keeps a row without negatives finite.
            losses = functional.pad(gaps, (1, 0)).logsumexp(dim=1)
            return losses.sum(), negatives.any(dim=1).sum()

        return mean_over_blocks(cosines, self.miner.blocks(angles, labels, slack), rule)
