"""Small problems: L-BFGS on Riesz energies of rising exponent, from many starts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hyperface_lib.sphere.bounds import cosine_lower_bound
from hyperface_lib.sphere.geometry import closest_pair_of, degrees_from_cosine
from hyperface_lib.sphere.objectives import WithGallery
from hyperface_lib.sphere.optimisers import LBFGS
from hyperface_lib.sphere.problem import PackingProblem, build_objective
from hyperface_lib.sphere.run import PackingRecord, PackingRun

# Exponents of the first, fully converged stage: which one leads to the best arrangement differs from case to case.
_FIRST_EXPONENTS = (6.0, 2.0, 3.0)
# Starts are compared here, and only the best is sharpened further.
_JUDGED_EXPONENT = 400.0
_LAST_EXPONENT = 1e7


@dataclass(frozen=True)
class MultistartResult:
    """The best points found (float64, working coordinates), the records of all starts, and their number."""

    points: Tensor
    history: list[PackingRecord]
    starts: int


def default_starts(problem: PackingProblem) -> int:
    """Return how many starts are affordable by default: between 2 and 12, one for a given initial array."""
    if isinstance(problem.initial, Tensor):
        return 1
    return int(min(12, max(2, 40_000 // (problem.n * problem.working_dimension))))


def multistart(
    problem: PackingProblem,
    objective: str,
    starts: int | None = None,
    max_steps: int | None = None,
    stop: Callable[[PackingRun, list[PackingRecord]], bool] | None = None,
) -> MultistartResult:
    """Pack `problem` from several starts and return the best.

    Each start is converged at a low exponent and sharpened; the best is sharpened to the hard smallest distance.
    `max_steps` bounds the steps of all starts together; `stop(run, history)` is asked after each step. A start that
    reaches the bound ends it.
    """
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
        exhausted = max_steps is not None and len(history) >= max_steps
        return exhausted or (stop is not None and stop(run, history))

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
        _sharpen(best, 2 * _JUDGED_EXPONENT, _LAST_EXPONENT, advance)
    return MultistartResult(best.best_coordinates, history, number + 1)


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
