"""The one door: `pack`."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import Array, normalise
from hyperface_lib.sphere.bounds import cosine_lower_bound, levenshtein_bound_degrees
from hyperface_lib.sphere.geometry import closest_pair_of
from hyperface_lib.sphere.initial import random_points
from hyperface_lib.sphere.known_codes import KnownCode, best_known
from hyperface_lib.sphere.multistart import multistart
from hyperface_lib.sphere.problem import (
    PackingProblem,
    choose_method,
    choose_objective,
    define_problem,
    enough_memory,
    start_run,
    warn_of_collapse,
)
from hyperface_lib.sphere.run import PackingRecord
from hyperface_lib.sphere.schedule import ALPHA_SCHEDULES, AlphaSchedule
from hyperface_lib.sphere.sharding import current_shard
from hyperface_lib.sphere.statistics import mean_nearest_cosine
from hyperface_lib.sphere.threads import worthwhile_threads
from hyperface_lib.sphere.watch import DEFAULT_STEPS, Callback, Checkpoint, Watch

# Nearer than this to a closed form a solver has found it, up to rounding.
_TIE_DEGREES = 1e-9


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
    alpha_schedule: str | AlphaSchedule = "constant",
    step_radians: float | None = None,
    batch_size: int | None = None,
    checkpoint: str | Path | None = None,
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
    objective: "auto", or a name of `OBJECTIVES`; "closest-pair" is Eq. 1 as printed.
    method: "auto", or a name of `OPTIMISERS`: "lbfgs" is many starts of L-BFGS, for small problems, polished to the
        last digits; "adamw" with "closest-pair" is the paper's Algorithm 1, "minibatch-adam" its Algorithm 2.
    use_known_codes: with alpha = 0 return a closed form, turned at random, where it is better.
    max_seconds, max_steps: whichever comes first; by default 1000 steps, or for "lbfgs", where a step is a descent, an
        amount of work that finds most optima again and again. Only a limit in seconds makes the result depend on the
        machine.
    callback: called with the run after each step; ends it by returning True.
    alpha_schedule: "constant", "falling" (from 4 alpha down to alpha), "rising" (from 0 up to alpha), or your own.
    step_radians: about how far a point turns in one of the first steps; by default as the objective is annealed.
    batch_size: points in a mini-batch, for "minibatch-adam".
    checkpoint: a file that holds the state of the run; when it is there, the run goes on from it, to the same result.

    Points are float32, or float64 where they were polished; numpy unless gallery or initial is torch. In processes
    joined by `join_processes` (torchrun) each works on its share of the points and returns all of them. Warns when
    points share a gallery vector. Raises ValueError or TypeError in one sentence for bad arguments, MemoryError when
    there is not enough; what was reached is then in the checkpoint.
    """
    problem = define_problem(n, dimension, gallery, alpha, subspace, initial, seed, device)
    schedule = _alpha_schedule(alpha_schedule)
    options: dict[str, Any] = {"step_radians": step_radians, "batch_size": batch_size}
    options["alpha_schedule"] = schedule if problem.alpha > 0 else None
    objective_name = choose_objective(problem, objective)
    method_name = choose_method(problem, objective_name, method)
    _check_limits(max_seconds, max_steps)
    config = {
        "n": problem.n,
        "dimension": problem.dimension,
        "gallery_size": None if problem.gallery is None else len(problem.gallery),
        "alpha": problem.alpha,
        "alpha_schedule": asdict(schedule),
        "subspace_dimension": None if problem.basis is None else problem.working_dimension,
        "initial": problem.initial if isinstance(problem.initial, str) else "array",
        "objective": objective_name,
        "method": method_name,
        "step_radians": step_radians,
        "batch_size": batch_size,
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
        default_steps = None if method_name == "lbfgs" else DEFAULT_STEPS
        kept = None if checkpoint is None else Checkpoint(Path(checkpoint), config)
        with (
            Watch(problem, max_seconds, max_steps, callback, progress, default_steps) as watch,
            enough_memory(problem),
        ):
            solved, history = _solve(problem, objective_name, method_name, options, watch, kept)
    points, name = _better(problem, solved, known, f"{objective_name}, {method_name}")
    seconds = time.perf_counter() - started
    angle = closest_pair_of(points).angle_degrees
    bound = levenshtein_bound_degrees(problem.n, problem.working_dimension)
    closeness = None
    if problem.gallery is not None:
        closeness = mean_nearest_cosine(points.float(), problem.gallery)
        warn_of_collapse(points.float(), _as_seen(problem.gallery, problem), bound)
    if not history:
        history = [PackingRecord(0, seconds, angle, -(1 - _cosine(angle)), closeness)]
    as_torch = next((array for array in (gallery, initial) if isinstance(array, Tensor)), None)
    return Packing(
        points=points.cpu().numpy() if as_torch is None else points.to(as_torch.device),
        min_angle_degrees=angle,
        bound_degrees=bound,
        mean_gallery_cosine=closeness,
        history=history,
        method=name,
        seconds=seconds,
        steps=len(history) if solved is not None else 0,
        config=config,
    )


def _alpha_schedule(schedule: str | AlphaSchedule) -> AlphaSchedule:
    if isinstance(schedule, AlphaSchedule):
        return schedule
    if schedule not in ALPHA_SCHEDULES:
        raise ValueError(
            f"alpha_schedule must be one of {', '.join(ALPHA_SCHEDULES)} or an AlphaSchedule, found {schedule!r}."
        )
    return ALPHA_SCHEDULES[schedule]


def _cosine(angle_degrees: float) -> float:
    return float(torch.cos(torch.deg2rad(torch.tensor(angle_degrees, dtype=torch.float64))))


def _check_limits(max_seconds: float | None, max_steps: int | None) -> None:
    if max_seconds is not None and not max_seconds > 0:
        raise ValueError(f"max_seconds must be positive, found {max_seconds}.")
    if max_steps is not None and max_steps < 1:
        raise ValueError(f"max_steps must be at least 1, found {max_steps}.")


def _solve(
    problem: PackingProblem,
    objective: str,
    method: str,
    options: dict[str, Any],
    watch: Watch,
    checkpoint: Checkpoint | None,
) -> tuple[Tensor, list[PackingRecord]]:
    """Return the points found (working coordinates) and the history."""
    if method == "lbfgs":
        return _solve_by_starts(problem, objective, watch, checkpoint)
    run = start_run(
        problem,
        objective,
        method,
        watch.total or DEFAULT_STEPS,
        **options,
        shard=current_shard(problem.n),
    )
    if checkpoint is not None:
        checkpoint.restore(run)
        watch.take_up(run)
    near = 0 if problem.gallery is None else len(problem.gallery)
    work = problem.n * (problem.n + near) * problem.working_dimension
    done = run.steps > 0 and watch.fraction(run.steps) >= 1
    while not done:
        with worthwhile_threads(work):
            run.step(fraction=run.pairs.agree(watch.fraction(run.steps)))
        done = bool(run.pairs.agree(watch.stop(run, run.history)))
        if checkpoint is not None:
            # Between steps only: a state taken in the middle of one could not be gone on from.
            checkpoint.save(run) if done else checkpoint.save_when_due(run)
    # The run may have worked in half precision: let both candidates be judged in full.
    candidates = [run.pairs.everyone(points) for points in (run.best_coordinates, run.coordinates)]
    return min(candidates, key=lambda points: _hard_value(problem, points)), run.history


def _solve_by_starts(
    problem: PackingProblem, objective: str, watch: Watch, checkpoint: Checkpoint | None
) -> tuple[Tensor, list[PackingRecord]]:
    if checkpoint is not None:
        raise ValueError('method "lbfgs" packs small problems in seconds and keeps no checkpoint; leave it out.')
    if current_shard(problem.n) is not None:
        raise ValueError('method "lbfgs" works in one process; take "riemannian-adam" in several.')
    result = multistart(problem, objective, None, watch.total, watch.stop, watch.seconds_left())
    return result.points, result.history


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
        if found is None or found < known.angle_degrees + _TIE_DEGREES:
            coordinates, name = _turned(known, problem), f"closed form: {known.name}"
    assert coordinates is not None
    # Points that were polished keep the digits that were polished.
    dtype = coordinates.dtype if problem.basis is None and coordinates is solved else torch.float32
    if problem.basis is not None:
        coordinates = coordinates.double().cpu() @ problem.basis.T
    return normalise(coordinates).to(device=problem.device, dtype=dtype), name


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
