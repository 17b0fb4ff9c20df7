"""Center loss: features drawn to a running mean of their class, beside a classification loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hyperface_lib.losses.intra_inter import Addition, WithAddition
from hyperface_lib.losses.softmax import SoftmaxHead


class CenterLoss(Addition):
    """Mean of ||x - c_y||^2 / 2 of raw features x to centres of their own (Wen et al., ECCV 2016, eq. 2).

    The centres are no parameters: while training, after each batch, c_j moves by `centre_rate` (the paper's alpha) of
    sum_{y_i = j} (x_i - c_j) / (1 + count_j) (eq. 4). They start at the origin. The paper sums over the batch; the mean
    keeps the weight's meaning for any batch. Raises ValueError for a rate outside 0 .. 1.
    """

    centres: Tensor

    def __init__(self, dimension: int, classes: int, centre_rate: float = 0.5) -> None:
        super().__init__()
        if not 0 <= centre_rate <= 1:
            raise ValueError(f"centre_rate must lie in 0 .. 1, found {centre_rate}")
        self.centre_rate = float(centre_rate)
        self.register_buffer("centres", torch.zeros(classes, dimension))

    def forward(self, head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
        """Return a scalar, and move the centres if training; the loss is that of the centres before the move."""
        del head
        features = features.to(self.centres.dtype)
        if len(labels) == 0:
            return features.sum() * 0.0
        offsets = features - self.centres[labels]
        if self.training:
            self._move(offsets.detach(), labels)
        return 0.5 * offsets.square().sum(dim=1).mean()

    @torch.no_grad()
    def _move(self, offsets: Tensor, labels: Tensor) -> None:
        present, index, counts = torch.unique(labels, return_inverse=True, return_counts=True)
        sums = offsets.new_zeros((len(present), offsets.shape[1])).index_add_(0, index, offsets)
        self.centres[present] += self.centre_rate * sums / (1 + counts[:, None])


class CenterHead(WithAddition):
    """Softmax plus center loss: L_S + weight * L_C, with Wen et al.'s weight 0.003 and centre rate 0.5."""

    def __init__(self, dimension: int, classes: int, weight: float = 0.003, centre_rate: float = 0.5) -> None:
        super().__init__(SoftmaxHead(dimension, classes), CenterLoss(dimension, classes, centre_rate), weight)
