"""`multistart`: what it returns, what ends it, what its result depends on, and other objectives than the default."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hyperface_lib.sphere.geometry import closest_pair_of, degrees_from_cosine
from hyperface_lib.sphere.initial import random_points
from hyperface_lib.sphere.multistart import default_starts, is_searched, multistart
from hyperface_lib.sphere.objectives import OBJECTIVES
from hyperface_lib.sphere.problem import PackingProblem, build_objective, define_problem
from hyperface_lib.sphere.run import PackingRecord, PackingRun
from hyperface_lib.sphere.statistics import mean_nearest_cosine

# Objectives of random draws are of no use to a line search.
DETERMINISTIC = sorted(set(OBJECTIVES) - {"sliced", "lloyd"})


def problem_of(n: int, dimension: int, **arguments: object) -> PackingProblem:
    return define_problem(n, dimension, device="cpu", **arguments)  # type: ignore[arg-type]


def gallery(count: int = 40, dimension: int = 6) -> np.ndarray:
    return random_points(count, dimension, seed=7).numpy()


def angle_of(points: torch.Tensor) -> float:
    return closest_pair_of(points).angle_degrees


def test_points_are_float64_unit_rows_at_the_optimum() -> None:
    result = multistart(problem_of(8, 3), "riesz", max_steps=10)
    assert result.points.dtype == torch.float64
    torch.testing.assert_close(result.points.norm(dim=1), torch.ones(8, dtype=torch.float64), atol=1e-15, rtol=0)
    expected = degrees_from_cosine((math.sqrt(8) - 1) / 7)
    assert angle_of(result.points) == pytest.approx(expected, abs=1e-10)
    assert result.history[-1].min_angle_degrees == pytest.approx(expected, abs=1e-10)


def test_the_bound_ends_it_at_once() -> None:
    result = multistart(problem_of(16, 5), "riesz")
    assert angle_of(result.points) == pytest.approx(degrees_from_cosine(0.2), abs=1e-10)
    assert len(result.history) < 10


@pytest.mark.parametrize("max_steps", [1, 2, 13])
def test_steps_are_limited_and_counted(max_steps: int) -> None:
    result = multistart(problem_of(14, 4), "riesz", max_steps=max_steps)
    assert [record.step for record in result.history] == list(range(max_steps))
    seconds = [record.seconds for record in result.history]
    assert seconds == sorted(seconds)
    angles = [record.min_angle_degrees for record in result.history]
    assert angles == sorted(angles)
    assert angle_of(result.points) == pytest.approx(angles[-1], abs=1e-9)


def test_seconds_are_limited() -> None:
    hurried = multistart(problem_of(40, 5), "riesz", max_seconds=1e-6)
    assert 1 <= len(hurried.history) <= 3
    assert len(multistart(problem_of(40, 5), "riesz", max_steps=12).history) == 12
    assert angle_of(hurried.points) > 30


def test_same_seed_same_points_and_another_seed_others() -> None:
    first, second, other = (multistart(problem_of(20, 3, seed=seed), "riesz", max_steps=12) for seed in (5, 5, 6))
    assert torch.equal(first.points, second.points)
    assert not torch.equal(first.points, other.points)


def test_stop_sees_a_run_at_the_best_points_and_ends_it() -> None:
    seen: list[tuple[int, float, float]] = []

    def stop(run: PackingRun, history: list[PackingRecord]) -> bool:
        seen.append((run.steps, angle_of(run.best_points), history[-1].min_angle_degrees))
        return len(seen) == 3

    result = multistart(problem_of(13, 3), "riesz", stop=stop)
    assert [steps for steps, _, _ in seen] == [1, 2, 3]
    for _, seen_angle, recorded in seen:
        assert seen_angle == pytest.approx(recorded, abs=1e-6)
    assert len(result.history) == 3


def test_the_run_that_stop_sees_lies_in_the_subspace() -> None:
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 3)))[0]
    shapes: set[tuple[torch.Size, torch.Size]] = set()

    def stop(run: PackingRun, history: list[PackingRecord]) -> bool:
        shapes.add((run.points.shape, run.coordinates.shape))
        return False

    problem = problem_of(7, 6, gallery=gallery(), subspace=basis)
    result = multistart(problem, "riesz", max_steps=4, stop=stop)
    assert shapes == {(torch.Size([7, 6]), torch.Size([7, 3]))}
    assert result.points.shape == (7, 3)
    coordinates = problem.gallery_coordinates
    assert coordinates is not None
    assert result.history[-1].mean_gallery_cosine == pytest.approx(
        mean_nearest_cosine(result.points.float(), coordinates), abs=1e-5
    )


def test_an_initial_array_is_improved_not_left_behind() -> None:
    # The cube is a saddle, the square antiprism the optimum; both are near a start at either.
    start = random_points(8, 3, seed=1, dtype=torch.float64)
    result = multistart(problem_of(8, 3, initial=start), "riesz")
    assert result.starts == 0
    assert angle_of(result.points) > angle_of(start) + 10
    again = multistart(problem_of(8, 3, initial=result.points), "riesz")
    assert angle_of(again.points) >= angle_of(result.points)


def test_starts_at_the_gallery() -> None:
    problem = problem_of(10, 6, gallery=gallery(), alpha=0.0, initial="gallery")
    assert is_searched(problem, "riesz")
    result = multistart(problem, "riesz", max_steps=5)
    assert angle_of(result.points) > 89.9  # ten points in six dimensions: a part of the orthoplex
    assert result.history[-1].mean_gallery_cosine is not None


@pytest.mark.parametrize("objective", DETERMINISTIC)
def test_every_objective_is_lowered_from_its_start(objective: str) -> None:
    problem = problem_of(12, 4)
    result = multistart(problem, objective, max_steps=15)
    at_start = build_objective(problem, objective).value_and_gradient(problem.start(0, torch.float64)).value
    built = build_objective(problem, objective)
    assert built.value_and_gradient(result.points).value < at_start
    assert angle_of(result.points) > angle_of(problem.start(0, torch.float64))


def test_other_soft_objectives_are_polished_too() -> None:
    for objective in ("log-sum-exp", "hinge"):
        result = multistart(problem_of(9, 3), objective, starts=4)
        assert angle_of(result.points) == pytest.approx(degrees_from_cosine(1 / 3), abs=1e-9)


@pytest.mark.parametrize("objective", ["riesz", "log-sum-exp"])
def test_with_a_gallery_term_the_points_come_nearer(objective: str) -> None:
    near = gallery(30)
    free, held = (
        multistart(problem_of(12, 6, gallery=near, alpha=alpha), objective, starts=1, max_steps=80)
        for alpha in (0.0, 1.0)
    )
    first, second = (mean_nearest_cosine(result.points.float(), torch.from_numpy(near)) for result in (free, held))
    assert second > first + 0.05
    assert not is_searched(problem_of(12, 6, gallery=near, alpha=1.0), objective)


def test_what_is_too_large_for_the_search_takes_few_starts() -> None:
    assert not is_searched(problem_of(2000, 64), "riesz")
    assert is_searched(problem_of(600, 6), "riesz")
    assert default_starts(problem_of(2000, 64)) == 2
    assert default_starts(problem_of(8, 3, initial=random_points(8, 3))) == 1
