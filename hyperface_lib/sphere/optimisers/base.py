"""The protocol of an optimiser on the sphere."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from hyperface_lib.sphere.objectives.base import Evaluation, Objective


class Move(NamedTuple):
    """A step taken: the new points (n, d), and the objective at the points it started from."""

    points: Tensor
    before: Evaluation


@runtime_checkable
class Optimiser(Protocol):
    """Moves unit rows to lower an objective; keeps its own memory between steps.

    `step_radians` is the length of a step: roughly how far one point turns at most.
    """

    name: str
    step_radians: float

    def step(self, points: Tensor, objective: Objective) -> Move:
        """Return the points after one step from `points`, unit rows (n, d)."""
        ...

    def forget(self) -> None:
        """Drop the memory of earlier steps, as after a jump of the points or the objective."""
        ...
