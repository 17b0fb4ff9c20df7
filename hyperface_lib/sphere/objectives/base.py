"""The protocol of an objective."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor


class Evaluation(NamedTuple):
    """An objective at some points: its value, its gradient (n, d), and the largest cosine it saw on the way.

    Values are in the unit of the paper's distance: minus the (soft) smallest distance, d = 1 - cos. The gradient is
    the ambient one, not yet projected onto the tangent space.
    """

    value: float
    gradient: Tensor
    max_cosine: float


@runtime_checkable
class Objective(Protocol):
    """A function of unit rows (n, d) to be minimised.

    `matmul_dtype` is the precision of the matrix products, None for that of the points.
    """

    name: str
    matmul_dtype: torch.dtype | None

    def forget(self) -> None:
        """Drop what was kept of earlier evaluations (hints that save work): the next is as the first."""
        ...

    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d)."""
        ...


@runtime_checkable
class SoftObjective(Objective, Protocol):
    """An objective that tends to the hard smallest distance as its temperature tends to 0.

    The temperature may be changed between steps, by a schedule or by hand.
    """

    temperature: float
