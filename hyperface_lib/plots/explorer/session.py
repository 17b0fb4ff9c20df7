"""The packing behind the live picture: what starts it again, and what only changes its course."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager

import numpy as np

from hyperface_lib.plots.explorer.pacing import Stretch
from hyperface_lib.plots.explorer.picture import Levels
from hyperface_lib.sphere import (
    PackingRun,
    best_known,
    define_problem,
    levenshtein_bound_degrees,
    nearest_neighbour_angles,
    principal_subspace,
    start_run,
)
from hyperface_lib.sphere.threads import worthwhile_threads

_GALLERY_SHOWN = 500


class LivePacking:
    """A packing whose question may change while it runs; points and history go on.

    `gallery` (m, d) unit rows or None. The schedule of temperature and step length lasts `max_steps` steps and begins
    anew with another objective, optimiser or alpha; it ends when temperature or step length is taken in hand. `seed`
    decides where the next start is.
    """

    def __init__(self, gallery: np.ndarray | None, seed: int, max_steps: int) -> None:
        self.stretch = Stretch(max_steps)
        self._gallery = None if gallery is None else np.asarray(gallery, dtype=np.float32)
        self.seed = seed

    def start(self, n: int, dimension: int, alpha: float, objective: str, optimiser: str) -> None:
        """Start from random points, one step taken; raises ValueError, and changes nothing, where that cannot be."""
        near = _inside(self._gallery, dimension)
        problem = define_problem(n, dimension, near, alpha, initial="random", seed=self.seed)
        self.run: PackingRun = start_run(problem, objective, optimiser, self.stretch.length)
        self.dimension = dimension
        self._problem = problem
        known = best_known(n, dimension)
        self.levels = Levels(
            levenshtein_bound_degrees(n, dimension),
            None if known is None else known.angle_degrees,
            "" if known is None else known.name,
        )
        # What stands beside the points in the picture.
        self.gallery_shown = np.zeros((0, dimension), np.float32) if near is None else near[:_GALLERY_SHOWN]
        self.stretch.renew(0)
        self.take(1)

    @property
    def points(self) -> np.ndarray:
        """The points (n, dimension) of the last step."""
        return self.run.points.cpu().numpy()

    def nearest_degrees(self) -> np.ndarray:
        """Return everybody's angle in degrees to the nearest other point, (n,)."""
        with self._worthwhile_threads():
            return np.asarray(nearest_neighbour_angles(self.points))

    @property
    def is_over(self) -> bool:
        """Whether the steps allowed are taken."""
        return self.stretch.is_over(self.run.steps)

    def take(self, steps: int) -> None:
        """Take `steps` steps."""
        with self._worthwhile_threads():
            for _ in range(steps):
                self.run.step(fraction=self.stretch.fraction(self.run.steps))

    def _worthwhile_threads(self) -> AbstractContextManager[None]:
        n, dimension = self.run.coordinates.shape
        near = 0 if self._gallery is None else len(self._gallery)
        return worthwhile_threads(n * (n + near) * dimension)

    def go_on(self) -> None:
        """Allow more steps when those allowed are taken."""
        if self.is_over:
            self.stretch.extend(self.run.steps)

    def change_objective(self, objective: str, optimiser: str) -> None:
        """Go on from these points under another objective, on its own schedule."""
        before = self.run
        problem = dataclasses.replace(self._problem, initial=before.coordinates, alpha=before.alpha)
        self.run = start_run(problem, objective, optimiser, self.stretch.length)
        self.run.history = before.history
        self.stretch.renew(self.run.steps)

    def change_optimiser(self, objective: str, optimiser: str) -> None:
        """Go on from these points by another optimiser; what was taken in hand stays in hand."""
        before = self.run
        self.change_objective(objective, optimiser)
        if before.annealing is None:
            if before.temperature is not None:
                self.run.temperature = before.temperature
            self.run.step_radians = before.step_radians

    def change_alpha(self, alpha: float) -> None:
        """Weigh the gallery differently; without one nothing happens."""
        if self._gallery is not None:
            self.run.alpha = alpha
            self.stretch.renew(self.run.steps)

    def take_temperature_in_hand(self, temperature: float) -> None:
        """Set the temperature and end the schedule; an objective without temperature is left alone."""
        if self.run.temperature is None:
            return
        # Late in a schedule steps are too short to show what a temperature does.
        if self.run.annealing is not None:
            self.run.step_radians = max(self.run.step_radians, self.run.annealing.step_radians / 4)
        self.run.temperature = temperature
        self.stretch.extend(self.run.steps)

    def take_step_in_hand(self, step_radians: float) -> None:
        """Set the step length, an angle in radians, and end the schedule."""
        self.run.step_radians = step_radians
        self.stretch.extend(self.run.steps)


def _inside(gallery: np.ndarray | None, dimension: int) -> np.ndarray | None:
    """The gallery in its leading principal directions, back on the sphere of that dimension."""
    if gallery is None or dimension == gallery.shape[1]:
        return gallery
    inside = gallery @ np.asarray(principal_subspace(gallery, dimension))
    return (inside / np.linalg.norm(inside, axis=1, keepdims=True)).astype(np.float32)
