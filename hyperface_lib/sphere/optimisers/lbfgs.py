"""L-BFGS for small problems, where precision matters more than cost."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import normalise, tangent
from hyperface_lib.sphere.objectives.base import Evaluation, Objective
from hyperface_lib.sphere.optimisers.base import Move


class LBFGS:
    """torch.optim.LBFGS with strong-Wolfe line search on y, x = y / |y|; one step is up to `iterations` of them.

    `step_radians` is the length of the very first trial step only; the line search finds the others.
    """

    name = "lbfgs"

    def __init__(self, step_radians: float = 0.05, iterations: int = 10, history: int = 20) -> None:
        self.step_radians = step_radians
        self.iterations = iterations
        self.history = history
        self.forget()

    def forget(self) -> None:
        """Drop the curvature pairs."""
        self._parameter: Tensor | None = None
        self._lbfgs: torch.optim.LBFGS | None = None

    def state(self) -> dict[str, Tensor]:
        """Return nothing before the first step; raises ValueError after it: curvature pairs are not put aside."""
        if self._parameter is not None:
            raise ValueError("method lbfgs keeps no state to go on from: save points between runs instead.")
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Start afresh, as an optimiser that has not stepped."""
        self.forget()

    def step(self, points: Tensor, objective: Objective) -> Move:
        """Return the points after one step from `points`, unit rows (n, d)."""
        if self._parameter is None or self._lbfgs is None or self._parameter.shape != points.shape:
            self._parameter = torch.nn.Parameter(points.clone())
            self._lbfgs = torch.optim.LBFGS(
                [self._parameter],
                max_iter=self.iterations,
                history_size=self.history,
                tolerance_grad=1e-14,
                tolerance_change=1e-16,
                line_search_fn="strong_wolfe",
            )
        parameter = self._parameter
        evaluations: list[Evaluation] = []
        best, best_value = parameter.detach().clone(), math.inf

        def closure() -> float:
            nonlocal best, best_value
            lengths = torch.linalg.vector_norm(parameter.detach(), dim=1, keepdim=True)
            unit = parameter.detach() / lengths
            evaluation = objective.value_and_gradient(unit)
            evaluations.append(evaluation)
            parameter.grad = tangent(unit, evaluation.gradient) / lengths
            if evaluation.value < best_value:
                best, best_value = parameter.detach().clone(), evaluation.value
            return evaluation.value

        # torch calls the closure once at the current points before it moves.
        self._lbfgs.step(closure)
        if not bool(torch.isfinite(parameter).all()):
            # A line search that has shrunk to nothing divides by it: go on afresh from the best place it saw.
            self.forget()
            return Move(normalise(best), evaluations[0])
        return Move(normalise(parameter.detach()), evaluations[0])
