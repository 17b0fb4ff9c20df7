"""Adam on the sphere."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import normalise, tangent
from hyperface_lib.sphere.blocks import row_blocks
from hyperface_lib.sphere.objectives.base import Objective
from hyperface_lib.sphere.optimisers.base import Move


class RiemannianAdam:
    """Adam on gradients projected to the tangent space, renormalising after each step (Becigneul and Ganea 2019).

    Adam moves every coordinate by about the learning rate, so a point turns by learning rate x sqrt(d): the step is
    given as that angle, and the learning rate follows from it.
    """

    name = "riemannian-adam"

    def __init__(self, step_radians: float = 0.05, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        self.step_radians = step_radians
        self.betas = betas
        self.forget()

    def forget(self) -> None:
        """Drop both moments."""
        self._count = 0
        self._first: Tensor | None = None
        self._second: Tensor | None = None

    def state(self) -> dict[str, Tensor]:
        """Return both moments and the number of steps, if there was one."""
        if self._first is None or self._second is None:
            return {}
        return {"count": torch.tensor(self._count), "first": self._first.clone(), "second": self._second.clone()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over the `state` of another."""
        self.forget()
        if state:
            self._count = int(state["count"])
            self._first, self._second = state["first"].clone(), state["second"].clone()

    def step(self, points: Tensor, objective: Objective) -> Move:
        """Return the points after one step from `points`, unit rows (n, d)."""
        evaluation = objective.value_and_gradient(points)
        if self._first is None or self._second is None or self._first.shape != points.shape:
            self.forget()
            self._first, self._second = torch.zeros_like(points), torch.zeros_like(points)
        self._count += 1
        slow, slower = self.betas
        rate = self.step_radians / math.sqrt(points.shape[1]) / (1 - slow**self._count)
        # In blocks of rows, and over the gradient, which nobody needs afterwards: no memory beside it is taken.
        moved = evaluation.gradient
        for rows in row_blocks(len(points), 1024):
            gradient = tangent(points[rows], evaluation.gradient[rows])
            first = self._first[rows].lerp_(gradient, 1 - slow)
            second = self._second[rows].mul_(slower).addcmul_(gradient, gradient, value=1 - slower)
            scale = (second / (1 - slower**self._count)).sqrt_().add_(1e-12)
            moved[rows] = normalise(points[rows] - rate * first / scale)
        return Move(moved, evaluation)
