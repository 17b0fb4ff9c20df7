"""SphereFace: the margin multiplies the target's angle, eased in by mixing with plain softmax."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperface_lib.losses.combined import combined_cosine
from hyperface_lib.losses.margins import check_number
from hyperface_lib.losses.observing import ObservingHead


class SphereFaceHead(ObservingHead):
    """Multiplicative angular margin: psi(theta) = (-1)^k cos(m theta) - 2k, k = floor(m theta / pi).

    Source: Liu et al., arXiv 1704.08063, eq. 7, here for any real m >= 1 and on normalised features times `scale`, as
    arXiv 1801.07698 compares it; the paper's own scale is the feature's length.

    m = 4 does not train from the start: the target enters as (lambda cos(theta) + psi(theta)) / (1 + lambda), with
    lambda = max(lambda_minimum, lambda_base (1 + lambda_gamma i)^-lambda_power) after i training batches (the authors'
    code: 1000, 0.12, 1, at least 5). So plain softmax keeps five sixths of the target even at the end. `lambda_base=0,
    lambda_minimum=0` is psi alone. i is the buffer `iteration`.
    """

    iteration: Tensor

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        margin_factor: float = 4.0,
        lambda_base: float = 1000.0,
        lambda_gamma: float = 0.12,
        lambda_power: float = 1.0,
        lambda_minimum: float = 5.0,
        gradient: str = "exact",
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, gradient, learnable_scale)
        self.margin_factor = check_number("margin_factor", margin_factor, low=1.0)
        self.lambda_base = check_number("lambda_base", lambda_base, low=0.0)
        self.lambda_gamma = check_number("lambda_gamma", lambda_gamma, low=0.0)
        self.lambda_power = check_number("lambda_power", lambda_power, low=0.0)
        self.lambda_minimum = check_number("lambda_minimum", lambda_minimum, low=0.0)
        self.register_buffer("iteration", torch.zeros((), dtype=torch.long))

    @property
    def annealing(self) -> float:
        """The present lambda: how many parts of plain softmax one part of the margin is mixed with."""
        eased = self.lambda_base * (1.0 + self.lambda_gamma * int(self.iteration)) ** -self.lambda_power
        return max(self.lambda_minimum, eased)

    def observe(self, own: Tensor, norms: Tensor) -> None:
        """Count the batch."""
        del own, norms
        self.iteration += 1

    def target(self, own: Tensor, norms: Tensor) -> Tensor:
        """Return (lambda cos(theta) + psi(theta)) / (1 + lambda)."""
        del norms
        factor = 1.0 + (self.margin_factor - 1.0) * self.margin_fraction
        share = 1.0 / (1.0 + self.annealing)
        return own + share * (combined_cosine(own, factor, 0.0, 0.0, monotonic=True) - own)
