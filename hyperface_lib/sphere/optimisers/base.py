"""The protocol of an optimiser on the sphere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from hyperface_lib.sphere.objectives.base import Evaluation, Objective


class Move(NamedTuple):
    """A step taken: the new points (n, d), and the objective at the points it started from.

    The gradient in `before` may have been overwritten: large problems have no memory to spare.

    `covers_all` is False where only some of the points were looked at (a mini-batch): `before` is then theirs, and the
    largest cosine of all may be larger.
    """

    points: Tensor
    before: Evaluation
    covers_all: bool = True


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

    def state(self) -> dict[str, Tensor]:
        """Return the memory of earlier steps, for `restore`; settings are not part of it.

        Raises ValueError for an optimiser whose memory cannot be put aside.
        """
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over the `state` of an optimiser of the same making: the next step is as that one's would have been."""
        ...
