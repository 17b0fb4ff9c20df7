"""The paper's Algorithm 1: AdamW in the ambient space, then back to the sphere."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import normalise
from hyperface_lib.sphere.objectives.base import Objective
from hyperface_lib.sphere.optimisers.base import Move


class AdamW:
    """torch.optim.AdamW on the ambient gradient, then x / |x| (HyperFace, Algorithm 1).

    Nothing is projected and the moments live in the ambient space, as published.
    """

    name = "adamw"

    def __init__(self, step_radians: float = 0.05, weight_decay: float = 0.01) -> None:
        self.step_radians = step_radians
        self.weight_decay = weight_decay
        self.forget()

    def forget(self) -> None:
        """Drop both moments."""
        self._parameter: Tensor | None = None
        self._adamw: torch.optim.AdamW | None = None

    def step(self, points: Tensor, objective: Objective) -> Move:
        """Return the points after one step from `points`, unit rows (n, d)."""
        if self._parameter is None or self._adamw is None or self._parameter.shape != points.shape:
            self._parameter = torch.nn.Parameter(points.clone())
            self._adamw = torch.optim.AdamW([self._parameter], weight_decay=self.weight_decay)
        for group in self._adamw.param_groups:
            group["lr"] = self.step_radians / math.sqrt(points.shape[1])
        evaluation = objective.value_and_gradient(points)
        self._parameter.data.copy_(points)
        self._parameter.grad = evaluation.gradient
        self._adamw.step()
        return Move(normalise(self._parameter.detach()), evaluation)
