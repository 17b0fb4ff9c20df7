"""The one door: `pack`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from hyperface_lib.sphere.arrays import Array, normalise
from hyperface_lib.sphere.bounds import cosine_lower_bound, levenshtein_bound_degrees
from hyperface_lib.sphere.geometry import closest_pair_of, degrees_from_cosine
from hyperface_lib.sphere.initial import random_points
from hyperface_lib.sphere.known_codes import KnownCode, best_known
from hyperface_lib.sphere.multistart import multistart
from hyperface_lib.sphere.problem import (
    PackingProblem,
    choose_method,
    choose_objective,
    define_problem,
    start_run,
    warn_of_collapse,
)
from hyperface_lib.sphere.run import PackingRecord, PackingRun
from hyperface_lib.sphere.statistics import mean_nearest_cosine

Callback = Callable[[PackingRun], Any]
_DEFAULT_STEPS = 1000


@dataclass(frozen=True)
class Packing:
    """Packed points and how they came about.

    `points` (n, d) float32 unit rows; `min_angle_degrees` is verified from them in float64; `bound_degrees` is what no
    arrangement can exceed, in the subspace where there is one; `config` holds every argument with its default resolved.
    """

    points: Any
    min_angle_degrees: float
    bound_degrees: float
    mean_gallery_cosine: float | None
    history: list[PackingRecord]
    method: str
    seconds: float
    steps: int
    config: dict[str, Any] = field(default_factory=dict)


def pack(
    n: int,
    dimension: int | None = None,
    gallery: Array | None = None,
    alpha: float | None = None,
    subspace: int | float | Array | None = None,
    initial: str | Array = "auto",
    objective: str = "auto",
    method: str = "auto",
    use_known_codes: bool = True,
    seed: int = 0,
    max_seconds: float | None = None,
    max_steps: int | None = None,
    callback: Callback | None = None,
    progress: bool = False,
    device: str | torch.device = "auto",
) -> Packing:
    """Place `n` points on the unit sphere in `dimension`, far from one another and, with a gallery, near it.

    Minimises -min_{i != j} d(x_i, x_j) + alpha (1/n) sum_i min_g d(x_i, g), d = 1 - cos (HyperFace, Eq. 1 for
    alpha = 0, Eq. 2 above), through a soft objective annealed to the hard one.

    gallery: unit rows (m, d); m and n are independent.
    alpha: by default 0.5 (the paper's) with a gallery; 0 without one, or with a subspace, which keeps points near by
        itself.
    subspace: the points stay in the span of k leading principal directions of the gallery, of those that hold a share
        of its variance (a float in (0, 1]), or of a basis (d, k).
    initial: "auto" (gallery draws if there is a gallery), "gallery", "random", or unit rows (n, d).
    objective: "auto", "hinge", "log-sum-exp", "riesz", or "closest-pair", which is Eq. 1 as printed.
    method: "auto", "riemannian-adam", "adamw" (with "closest-pair": the paper's Algorithm 1), "lbfgs" (many starts, for
        small problems).
    use_known_codes: with alpha = 0 return a closed form, turned at random, where it is better.
    max_seconds, max_steps: whichever comes first; by default 1000 steps, or for "lbfgs" a number of starts. Only a
        limit in seconds makes the result depend on the machine.
    callback: called with the run after each step; ends it by returning True.

    Points are numpy unless gallery or initial is torch. Warns when points share a gallery vector.
    Raises ValueError or TypeError in one sentence for bad arguments.
    """
    problem = define_problem(n, dimension, gallery, alpha, subspace, initial, seed, device)
    objective_name = choose_objective(problem, objective)
    method_name = choose_method(problem, objective_name, method)
    _check_limits(max_seconds, max_steps)
    config = {
        "n": problem.n,
        "dimension": problem.dimension,
        "gallery_size": None if problem.gallery is None else len(problem.gallery),
        "alpha": problem.alpha,
        "subspace_dimension": None if problem.basis is None else problem.working_dimension,
        "initial": problem.initial if isinstance(problem.initial, str) else "array",
        "objective": objective_name,
        "method": method_name,
        "use_known_codes": use_known_codes,
        "seed": seed,
        "max_seconds": max_seconds,
        "max_steps": max_steps,
        "device": str(problem.device),
    }
    known = best_known(problem.n, problem.working_dimension) if problem.alpha == 0 and use_known_codes else None
    started = time.perf_counter()
    history: list[PackingRecord] = []
    solved: Tensor | None = None
    if known is None or known.max_cosine > cosine_lower_bound(problem.n, problem.working_dimension) + 1e-12:
        watch = _Watch(problem, max_seconds, max_steps, callback, progress, method_name)
        with watch:
            solved, history = _solve(problem, objective_name, method_name, max_steps, watch)
    points, name = _better(problem, solved, known, f"{objective_name}, {method_name}")
    seconds = time.perf_counter() - started
    angle = closest_pair_of(points).angle_degrees
    closeness = None
    if problem.gallery is not None:
        closeness = mean_nearest_cosine(points, problem.gallery)
        warn_of_collapse(points, _as_seen(problem.gallery, problem))
    if not history:
        history = [PackingRecord(0, seconds, angle, -(1 - _cosine(angle)), closeness)]
    as_torch = next((array for array in (gallery, initial) if isinstance(array, Tensor)), None)
    return Packing(
        points=points.cpu().numpy() if as_torch is None else points.to(as_torch.device),
        min_angle_degrees=angle,
        bound_degrees=levenshtein_bound_degrees(problem.n, problem.working_dimension),
        mean_gallery_cosine=closeness,
        history=history,
        method=name,
        seconds=seconds,
        steps=len(history) if solved is not None else 0,
        config=config,
    )


def _cosine(angle_degrees: float) -> float:
    return float(torch.cos(torch.deg2rad(torch.tensor(angle_degrees, dtype=torch.float64))))


def _check_limits(max_seconds: float | None, max_steps: int | None) -> None:
    if max_seconds is not None and not max_seconds > 0:
        raise ValueError(f"max_seconds must be positive, found {max_seconds}.")
    if max_steps is not None and max_steps < 1:
        raise ValueError(f"max_steps must be at least 1, found {max_steps}.")


class _Watch:
    """Keeps the clock, the progress bar and the callback of a run."""

    def __init__(
        self,
        problem: PackingProblem,
        max_seconds: float | None,
        max_steps: int | None,
        callback: Callback | None,
        progress: bool,
        method: str,
    ) -> None:
        self.started = time.perf_counter()
        self.max_seconds = max_seconds
        self.callback = callback
        self.bound = degrees_from_cosine(cosine_lower_bound(problem.n, problem.working_dimension))
        self.total = max_steps
        if max_steps is None and max_seconds is None and method != "lbfgs":
            self.total = _DEFAULT_STEPS
        self.bar = tqdm(total=self.total, desc="packing", unit="step", disable=not progress)

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def fraction(self, steps: int) -> float:
        """Return how much of the run has passed, by steps or by seconds."""
        by_steps = 0.0 if self.total is None else steps / self.total
        if self.max_seconds is None:
            return by_steps
        return max(by_steps, (time.perf_counter() - self.started) / self.max_seconds)

    def stop(self, run: PackingRun, history: list[PackingRecord]) -> bool:
        """Report a step; say whether to end."""
        self.bar.update(1)
        self.bar.set_postfix_str(
            f"{history[-1].min_angle_degrees:.2f} of at most {self.bound:.2f} degrees", refresh=False
        )
        asked = self.callback is not None and self.callback(run) is True
        return asked or self.fraction(len(history)) >= 1


def _solve(
    problem: PackingProblem, objective: str, method: str, max_steps: int | None, watch: _Watch
) -> tuple[Tensor, list[PackingRecord]]:
    """Return the points found (working coordinates) and the history."""
    if method == "lbfgs":
        result = multistart(problem, objective, None, max_steps, watch.stop)
        return result.points, result.history
    run = start_run(problem, objective, method, watch.total or _DEFAULT_STEPS)
    while True:
        run.step(fraction=watch.fraction(run.steps))
        if watch.stop(run, run.history):
            break
    # The run may have worked in half precision: let both candidates be judged in full.
    return min((run.best_coordinates, run.coordinates), key=lambda points: _hard_value(problem, points)), run.history


def _hard_value(problem: PackingProblem, points: Tensor) -> float:
    value = _cosine(closest_pair_of(points).angle_degrees) - 1
    gallery = problem.gallery_coordinates
    if gallery is not None and problem.alpha > 0:
        value += problem.alpha * (1 - mean_nearest_cosine(points, gallery))
    return value


def _better(problem: PackingProblem, solved: Tensor | None, known: KnownCode | None, solver: str) -> tuple[Tensor, str]:
    """Return the better of the solver's points and the closed form, float32 in the whole space, and its name."""
    coordinates, name = solved, solver
    if known is not None:
        found = None if solved is None else closest_pair_of(solved).angle_degrees
        if found is None or found < known.angle_degrees:
            coordinates, name = _turned(known, problem), f"closed form: {known.name}"
    assert coordinates is not None
    if problem.basis is not None:
        coordinates = coordinates.double().cpu() @ problem.basis.T
    return normalise(coordinates).float().to(problem.device), name


def _as_seen(gallery: Tensor, problem: PackingProblem) -> Tensor:
    """Return the gallery, or what is left of it in the subspace, as unit rows."""
    if problem.basis is None:
        return gallery
    basis = problem.basis.to(gallery)
    return normalise(gallery @ basis @ basis.T)


def _turned(known: KnownCode, problem: PackingProblem) -> Tensor:
    """Return the closed form turned by a random rotation, so that no axis is special."""
    points = torch.from_numpy(known.points()).double()
    rotation, _ = torch.linalg.qr(random_points(known.dimension, known.dimension, problem.seed, points.dtype))
    return points @ rotation
