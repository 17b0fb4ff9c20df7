"""Adam on the sphere."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.adam import adam

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
        # In blocks of rows, and over the gradient, which nobody needs afterwards: no memory beside it is taken.
        moved = evaluation.gradient
        for rows in row_blocks(len(points), 256):
            gradient = tangent(points[rows], evaluation.gradient[rows])
            turned = points[rows].clone()
            self._adam(turned, gradient, self._first[rows], self._second[rows])
            moved[rows] = normalise(turned)
        self._count += 1
        return Move(moved, evaluation)

    def _adam(self, points: Tensor, gradient: Tensor, first: Tensor, second: Tensor) -> None:
        """Take Adam's step in the ambient space, in place: torch's own, one pass over memory instead of nine."""
        steps = torch.tensor(float(self._count), device=points.device)
        adam(
            [points],
            [gradient],
            [first],
            [second],
            [],
            [steps],
            fused=True,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=self.step_radians / math.sqrt(points.shape[1]),
            weight_decay=0.0,
            eps=1e-12,
            maximize=False,
        )
