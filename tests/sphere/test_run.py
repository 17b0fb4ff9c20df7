"""The stepper: determinism, live changes, reset, best so far."""

from __future__ import annotations

import pytest
import torch

from hyperface_lib.sphere import (
    OBJECTIVES,
    OPTIMISERS,
    PackingRun,
    define_problem,
    min_angle_degrees,
    random_points,
    start_run,
)


def small_run(**keywords: object) -> PackingRun:
    gallery = random_points(30, 5, seed=3)
    return start_run(define_problem(20, 5, gallery=gallery, alpha=0.5, seed=1), method="riemannian-adam", **keywords)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_steps() -> None:
    one, other = small_run(), small_run()
    one.step(25)
    for _ in range(5):
        other.step(5)
    assert torch.equal(one.points, other.points)
    assert [record.objective for record in one.history] == [record.objective for record in other.history]


def test_another_seed_gives_others() -> None:
    run = start_run(define_problem(20, 5, seed=2), method="riemannian-adam")
    assert not torch.equal(run.points, start_run(define_problem(20, 5, seed=1), method="riemannian-adam").points)


def test_the_last_record_describes_the_points() -> None:
    run = small_run(total_steps=30)
    record = run.step(30)
    assert run.is_finished and record.step == 29
    assert record.min_angle_degrees == pytest.approx(min_angle_degrees(run.points), abs=1e-3)
    nearest = (run.points @ random_points(30, 5, seed=3).T).amax(dim=1).mean()
    assert record.mean_gallery_cosine == pytest.approx(float(nearest), abs=1e-5)


def test_reset_goes_back() -> None:
    run = small_run()
    before = run.points.clone()
    first = [run.step().objective for _ in range(5)]
    run.reset()
    assert run.steps == 0
    assert torch.equal(run.points, before)
    assert [run.step().objective for _ in range(5)] == first


def test_alpha_moves_the_points_while_running() -> None:
    run = small_run(anneal=False)
    run.alpha = 0.0
    far = run.step(150).mean_gallery_cosine
    run.alpha = 5.0
    near = run.step(150).mean_gallery_cosine
    assert far is not None and near is not None
    assert near > far + 0.1


def test_temperature_and_step_end_their_annealing() -> None:
    run = small_run()
    run.step(2)
    run.temperature = 0.05
    run.step_radians = 0.02
    run.step(3)
    assert (run.temperature, run.step_radians) == (0.05, 0.02)


def test_annealing_cools() -> None:
    run = small_run(total_steps=10)
    run.step()
    warm = run.temperature
    run.step(9)
    assert warm is not None and run.temperature is not None and run.temperature < warm / 10


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("method", OPTIMISERS)
def test_every_pair_of_objective_and_optimiser_improves(objective: str, method: str) -> None:
    problem = define_problem(12, 4, seed=4)
    run = start_run(problem, objective, method, total_steps=60)
    start = min_angle_degrees(run.points)
    run.step(60)
    assert min_angle_degrees(run.best_points) > start + 5


def test_the_best_value_never_rises() -> None:
    run = start_run(define_problem(30, 3), "log-sum-exp", "riemannian-adam", total_steps=50)
    values = []
    for _ in range(50):
        run.step()
        values.append(run.best_value)
    assert values == sorted(values, reverse=True)
    assert min_angle_degrees(run.best_points) == pytest.approx(max(r.min_angle_degrees for r in run.history), abs=1e-3)


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [("temperature", 0.0, "positive"), ("alpha", -1.0, "at least 0"), ("step_radians", -0.1, "positive")],
)
def test_senseless_settings_are_refused(name: str, value: float, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        setattr(small_run(), name, value)


def test_settings_that_do_not_apply_are_refused() -> None:
    run = start_run(define_problem(10, 3), "closest-pair")
    with pytest.raises(ValueError, match="no temperature"):
        run.temperature = 0.1
    with pytest.raises(ValueError, match="gallery"):
        run.alpha = 0.1
    with pytest.raises(ValueError, match="count"):
        run.step(0)
