"""A packing in progress: a pure stepper, for `pack` and for live explorers alike."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import normalise
from hyperface_lib.sphere.geometry import degrees_from_cosine
from hyperface_lib.sphere.objectives import Objective, SoftObjective, WithGallery
from hyperface_lib.sphere.optimisers import Optimiser
from hyperface_lib.sphere.schedule import Annealing


@dataclass(frozen=True)
class PackingRecord:
    """One line of a packing's history, in the precision of the run.

    `objective` is the value of the (soft) objective being minimised; `mean_gallery_cosine` is None without a gallery.
    """

    step: int
    seconds: float
    min_angle_degrees: float
    objective: float
    mean_gallery_cosine: float | None


class PackingRun:
    """Points, an objective and an optimiser, advanced a step at a time.

    The same arguments give the same steps. `temperature`, `alpha` and `step_radians` may be set between steps; setting
    temperature or step by hand ends their annealing. With a `basis` (d, k) the points live inside its span: they are
    moved as coordinates (n, k) on the small sphere, and cosines are the same there.
    """

    def __init__(
        self,
        initial: Tensor,
        objective: Objective,
        optimiser: Optimiser,
        *,
        annealing: Annealing | None = None,
        total_steps: int | None = None,
        basis: Tensor | None = None,
    ) -> None:
        if annealing is not None and total_steps is None:
            total_steps = 1000
        self.objective = objective
        self.optimiser = optimiser
        self.annealing = annealing
        self.total_steps = total_steps
        self.basis = basis
        self.history: list[PackingRecord] = []
        self._initial = normalise(initial)
        self._current = self._next = self._best = self._initial
        self._best_value = math.inf
        self._elapsed = 0.0

    @property
    def coordinates(self) -> Tensor:
        """The points of the last record, as coordinates in the basis; the points themselves without one."""
        return self._current

    @property
    def points(self) -> Tensor:
        """The points (n, d) that the last record of the history describes."""
        return self.embedded(self._current)

    @property
    def best_points(self) -> Tensor:
        """The points (n, d) of the best record so far under the current alpha."""
        return self.embedded(self._best)

    @property
    def best_coordinates(self) -> Tensor:
        """The best points so far, as coordinates in the basis."""
        return self._best

    @property
    def best_value(self) -> float:
        """The least hard value, -min d + alpha x gallery distance, recorded so far under the current alpha."""
        return self._best_value

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        return len(self.history)

    @property
    def is_finished(self) -> bool:
        """Whether `total_steps` steps were taken; never without a total."""
        return self.total_steps is not None and self.steps >= self.total_steps

    @property
    def temperature(self) -> float | None:
        """The temperature of the objective; None for one that has none."""
        soft = self._pairwise
        return soft.temperature if isinstance(soft, SoftObjective) else None

    @temperature.setter
    def temperature(self, value: float) -> None:
        soft = self._pairwise
        if not isinstance(soft, SoftObjective):
            raise ValueError(f"objective {soft.name} has no temperature to set.")
        if not value > 0:
            raise ValueError(f"temperature must be positive, found {value}.")
        self.annealing = None
        soft.temperature = value

    @property
    def alpha(self) -> float:
        """The weight of the gallery term; 0 without a gallery."""
        return self.objective.alpha if isinstance(self.objective, WithGallery) else 0.0

    @alpha.setter
    def alpha(self, value: float) -> None:
        if not isinstance(self.objective, WithGallery):
            raise ValueError("alpha needs a gallery, found none.")
        if not value >= 0:
            raise ValueError(f"alpha must be at least 0, found {value}.")
        self.objective.alpha = value
        self._best_value = math.inf

    @property
    def step_radians(self) -> float:
        """The length of a step, roughly how far one point turns at most."""
        return self.optimiser.step_radians

    @step_radians.setter
    def step_radians(self, value: float) -> None:
        if not value > 0:
            raise ValueError(f"step_radians must be positive, found {value}.")
        self.annealing = None
        self.optimiser.step_radians = value

    @property
    def _pairwise(self) -> Objective:
        return self.objective.objective if isinstance(self.objective, WithGallery) else self.objective

    def embedded(self, coordinates: Tensor) -> Tensor:
        """Return the points (n, d) that `coordinates` in the basis stand for."""
        return coordinates if self.basis is None else normalise(coordinates @ self.basis.T)

    def step(self, count: int = 1, fraction: float | None = None) -> PackingRecord:
        """Take `count` steps and return the last record.

        `fraction` tells annealing how much of the run has passed; by default that is steps / total_steps.
        """
        if count < 1:
            raise ValueError(f"count must be at least 1, found {count}.")
        for _ in range(count):
            self._step_once(fraction)
        return self.history[-1]

    def _step_once(self, fraction: float | None) -> None:
        started = time.perf_counter()
        if self.annealing is not None:
            assert self.total_steps is not None
            passed = fraction if fraction is not None else self.steps / self.total_steps
            self.optimiser.step_radians = self.annealing.step_length(passed)
            soft = self._pairwise
            if isinstance(soft, SoftObjective):
                soft.temperature = self.annealing.temperature(passed)
        current = self._next
        with torch.no_grad():
            self._next, evaluation = self.optimiser.step(current, self.objective)
        self._current = current
        distance = self.objective.gallery_distance if isinstance(self.objective, WithGallery) else None
        value = evaluation.max_cosine - 1 + (self.alpha * distance if distance is not None else 0.0)
        if value < self._best_value:
            self._best, self._best_value = current, value
        self._elapsed += time.perf_counter() - started
        self.history.append(
            PackingRecord(
                step=len(self.history),
                seconds=self._elapsed,
                min_angle_degrees=degrees_from_cosine(evaluation.max_cosine),
                objective=evaluation.value,
                mean_gallery_cosine=None if distance is None else 1 - distance,
            )
        )

    def reset(self) -> None:
        """Go back to the initial points with an empty history; alpha, temperature and step stay as they are."""
        self.optimiser.forget()
        self.objective.forget()
        self.history = []
        self._current = self._next = self._best = self._initial
        self._best_value = math.inf
        self._elapsed = 0.0
