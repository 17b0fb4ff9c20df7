"""What the pairwise losses share: distances with safe derivatives, means over mined tuples, and the head itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hyperface_lib.losses.cosine_head import AngleRecord
from hyperface_lib.losses.margins import SINE_SQUARED_FLOOR, check_number, unit_rows
from hyperface_lib.losses.miners import Miner, TupleBlock, create_miner, same_class

# A rule turns positives (b,), their anchors' rows (b, n) and the mask of negatives (b, n) into the sum of the losses
# and the number of losses the mean is over. It must hold no parameters: gradients reach only what it is given.
BlockRule = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def squared_distances(cosines: Tensor) -> Tensor:
    """Return the squared Euclidean distances 2 - 2 cos(theta) of unit vectors."""
    return 2.0 - 2.0 * cosines


def euclidean_distances(cosines: Tensor) -> Tensor:
    """Return the Euclidean distances of unit vectors, with a derivative that is finite also at distance 0.

    The value is exact. Two equal vectors have no direction to part in: their gradient is 0, not infinite.
    """
    squares = squared_distances(cosines)
    fixed = squares.detach()
    slopes = 0.5 / fixed.clamp_min(SINE_SQUARED_FLOOR).sqrt()
    return fixed.clamp_min(0.0).sqrt() + (squares - fixed) * slopes


# Distances of unit vectors as functions of their cosine, with the largest value they take.
DISTANCES: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "squared": (squared_distances, 4.0),
    "euclidean": (euclidean_distances, 2.0),
}


def check_distance(distance: str, margin_distance: float) -> str:
    """Return `distance` if it is known and can be as large as the margin. Raises ValueError otherwise."""
    if distance not in DISTANCES:
        raise ValueError(f"distance must be one of {', '.join(DISTANCES)}, found {distance!r}")
    check_number("margin_distance", margin_distance, 0.0, DISTANCES[distance][1])
    return distance


class _MeanOverBlocks(torch.autograd.Function):
    """Differentiates block by block while it goes forward, so that no block outlives its turn."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, blocks: Iterable[TupleBlock], rule: BlockRule) -> Tensor:
        total = matrix.new_zeros(())
        count = torch.zeros((), dtype=torch.long, device=matrix.device)
        gradient = torch.zeros_like(matrix)
        for block in blocks:
            positives, rows = matrix[block.anchors, block.positives], matrix[block.anchors]
            if not ctx.needs_input_grad[0]:
                value, counted = rule(positives, rows, block.negatives)
            else:
                with torch.enable_grad():
                    leaves = positives.requires_grad_(), rows.requires_grad_()
                    value, counted = rule(*leaves, block.negatives)
                    of_positives, of_rows = torch.autograd.grad(value, leaves)
                gradient[block.anchors, block.positives] += of_positives
                gradient.index_add_(0, block.anchors, of_rows)
            total += value.detach()
            count += counted
        divisor = count.clamp_min(1)
        ctx.save_for_backward(gradient / divisor)
        return total / divisor

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (saved,) = ctx.saved_tensors
        return gradient * saved, None, None


def mean_over_blocks(matrix: Tensor, blocks: Iterable[TupleBlock], rule: BlockRule) -> Tensor:
    """Return the mean of `rule` over blocks of tuples of a matrix (n, n), 0 if there are none.

    Memory is that of the matrix and of one block, whatever the number of tuples; so there is no second derivative.
    """
    result: Tensor = _MeanOverBlocks.apply(matrix, blocks, rule)
    return result


class TupleHead(nn.Module):
    """A loss over pairs, triplets or larger tuples of unit vectors of one batch; it has no class centres.

    A subclass says in `loss` what becomes of the cosines (n, n). Features are normalised here, and arithmetic is
    float32 whatever their format (float64 if they are float64). Rows labelled -1 are ignored. A zero feature has cosine
    0 to all and no gradient. A batch without tuples has loss 0 and a gradient of zeros. `angles` holds, for every
    positive pair (a, p) of the batch, the angle between them and that from a to its nearest row of another class.
    """

    def __init__(self, dimension: int, classes: int, miner: str | Miner = "all") -> None:
        super().__init__()
        if dimension < 1 or classes < 1:
            raise ValueError(f"a head needs dimension >= 1 and classes >= 1, found {dimension} and {classes}")
        self.dimension = dimension
        self.classes = classes
        self.miner = create_miner(miner)
        self.margin_fraction = 1.0
        self.angles: AngleRecord | None = None

    def loss(self, cosines: Tensor, labels: Tensor) -> Tensor:
        """Return the scalar loss of cosines (n, n) between rows of known labels (n,)."""
        raise NotImplementedError

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of features (n, dimension) with labels (n,); -1 means no label, any other number a class.

        Raises ValueError if the shapes disagree or a label lies below -1.
        """
        features, labels = self._checked(features, labels)
        with torch.autocast(features.device.type, enabled=False):
            unit = unit_rows(features if features.dtype == torch.float64 else features.float())
            if len(labels) == 0:
                self.angles = AngleRecord(unit.new_empty(0), unit.new_empty(0))
                return unit.sum() * 0.0
            cosines = unit @ unit.T
            self._record(cosines.detach(), labels)
            return self.loss(cosines, labels)

    def _checked(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        if features.ndim != 2 or features.shape[1] != self.dimension:
            raise ValueError(f"features must be (n, {self.dimension}), found {tuple(features.shape)}")
        if labels.shape != features.shape[:1]:
            raise ValueError(f"labels must be ({len(features)},) to match the features, found {tuple(labels.shape)}")
        labels = labels.long()
        if len(labels) and int(labels.min()) < -1:
            raise ValueError(f"labels must be -1 or above, found {int(labels.min())}")
        known = labels >= 0
        return features[known], labels[known]

    def _record(self, cosines: Tensor, labels: Tensor) -> None:
        degrees = torch.rad2deg(torch.acos(cosines.clamp(-1, 1)))
        anchors, positives = same_class(labels).nonzero(as_tuple=True)
        other = labels[:, None] != labels[None, :]
        nearest = degrees.masked_fill(~other, torch.inf).amin(dim=1)[anchors]
        if not bool(other.any()):
            nearest = nearest[:0]
        self.angles = AngleRecord(degrees[anchors, positives], nearest)
