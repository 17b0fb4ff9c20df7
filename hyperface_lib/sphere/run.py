"""A packing in progress: a pure stepper, for `pack` and for live explorers alike."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import normalise
from hyperface_lib.sphere.geometry import degrees_from_cosine
from hyperface_lib.sphere.objectives import Objective, SoftObjective, WithGallery
from hyperface_lib.sphere.optimisers import Optimiser
from hyperface_lib.sphere.schedule import AlphaSchedule, Annealing
from hyperface_lib.sphere.traversal import PairTraversal


@dataclass(frozen=True)
class PackingRecord:
    """One line of a packing's history, in the precision of the run.

    `objective` is the value of the (soft) objective being minimised; `mean_gallery_cosine` is None without a gallery.
    Where steps look at a mini-batch, both are the batch's, and `min_angle_degrees` is that of all points when they were
    last looked at.
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
        alpha_schedule: AlphaSchedule | None = None,
        total_steps: int | None = None,
        basis: Tensor | None = None,
    ) -> None:
        if (annealing is not None or alpha_schedule is not None) and total_steps is None:
            total_steps = 1000
        if alpha_schedule is not None and not isinstance(objective, WithGallery):
            raise ValueError("alpha_schedule needs a gallery, found none.")
        self.objective = objective
        self.optimiser = optimiser
        self.annealing = annealing
        self.alpha_schedule = alpha_schedule
        self._alpha = objective.alpha if isinstance(objective, WithGallery) else 0.0
        self.total_steps = total_steps
        self.basis = basis
        self.history: list[PackingRecord] = []
        self._initial = normalise(initial)
        self._current = self._next = self._best = self._initial
        self._best_value = math.inf
        self._max_cosine = math.nan
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
        """The weight of the gallery term, before its schedule; 0 without a gallery."""
        return self._alpha

    @alpha.setter
    def alpha(self, value: float) -> None:
        if not isinstance(self.objective, WithGallery):
            raise ValueError("alpha needs a gallery, found none.")
        if not value >= 0:
            raise ValueError(f"alpha must be at least 0, found {value}.")
        self.objective.alpha = self._alpha = value
        self.alpha_schedule = None
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
    def pairs(self) -> PairTraversal:
        """How all points are seen, of which those here may be some."""
        return self.objective.pairs

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
        passed = fraction if fraction is not None else self.steps / (self.total_steps or math.inf)
        if self.alpha_schedule is not None and isinstance(self.objective, WithGallery):
            self.objective.alpha = self._alpha * self.alpha_schedule.factor(passed)
        if self.annealing is not None:
            self.optimiser.step_radians = self.annealing.step_length(passed)
            soft = self._pairwise
            if isinstance(soft, SoftObjective):
                soft.temperature = self.annealing.temperature(passed)
        current = self._next
        with torch.no_grad():
            move = self.optimiser.step(current, self.objective)
        self._next, evaluation = move.points, move.before
        self._current = current
        distance = self.objective.gallery_distance if isinstance(self.objective, WithGallery) else None
        if move.covers_all:
            self._judge(current, evaluation.max_cosine, distance)
        elif self.steps % self._steps_between_checks(current) == 0:
            with torch.no_grad():
                self._judge(current, self.pairs.largest_cosine(current, self.objective.matmul_dtype), distance)
        self._elapsed += time.perf_counter() - started
        self.history.append(
            PackingRecord(
                step=len(self.history),
                seconds=self._elapsed,
                min_angle_degrees=degrees_from_cosine(self._max_cosine),
                objective=evaluation.value,
                mean_gallery_cosine=None if distance is None else 1 - distance,
            )
        )

    def _judge(self, points: Tensor, max_cosine: float, distance: float | None) -> None:
        """Keep the largest cosine of all pairs, and the points if they are the best so far under the alpha wanted."""
        self._max_cosine = max_cosine
        value = max_cosine - 1 + (self._alpha * distance if distance is not None else 0.0)
        if value < self._best_value:
            self._best, self._best_value = points, value

    def _steps_between_checks(self, points: Tensor) -> int:
        """How often all pairs are looked at when steps look at a mini-batch: about a tenth of the work goes there."""
        size = getattr(self.optimiser, "batch_size", len(points))
        return max(1, 3 * (len(points) // max(1, min(size, len(points)))) ** 2)

    def state(self) -> dict[str, Tensor]:
        """Return all that the next step depends on, and the history, as tensors; see `restore`."""
        numbers = [self._best_value, self._max_cosine, self._elapsed, self._alpha, self.optimiser.step_radians]
        numbers.append(math.nan if self.temperature is None else self.temperature)
        rows = [
            [r.step, r.seconds, r.min_angle_degrees, r.objective, math.nan]
            if r.mean_gallery_cosine is None
            else [r.step, r.seconds, r.min_angle_degrees, r.objective, r.mean_gallery_cosine]
            for r in self.history
        ]
        parts = {"current": self._current, "next": self._next, "best": self._best}
        parts["numbers"] = torch.tensor(numbers, dtype=torch.float64)
        parts["history"] = torch.tensor(rows, dtype=torch.float64).reshape(-1, 5)
        for owner, owned in (("optimiser", self.optimiser.state()), ("objective", self.objective.state())):
            parts |= {f"{owner}.{name}": value for name, value in owned.items()}
        return parts

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from `state`, taken from a run of the same making: the steps that follow are the same, bit for bit.

        Raises ValueError when the points have another shape than this run's.
        """
        if state["current"].shape != self._initial.shape:
            raise ValueError(
                f"a state to restore must hold points of shape {tuple(self._initial.shape)}, "
                f"found {tuple(state['current'].shape)}."
            )
        self._current, self._next, self._best = (state[name].to(self._initial) for name in ("current", "next", "best"))
        numbers = state["numbers"].tolist()
        self._best_value, self._max_cosine, self._elapsed, self._alpha, self.optimiser.step_radians = numbers[:5]
        if isinstance(self._pairwise, SoftObjective):
            self._pairwise.temperature = numbers[5]
        if isinstance(self.objective, WithGallery):
            self.objective.alpha = self._alpha
        self.history = [
            PackingRecord(int(row[0]), row[1], row[2], row[3], None if math.isnan(row[4]) else row[4])
            for row in state["history"].tolist()
        ]
        device = self._initial.device
        for owner, part in (("optimiser", self.optimiser), ("objective", self.objective)):
            prefix = f"{owner}."
            part.restore({name[len(prefix) :]: t.to(device) for name, t in state.items() if name.startswith(prefix)})

    def reset(self) -> None:
        """Go back to the initial points with an empty history; alpha, temperature and step stay as they are."""
        self.optimiser.forget()
        self.objective.forget()
        self.history = []
        self._current = self._next = self._best = self._initial
        self._best_value = math.inf
        self._elapsed = 0.0
