"""Small problems: many descents, the best polished to its last digits; or L-BFGS on any objective from a few starts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hyperface_lib.sphere.bounds import cosine_lower_bound
from hyperface_lib.sphere.geometry import closest_pair_of, degrees_from_cosine
from hyperface_lib.sphere.objectives import WithGallery
from hyperface_lib.sphere.optimisers import LBFGS
from hyperface_lib.sphere.problem import PackingProblem, build_objective
from hyperface_lib.sphere.run import PackingRecord, PackingRun
from hyperface_lib.sphere.small.polish import settle
from hyperface_lib.sphere.small.search import PATIENT, Effort, SmallSearch
from hyperface_lib.sphere.small.symmetry import SYMMETRIES
from hyperface_lib.sphere.statistics import mean_nearest_cosine

Stop = Callable[[PackingRun, list[PackingRecord]], bool]

# Exponents of the first, fully converged stage: which one leads to the best arrangement differs from case to case.
_FIRST_EXPONENTS = (6.0, 2.0, 3.0)
# Starts are compared here, and only the best is sharpened further.
_JUDGED_EXPONENT = 400.0
_LAST_EXPONENT = 1e7
# Multiplications a pass over all pairs may cost for the compiled search: 10 milliseconds.
_SEARCHED_PASS = 5e6


@dataclass(frozen=True)
class MultistartResult:
    """The best points found (float64, working coordinates), the records of all steps, and the number of starts."""

    points: Tensor
    history: list[PackingRecord]
    starts: int


def default_starts(problem: PackingProblem) -> int:
    """Return from how many starts an objective is minimised by default: 2 to 12, one for a given initial array."""
    if isinstance(problem.initial, Tensor):
        return 1
    return int(min(12, max(2, 40_000 // (problem.n * problem.working_dimension))))


def is_searched(problem: PackingProblem, objective: str) -> bool:
    """Whether `multistart` answers by `SmallSearch`: alpha = 0, Riesz energies, and a pass over all pairs is quick."""
    pass_cost = problem.n * (problem.n - 1) / 2 * problem.working_dimension
    return objective == "riesz" and problem.alpha == 0 and pass_cost <= _SEARCHED_PASS


def multistart(
    problem: PackingProblem,
    objective: str,
    starts: int | None = None,
    max_steps: int | None = None,
    stop: Stop | None = None,
    max_seconds: float | None = None,
) -> MultistartResult:
    """Pack `problem` from many starts and return the best.

    Where `is_searched`, a step is a descent from a start or from a kick of the best, or a polish at the end; the search
    ends by itself when the bound is reached, when fresh starts keep leading to the same packing, or after some 10
    seconds of work. An initial array is improved, not left behind. Otherwise a step is up to ten iterations of L-BFGS
    on `objective`: each of `starts` is converged and the best sharpened to the hard smallest distance.

    `max_steps` bounds the steps, `max_seconds` (from now) the time; with either a search goes on until then.
    `stop(run, history)` is asked after each step; a search's `run` stands at the best points so far.
    Without a limit in seconds the result is a function of the problem, seed included.
    """
    deadline = math.inf if max_seconds is None else time.perf_counter() + max_seconds
    if is_searched(problem, objective):
        return _search(problem, objective, max_steps, stop, deadline)
    return _descend(problem, objective, starts, max_steps, stop, deadline)


def _search(
    problem: PackingProblem,
    objective: str,
    max_steps: int | None,
    stop: Stop | None,
    deadline: float,
) -> MultistartResult:
    began = time.perf_counter()
    limited = max_steps is not None or deadline < math.inf
    search = SmallSearch(
        lambda number: problem.start(number, torch.float64).cpu().numpy(),
        problem.seed,
        cosine_lower_bound(problem.n, problem.working_dimension),
        symmetries=SYMMETRIES if problem.initial == "random" else (),
        effort=PATIENT if limited else Effort(),
        workers=torch.get_num_threads(),
        deadline=deadline,
    )
    history: list[PackingRecord] = []
    steps = _units(search, problem)
    for _ in steps:
        if max_steps is not None and len(history) + 1 >= max_steps:
            search.finish()
        history.append(_record(search, problem, len(history), time.perf_counter() - began))
        halted = stop is not None and stop(_standing_run(search, problem, objective, history), history)
        if halted or (max_steps is not None and len(history) >= max_steps) or time.perf_counter() >= deadline:
            break
    steps.close()
    search.finish()
    return MultistartResult(torch.from_numpy(search.points).to(problem.device), history, search.starts)


def _units(search: SmallSearch, problem: PackingProblem) -> Generator[None, None, None]:
    if isinstance(problem.initial, Tensor):
        return search.improve(problem.start(0, torch.float64).cpu().numpy())
    return search.explore()


def _record(search: SmallSearch, problem: PackingProblem, step: int, seconds: float) -> PackingRecord:
    closeness = None
    if problem.gallery_coordinates is not None:
        closeness = mean_nearest_cosine(torch.from_numpy(search.points).float(), problem.gallery_coordinates.cpu())
    return PackingRecord(step, seconds, degrees_from_cosine(search.cosine), search.cosine - 1, closeness)


def _standing_run(
    search: SmallSearch, problem: PackingProblem, objective: str, history: list[PackingRecord]
) -> PackingRun:
    """Return a run that stands at the best points of the search, with its history."""
    run = PackingRun(
        torch.from_numpy(search.points).to(problem.device),
        build_objective(problem, objective),
        LBFGS(),
        basis=None if problem.basis is None else problem.basis.double().to(problem.device),
    )
    run.history = history
    return run


def _descend(
    problem: PackingProblem,
    objective: str,
    starts: int | None,
    max_steps: int | None,
    stop: Stop | None,
    deadline: float,
) -> MultistartResult:
    bound_degrees = degrees_from_cosine(cosine_lower_bound(problem.n, problem.working_dimension))
    history: list[PackingRecord] = []
    best: PackingRun | None = None
    halted = False
    number = 0

    def advance(run: PackingRun) -> bool:
        record = run.step()
        elapsed = history[-1].seconds if history else 0.0
        spent = record.seconds - (run.history[-2].seconds if run.steps > 1 else 0.0)
        history.append(replace(record, step=len(history), seconds=elapsed + spent))
        exhausted = (max_steps is not None and len(history) >= max_steps) or time.perf_counter() >= deadline
        return (stop is not None and stop(run, history)) or exhausted

    for number in range(default_starts(problem) if starts is None else starts):
        run = PackingRun(problem.start(number, torch.float64), build_objective(problem, objective), LBFGS())
        if isinstance(run.objective, WithGallery):
            run.objective.term.gallery = run.objective.term.gallery.double()
        exponent = _FIRST_EXPONENTS[number % len(_FIRST_EXPONENTS)]
        halted = _sharpen(run, exponent, _JUDGED_EXPONENT, advance)
        if best is None or run.best_value < best.best_value:
            best = run
        # Codes that reach the bound minimise the energy at every exponent, so they are recognised already here.
        angle = closest_pair_of(best.best_coordinates).angle_degrees
        if halted or (problem.alpha == 0 and angle >= bound_degrees - 1e-4):
            break
    assert best is not None
    if not halted:
        halted = _sharpen(best, 2 * _JUDGED_EXPONENT, _LAST_EXPONENT, advance)
    points = best.best_coordinates
    if not halted and is_searched(problem, "riesz") and best.temperature is not None:
        points = torch.from_numpy(settle(points.cpu().numpy())).to(points)
    return MultistartResult(points, history, number + 1)


def _sharpen(run: PackingRun, exponent: float, last: float, advance: Callable[[PackingRun], bool]) -> bool:
    """Converge `run` at `exponent`, then shortly at each doubling of it up to `last`; return whether told to halt."""
    limit = 60 if run.steps == 0 else 8
    while True:
        if run.temperature is not None:
            run.temperature = 1 / exponent
        run.optimiser.forget()
        before = math.inf
        for _ in range(limit):
            if advance(run):
                return True
            value = run.history[-1].objective
            if before - value <= 1e-11 * abs(value):
                break
            before = value
        if run.temperature is None or exponent >= last:
            # A record describes the points before its move: one more makes the last move count.
            return advance(run)
        exponent *= 2
        limit = 8
