"""What a step is, what the optimisers share, and that a run put aside goes on bit for bit."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save

from hyperface_lib.sphere import (
    OBJECTIVES,
    OPTIMISERS,
    create_objective,
    create_optimiser,
    define_problem,
    min_angle_degrees,
    random_points,
    start_run,
)
from hyperface_lib.sphere.arrays import normalise, tangent
from hyperface_lib.sphere.blocks import largest_cosine
from hyperface_lib.sphere.geometry import angle_degrees_between
from hyperface_lib.sphere.objectives import (
    ClosestPairObjective,
    Evaluation,
    GalleryTerm,
    LogSumExp,
    Objective,
    WithGallery,
)
from hyperface_lib.sphere.objectives.base import PairObjective
from hyperface_lib.sphere.optimisers import (
    AdamW,
    MiniBatch,
    Optimiser,
    RiemannianAdam,
    RiemannianSGD,
    RMSProp,
)
from hyperface_lib.sphere.traversal import LocalPairs

STEPPERS = [name for name in OPTIMISERS if name != "lbfgs"]
# AdamW works in the ambient space: the radial part of its gradient is part of its step.
TANGENT = [name for name in STEPPERS if name != "adamw"]


class Linear(PairObjective):
    """sum_i <x_i, c_i>: every row has its own gradient, the same at all points."""

    name = "linear"

    def __init__(self, directions: torch.Tensor) -> None:
        super().__init__()
        self.directions = directions

    def value_and_gradient(self, points: torch.Tensor) -> Evaluation:
        return Evaluation(float((points * self.directions).sum()), self.directions.clone(), 0.0)


class Scaled(PairObjective):
    """Another objective in another unit."""

    name = "scaled"

    def __init__(self, objective: Objective, factor: float) -> None:
        super().__init__()
        self.objective, self.factor = objective, factor

    def value_and_gradient(self, points: torch.Tensor) -> Evaluation:
        value, gradient, largest = self.objective.value_and_gradient(points)
        return Evaluation(self.factor * value, self.factor * gradient, largest)


def turns(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """The angle in radians by which each row was turned."""
    return torch.deg2rad(angle_degrees_between(before, after))


def walk(points: torch.Tensor, objective: Objective, optimiser: Optimiser, steps: int) -> torch.Tensor:
    for _ in range(steps):
        points = optimiser.step(points, objective).points
    return points


@pytest.mark.parametrize("name", STEPPERS)
def test_points_stay_on_the_sphere_and_the_evaluation_is_that_before_the_move(name: str) -> None:
    points = random_points(40, 6, 1, torch.float64)
    move = create_optimiser(name).step(points, LogSumExp())
    torch.testing.assert_close(torch.linalg.vector_norm(move.points, dim=1), torch.ones(40, dtype=torch.float64))
    assert move.covers_all
    assert move.before.value == pytest.approx(LogSumExp().value_and_gradient(points).value, rel=1e-12)
    assert torch.equal(points, random_points(40, 6, 1, torch.float64))


@pytest.mark.parametrize("name", STEPPERS)
@pytest.mark.parametrize("objective", ["riesz", "mean-nearest", "mmd"])
def test_a_step_is_about_as_long_as_it_says(name: str, objective: str) -> None:
    points = random_points(200, 50, 2, torch.float64)
    built, optimiser = create_objective(objective), create_optimiser(name)
    optimiser.step_radians = 0.01
    for _ in range(5):
        after = optimiser.step(points, built).points
        longest = float(turns(points, after).max())
        assert 0.002 < longest < 0.02
        points = after


@pytest.mark.parametrize("name", TANGENT)
def test_the_unit_of_the_objective_does_not_matter(name: str) -> None:
    points = random_points(30, 5, 3, torch.float64)
    one = walk(points, LogSumExp(0.1), create_optimiser(name), 10)
    other = walk(points, Scaled(LogSumExp(0.1), 1000.0), create_optimiser(name), 10)
    # The stabiliser of Adam's division has a unit.
    torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "rmsprop"])
def test_steps_turn_with_the_frame(name: str) -> None:
    points = random_points(30, 5, 4, torch.float64)
    rotation, _ = torch.linalg.qr(random_points(5, 5, 5, torch.float64))
    plain = walk(points, LogSumExp(0.1), create_optimiser(name), 10)
    turned = walk(points @ rotation, LogSumExp(0.1), create_optimiser(name), 10)
    torch.testing.assert_close(turned, plain @ rotation, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", STEPPERS)
def test_every_optimiser_finds_the_orthoplex(name: str) -> None:
    run = start_run(define_problem(10, 5, seed=6), "riesz", name, total_steps=400)
    run.step(400)
    assert min_angle_degrees(run.best_points) > 89.5


def test_sgd_moves_the_closest_pair_by_the_step_and_nothing_else() -> None:
    points = random_points(50, 8, 7, torch.float64)
    moved = turns(points, RiemannianSGD(step_radians=0.01).step(points, ClosestPairObjective()).points)
    assert int((moved > 1e-12).sum()) == 2
    assert moved.max() == pytest.approx(0.01, rel=1e-4)


def test_sgd_moves_points_in_proportion_to_their_gradients_up_to_the_step() -> None:
    points = random_points(40, 6, 8, torch.float64)
    gradient = torch.linspace(0.1, 3, 40, dtype=torch.float64)[:, None] * random_points(40, 6, 9, torch.float64)
    lengths = tangent(points, gradient).norm(dim=1)
    typical = lengths.square().mean().sqrt()
    moved = turns(points, RiemannianSGD(step_radians=0.001).step(points, Linear(gradient)).points)
    torch.testing.assert_close(moved, 0.001 * (lengths / typical).clamp(max=1), rtol=1e-5, atol=0)


def test_sgd_carries_its_momentum_in_the_tangent_space() -> None:
    points = random_points(10, 4, 10, torch.float64)
    gradient = random_points(10, 4, 11, torch.float64)
    optimiser = RiemannianSGD(step_radians=0.3, momentum=0.8)
    following = optimiser.step(points, Linear(gradient)).points
    optimiser.step(following, Linear(gradient))
    expected = tangent(following, 0.8 * tangent(points, gradient) + gradient)
    torch.testing.assert_close(optimiser.state()["momentum"], expected)


def test_sgd_measures_the_typical_length_over_all_processes() -> None:
    class TwoProcesses(LocalPairs):
        """This process and another one, whose points are at rest."""

        def count(self, points: torch.Tensor) -> int:
            return 2 * len(points)

    points = random_points(30, 5, 12, torch.float64)
    gradient = random_points(30, 5, 13, torch.float64)
    spread = Linear(gradient)
    spread.pairs = TwoProcesses()
    lengths = tangent(points, gradient).norm(dim=1)
    typical = (lengths.square().sum() / 60).sqrt()
    moved = turns(points, RiemannianSGD(step_radians=0.001).step(points, spread).points)
    torch.testing.assert_close(moved, 0.001 * (lengths / typical).clamp(max=1), rtol=1e-5, atol=0)


def test_rmsprop_divides_by_the_bias_corrected_root_mean_square_of_each_point() -> None:
    points = random_points(12, 5, 14, torch.float64)
    optimiser, second = RMSProp(step_radians=0.01, beta=0.7), torch.zeros(12, 1, dtype=torch.float64)
    for number in range(1, 5):
        gradient = tangent(points, number * random_points(12, 5, 15 + number, torch.float64))
        second = 0.7 * second + 0.3 * gradient.square().sum(dim=1, keepdim=True)
        expected = normalise(points - 0.01 * gradient / (second / (1 - 0.7**number)).sqrt())
        points = optimiser.step(points, Linear(gradient)).points
        torch.testing.assert_close(points, expected)


def test_points_without_a_gradient_stay() -> None:
    points = random_points(6, 3, 20, torch.float64)
    still = Linear(torch.zeros(6, 3, dtype=torch.float64))
    for optimiser in (RiemannianAdam(), RiemannianSGD(), RMSProp(), MiniBatch()):
        torch.testing.assert_close(walk(points, still, optimiser, 3), points)


def with_gallery(name: str) -> WithGallery:
    return WithGallery(create_objective(name), GalleryTerm(random_points(40, 5, 21), refresh_every=3), 0.4)


def optimiser_of(name: str) -> Optimiser:
    return MiniBatch(batch_size=9) if name == "minibatch-adam" else create_optimiser(name)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", STEPPERS)
@pytest.mark.parametrize("before", [0, 4])
def test_a_run_put_aside_goes_on_bit_for_bit(objective: str, name: str, before: int) -> None:
    first, optimiser = with_gallery(objective), optimiser_of(name)
    points = walk(random_points(30, 5, 22), first, optimiser, before)
    kept = {f"{owner}/{key}": t for owner, part in (("f", first), ("o", optimiser)) for key, t in part.state().items()}
    expected = walk(points, first, optimiser, 5)

    stored = load(save(kept))
    other, resumed = with_gallery(objective), optimiser_of(name)
    other.restore({key[2:]: t for key, t in stored.items() if key.startswith("f/")})
    resumed.restore({key[2:]: t for key, t in stored.items() if key.startswith("o/")})
    assert torch.equal(walk(points, other, resumed, 5), expected)


@pytest.mark.parametrize("name", STEPPERS)
def test_restoring_replaces_what_was_kept(name: str) -> None:
    points = random_points(30, 5, 23)
    used = optimiser_of(name)
    walk(points, LogSumExp(), used, 3)
    used.restore(optimiser_of(name).state())
    fresh = walk(points, LogSumExp(), optimiser_of(name), 4)
    assert torch.equal(walk(points, LogSumExp(), used, 4), fresh)
    used.forget()
    assert torch.equal(walk(points, LogSumExp(), used, 4), fresh)


@pytest.mark.parametrize("name", STEPPERS)
def test_a_state_does_not_change_afterwards(name: str) -> None:
    points, optimiser = random_points(30, 5, 24), optimiser_of(name)
    points = walk(points, LogSumExp(), optimiser, 2)
    kept = optimiser.state()
    copies = {key: tensor.clone() for key, tensor in kept.items()}
    walk(points, LogSumExp(), optimiser, 3)
    assert all(torch.equal(kept[key], copies[key]) for key in copies)


@pytest.mark.parametrize("name", STEPPERS)
def test_another_number_of_points_starts_afresh(name: str) -> None:
    used = create_optimiser(name)
    walk(random_points(12, 5, 25), LogSumExp(), used, 3)
    points = random_points(20, 5, 26)
    assert torch.equal(walk(points, LogSumExp(), used, 3), walk(points, LogSumExp(), create_optimiser(name), 3))


def test_adamw_is_torch_adamw_on_the_ambient_gradient() -> None:
    points = random_points(15, 4, 27, torch.float64)
    parameter = torch.nn.Parameter(points.clone())
    reference = torch.optim.AdamW([parameter], lr=0.05 / 2, weight_decay=0.01)
    optimiser = AdamW(step_radians=0.05)
    for _ in range(4):
        parameter.grad = LogSumExp().value_and_gradient(parameter.detach()).gradient
        reference.step()
        parameter.data = normalise(parameter.data)
        points = optimiser.step(points, LogSumExp()).points
    torch.testing.assert_close(points, parameter.detach())


def test_unknown_optimiser_lists_the_names() -> None:
    with pytest.raises(ValueError, match="sgd, rmsprop, minibatch-adam, found 'newton'"):
        create_optimiser("newton")


def test_lbfgs_goes_on_from_the_best_place_when_a_line_search_breaks_down() -> None:
    class Breaking:
        """An objective whose gradient is not a number."""

        def value_and_gradient(self, points: torch.Tensor) -> Evaluation:
            evaluation = create_objective("log-sum-exp").value_and_gradient(points)
            return evaluation._replace(gradient=torch.full_like(points, torch.nan))

    start = random_points(12, 4, seed=4)
    optimiser = create_optimiser("lbfgs")
    with torch.no_grad():
        move = optimiser.step(start, Breaking())  # type: ignore[arg-type]
        assert bool(torch.isfinite(move.points).all())
        again = optimiser.step(move.points, create_objective("log-sum-exp"))
    assert largest_cosine(again.points) < largest_cosine(start)
