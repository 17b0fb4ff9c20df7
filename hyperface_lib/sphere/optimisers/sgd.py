"""Gradient descent on the sphere, with momentum."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import normalise, tangent
from hyperface_lib.sphere.objectives.base import Objective
from hyperface_lib.sphere.optimisers.base import Move

_TINY = 1e-30


class RiemannianSGD:
    """Gradient descent with heavy-ball momentum; the momentum is carried along by projection onto the tangent space.

    With m_i the momentum of point i and r the root mean square of their lengths, point i turns by
    step_radians x |m_i| / max(|m_i|, r): in proportion to its own momentum up to the typical one, and never further
    than the step. Dividing by r leaves the unit of the objective out, so that a step means the same for all of them; it
    is the same for all points, as a learning rate is, and a sum over processes where points are spread over some.
    """

    name = "sgd"

    def __init__(self, step_radians: float = 0.05, momentum: float = 0.9) -> None:
        self.step_radians = step_radians
        self.momentum = momentum
        self.forget()

    def forget(self) -> None:
        """Drop the momentum."""
        self._momentum: Tensor | None = None

    def state(self) -> dict[str, Tensor]:
        """Return the momentum, if there was a step."""
        return {} if self._momentum is None else {"momentum": self._momentum.clone()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over the `state` of another."""
        self._momentum = state["momentum"].clone() if state else None

    def step(self, points: Tensor, objective: Objective) -> Move:
        """Return the points after one step from `points`, unit rows (n, d)."""
        evaluation = objective.value_and_gradient(points)
        gradient = tangent(points, evaluation.gradient)
        if self._momentum is None or self._momentum.shape != points.shape:
            self._momentum = gradient
        else:
            self._momentum = tangent(points, self._momentum).mul_(self.momentum).add_(gradient)
        lengths = torch.linalg.vector_norm(self._momentum, dim=1, keepdim=True)
        squares = objective.pairs.total(lengths.square().sum())
        typical = (squares / objective.pairs.count(points)).sqrt().clamp(min=_TINY)
        return Move(normalise(points - self.step_radians * self._momentum / lengths.clamp(min=typical)), evaluation)
