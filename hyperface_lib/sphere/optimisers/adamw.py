"""The paper's Algorithm 1: AdamW in the ambient space, then back to the sphere."""

from __future__ import annotations

import math
from collections.abc import Mapping

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

    def state(self) -> dict[str, Tensor]:
        """Return both moments and the number of steps, if there was one."""
        if self._parameter is None or self._adamw is None:
            return {}
        return {name: kept.clone() for name, kept in self._adamw.state[self._parameter].items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over the `state` of another."""
        self.forget()
        if state:
            parameter, adamw = self._create(state["exp_avg"])
            # AdamW counts its steps on the CPU.
            moments = {name: kept.clone() for name, kept in state.items() if name != "step"}
            adamw.state[parameter] = {"step": state["step"].cpu().clone(), **moments}

    def step(self, points: Tensor, objective: Objective) -> Move:
        """Return the points after one step from `points`, unit rows (n, d)."""
        parameter, adamw = self._parameter, self._adamw
        if parameter is None or adamw is None or parameter.shape != points.shape:
            parameter, adamw = self._create(points)
        for group in adamw.param_groups:
            group["lr"] = self.step_radians / math.sqrt(points.shape[1])
        evaluation = objective.value_and_gradient(points)
        parameter.data.copy_(points)
        parameter.grad = evaluation.gradient
        adamw.step()
        return Move(normalise(parameter.detach()), evaluation)

    def _create(self, points: Tensor) -> tuple[Tensor, torch.optim.AdamW]:
        self._parameter = torch.nn.Parameter(points.clone())
        self._adamw = torch.optim.AdamW([self._parameter], weight_decay=self.weight_decay)
        return self._parameter, self._adamw
