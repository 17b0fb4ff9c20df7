"""RMSprop on the sphere: a learning rate for each point."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import normalise, tangent
from hyperface_lib.sphere.objectives.base import Objective
from hyperface_lib.sphere.optimisers.base import Move

_TINY = 1e-30


class RMSProp:
    """Every point's gradient divided by the running root mean square of its length (Tieleman and Hinton 2012).

    On a product of spheres the sphere takes the place of the coordinate (Becigneul and Ganea 2019): one second moment a
    point, so that steps turn with the frame, which those of per-coordinate moments do not. A point turns by
    step_radians x |g_i| / rms_i, about the step while its gradient is of a steady length. The mean is
    bias-corrected, or the first steps would be sqrt(1 / (1 - beta)) times as long.
    """

    name = "rmsprop"

    def __init__(self, step_radians: float = 0.05, beta: float = 0.9) -> None:
        self.step_radians = step_radians
        self.beta = beta
        self.forget()

    def forget(self) -> None:
        """Drop the second moments."""
        self._count = 0
        self._second: Tensor | None = None

    def state(self) -> dict[str, Tensor]:
        """Return the second moments (n, 1) and the number of steps, if there was one."""
        return {} if self._second is None else {"count": torch.tensor(self._count), "second": self._second.clone()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over the `state` of another."""
        self.forget()
        if state:
            self._count, self._second = int(state["count"]), state["second"].clone()

    def step(self, points: Tensor, objective: Objective) -> Move:
        """Return the points after one step from `points`, unit rows (n, d)."""
        evaluation = objective.value_and_gradient(points)
        gradient = tangent(points, evaluation.gradient)
        if self._second is None or len(self._second) != len(points):
            self.forget()
            self._second = points.new_zeros(len(points), 1)
        self._count += 1
        self._second.lerp_(gradient.square().sum(dim=1, keepdim=True), 1 - self.beta)
        scale = (self._second / (1 - self.beta**self._count)).sqrt_().clamp_(min=_TINY)
        return Move(normalise(points - self.step_radians * gradient / scale), evaluation)
