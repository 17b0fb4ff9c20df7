"""The protocol of an objective, and what objectives on pairs have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from hyperface_lib.sphere.traversal import LocalPairs, PairTraversal


class Evaluation(NamedTuple):
    """An objective at some points: its value, its gradient (n, d), and the largest cosine it saw on the way.

    Unless an objective says otherwise its value is in the unit of the paper's distance: minus the (soft) smallest
    distance, d = 1 - cos. The gradient is the ambient one, not yet projected onto the tangent space.
    """

    value: float
    gradient: Tensor
    max_cosine: float


@runtime_checkable
class Objective(Protocol):
    """A function of unit rows (n, d) to be minimised.

    `matmul_dtype` is the precision of the matrix products, None for that of the points. `pairs` is how it sees all
    pairs; where points are spread over processes it is given some rows, and returns the value of all points with the
    gradient of its rows.
    """

    name: str
    matmul_dtype: torch.dtype | None
    pairs: PairTraversal

    def forget(self) -> None:
        """Drop what was kept of earlier evaluations (hints that save work): the next is as the first."""
        ...

    def forget_rows(self) -> None:
        """Drop what was kept of single rows: the next evaluation is of other ones, as with mini-batches."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return what was kept of earlier evaluations, for `restore`; settings are not part of it."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over the `state` of an objective of the same making: the next evaluation is as that one's."""
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


class PairObjective(ABC):
    """What every objective has, for one that keeps nothing between evaluations."""

    name: str

    def __init__(self) -> None:
        self.matmul_dtype: torch.dtype | None = None
        self.pairs: PairTraversal = LocalPairs()

    def forget(self) -> None:  # noqa: B027 - most keep nothing
        """Drop what was kept of earlier evaluations: the next is as the first."""

    def forget_rows(self) -> None:  # noqa: B027
        """Drop what was kept of single rows."""

    def state(self) -> dict[str, Tensor]:
        """Return what was kept of earlier evaluations."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027
        """Take over the `state` of another."""

    @abstractmethod
    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d)."""


class ShiftedObjective(PairObjective):
    """An objective whose sums hang from the largest cosine: that of the last evaluation saves a pass over all pairs."""

    def __init__(self) -> None:
        super().__init__()
        self._last_max: float | None = None

    def forget(self) -> None:
        """Drop what was kept of earlier evaluations: the next is as the first."""
        self._last_max = None

    def state(self) -> dict[str, Tensor]:
        """Return the largest cosine seen last, if there was an evaluation."""
        return {} if self._last_max is None else {"last_max": torch.tensor(self._last_max, dtype=torch.float64)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over the `state` of another."""
        self._last_max = float(state["last_max"]) if "last_max" in state else None

    def _shift(self, points: Tensor) -> float:
        """Return the largest cosine of the last evaluation; at the first, of `points`."""
        if self._last_max is None:
            return self.pairs.largest_cosine(points, self.matmul_dtype)
        return self._last_max
