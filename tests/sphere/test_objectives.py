"""Every analytic gradient against autograd in float64, and what each objective tends to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from hyperface_lib.sphere import OBJECTIVES, create_objective, orthoplex, random_points, uniformity
from hyperface_lib.sphere.blocks import NearestOthers, PairSums, Weighing
from hyperface_lib.sphere.objectives import (
    DrawnObjective,
    GalleryTerm,
    GaussianPotential,
    LloydDispersion,
    LogSumExp,
    MaximumMeanDiscrepancy,
    Objective,
    RieszEnergy,
    SlicedDispersion,
    SquaredHinge,
    WithGallery,
)
from hyperface_lib.sphere.objectives.discrepancy import mean_kernel
from hyperface_lib.sphere.traversal import LocalPairs

# 1200 points are more than one block of 512.
SIZES = [(7, 3), (60, 12), (1200, 8)]


def pair_cosines(points: torch.Tensor) -> torch.Tensor:
    first, second = torch.triu_indices(len(points), len(points), offset=1)
    return (points @ points.T)[first, second]


def closest_pair_value(points: torch.Tensor, _: object) -> torch.Tensor:
    return pair_cosines(points).max() - 1


def log_sum_exp_value(points: torch.Tensor, objective: LogSumExp) -> torch.Tensor:
    return objective.temperature * torch.logsumexp(pair_cosines(points) / objective.temperature, dim=0) - 1


def riesz_value(points: torch.Tensor, objective: RieszEnergy) -> torch.Tensor:
    exponent = 1 / objective.temperature
    return -((1 - pair_cosines(points)).pow(-exponent / 2).mean().pow(-2 / exponent))


def hinge_value(points: torch.Tensor, objective: SquaredHinge) -> torch.Tensor:
    """The sparsemax soft maximum max_w <w, c> - gamma/2 |w|^2, gamma taken so that its threshold is the one used."""
    assert objective.threshold is not None
    cosines = pair_cosines(points)
    gamma = torch.relu(cosines.detach() - objective.threshold).sum()
    weights = torch.relu(cosines.detach() - objective.threshold) / gamma
    assert float(weights.sum()) == pytest.approx(1)
    return (weights * cosines).sum() - gamma / 2 * weights.square().sum() - 1


def squared_chords(points: torch.Tensor) -> torch.Tensor:
    """|x_i - x_j|^2 as a full matrix, as functions of the cosines: their gradients have no radial part of their own."""
    return 2 - 2 * points @ points.T


def nearest_chords(points: torch.Tensor) -> torch.Tensor:
    others = torch.where(torch.eye(len(points), dtype=torch.bool), torch.inf, squared_chords(points))
    return others.amin(dim=1).sqrt()


def mean_nearest_value(points: torch.Tensor, _: object) -> torch.Tensor:
    return -(nearest_chords(points).square() / 2).mean()


def gaussian_value(points: torch.Tensor, objective: GaussianPotential) -> torch.Tensor:
    t = 1 / objective.temperature
    first, second = torch.triu_indices(len(points), len(points), offset=1)
    return torch.log(torch.exp(-t * squared_chords(points)[first, second]).mean()) / (2 * t)


def koleo_value(points: torch.Tensor, _: object) -> torch.Tensor:
    return -nearest_chords(points).log().mean()


def expected_kernel(gamma: float, dimension: int) -> float:
    """E exp(gamma (cos - 1)) by quadrature over the angle, of density sin^(d - 2)."""
    mass, _ = quad(lambda a: math.sin(a) ** (dimension - 2), 0, math.pi, epsabs=0)
    kernel, _ = quad(
        lambda a: math.sin(a) ** (dimension - 2) * math.exp(gamma * (math.cos(a) - 1)), 0, math.pi, epsabs=0
    )
    return kernel / mass


def mmd_value(points: torch.Tensor, objective: MaximumMeanDiscrepancy) -> torch.Tensor:
    gamma = objective.gamma
    same = torch.eye(len(points), dtype=torch.float64)
    kernel = same + (1 - same) * torch.exp(-gamma / 2 * squared_chords(points))
    return kernel.mean() - expected_kernel(gamma, points.shape[1])


def sliced_value(points: torch.Tensor, objective: SlicedDispersion) -> torch.Tensor:
    assert objective.directions is not None
    values = []
    for first, second in objective.directions:
        angles = torch.complex(points @ first, points @ second).angle().sort().values
        even = torch.linspace(0, 2 * math.pi, len(points) + 1, dtype=torch.float64)[:-1]
        gaps = angles - even
        values.append((gaps - gaps.mean()).square().mean() / 2)
    return torch.stack(values).mean()


def lloyd_value(points: torch.Tensor, objective: LloydDispersion) -> torch.Tensor:
    assert objective.directions is not None
    return torch.acos(objective.directions @ points.T).amin(dim=1).square().mean()


REFERENCES = {
    "closest-pair": closest_pair_value,
    "log-sum-exp": log_sum_exp_value,
    "riesz": riesz_value,
    "hinge": hinge_value,
    "mean-nearest": mean_nearest_value,
    "gaussian": gaussian_value,
    "koleo": koleo_value,
    "mmd": mmd_value,
    "sliced": sliced_value,
    "lloyd": lloyd_value,
}
SOFT = ["hinge", "log-sum-exp", "riesz", "gaussian"]
DRAWN = ["sliced", "lloyd"]


def test_every_objective_has_a_reference_here() -> None:
    assert set(REFERENCES) == set(OBJECTIVES)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize(("n", "dimension"), SIZES)
def test_value_and_gradient_agree_with_autograd(name: str, n: int, dimension: int) -> None:
    points = random_points(n, dimension, seed=1, dtype=torch.float64)
    objective = create_objective(name)
    value, gradient, max_cosine = objective.value_and_gradient(points)
    leaf = points.clone().requires_grad_(True)
    expected = REFERENCES[name](leaf, objective)
    expected.backward()
    assert leaf.grad is not None
    assert value == pytest.approx(expected.item(), rel=1e-10)
    torch.testing.assert_close(gradient, leaf.grad, rtol=1e-8, atol=1e-11)
    assert max_cosine == pytest.approx(pair_cosines(points).max().item(), abs=1e-14)


@pytest.mark.parametrize("name", SOFT)
def test_soft_objectives_tend_to_the_closest_pair(name: str) -> None:
    points = random_points(40, 5, seed=2, dtype=torch.float64)
    hard = create_objective("closest-pair").value_and_gradient(points)
    gaps = []
    for temperature in (0.1, 0.01, 0.0001):
        soft = create_objective(name)
        soft.temperature = temperature  # type: ignore[attr-defined]
        gaps.append(abs(soft.value_and_gradient(points).value - hard.value))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-3
    torch.testing.assert_close(soft.value_and_gradient(points).gradient, hard.gradient, rtol=0, atol=5e-3)


def turned(objective: Objective, rotation: torch.Tensor) -> Objective:
    """Turn what an objective draws along with the points; most draw nothing."""
    if isinstance(objective, DrawnObjective):
        draw = objective._draw
        objective._draw = lambda *arguments: draw(*arguments) @ rotation  # type: ignore[method-assign]
    return objective


@pytest.mark.parametrize("name", OBJECTIVES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(3, 30), dimension=st.integers(2, 9))
def test_rotating_and_permuting_the_points_changes_nothing(name: str, seed: int, n: int, dimension: int) -> None:
    points = random_points(n, dimension, seed, torch.float64)
    rotation, _ = torch.linalg.qr(random_points(dimension, dimension, seed + 1, torch.float64))
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    plain = create_objective(name).value_and_gradient(points)
    moved = turned(create_objective(name), rotation).value_and_gradient((points @ rotation)[order])
    assert moved.value == pytest.approx(plain.value, rel=1e-9, abs=1e-12)
    torch.testing.assert_close(moved.gradient, (plain.gradient @ rotation)[order], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", SOFT)
def test_a_jump_of_the_points_does_not_spoil_the_next_value(name: str) -> None:
    spread, bunched = random_points(50, 20, 3, torch.float64), random_points(50, 20, 4, torch.float64)
    bunched[1] = torch.nn.functional.normalize(bunched[0] + 0.001 * bunched[1], dim=0)
    used, fresh = create_objective(name), create_objective(name)
    for objective in (used, fresh):
        objective.temperature = 0.003  # type: ignore[attr-defined]
    for points in (spread, bunched, spread):
        value = used.value_and_gradient(points).value
        assert math.isfinite(value)
    expected = create_objective(name)
    expected.temperature = 0.003  # type: ignore[attr-defined]
    assert value == pytest.approx(expected.value_and_gradient(spread).value, rel=1e-9)


def test_gallery_term_agrees_with_autograd_also_for_short_gallery_rows() -> None:
    points = random_points(600, 6, 5, torch.float64)
    gallery = random_points(9000, 6, 6, torch.float64) * torch.linspace(0.5, 1, 9000, dtype=torch.float64)[:, None]
    value, gradient = GalleryTerm(gallery).value_and_gradient(points)
    leaf = points.clone().requires_grad_(True)
    expected = (1 - leaf @ gallery.T).min(dim=1).values.mean()
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(gradient, leaf.grad)


def test_eq_2_is_the_sum_of_its_terms() -> None:
    points, gallery = random_points(30, 4, 7, torch.float64), random_points(11, 4, 8, torch.float64)
    value, gradient, _ = WithGallery(create_objective("closest-pair"), GalleryTerm(gallery), 0.7).value_and_gradient(
        points
    )
    leaf = points.clone().requires_grad_(True)
    distances = 1 - pair_cosines(leaf)
    expected = -distances.min() + 0.7 * (1 - leaf @ gallery.T).min(dim=1).values.mean()
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(gradient, leaf.grad)


def test_half_precision_products_stay_close() -> None:
    points = random_points(700, 128, 9)
    exact, rough = SquaredHinge(), SquaredHinge()
    rough.matmul_dtype = torch.bfloat16
    one, other = exact.value_and_gradient(points), rough.value_and_gradient(points)
    assert other.value == pytest.approx(one.value, abs=0.005)
    assert torch.nn.functional.cosine_similarity(one.gradient.ravel(), other.gradient.ravel(), dim=0) > 0.99
    assert other.gradient.dtype == torch.float32


class SomeRows(LocalPairs):
    """All points, of which a process is given the rows `own`."""

    def __init__(self, everyone: torch.Tensor, own: slice) -> None:
        self.all_points, self.own = everyone, own

    def count(self, points: torch.Tensor) -> int:
        return len(self.all_points)

    def everyone(self, points: torch.Tensor) -> torch.Tensor:
        return self.all_points

    def own_rows(self, points: torch.Tensor) -> slice:
        return self.own

    def accumulate(self, points: torch.Tensor, weigh: Weighing, dtype: torch.dtype | None = None) -> PairSums:
        sums = super().accumulate(self.all_points, weigh, dtype)
        return PairSums(sums.sums, sums.gradient[self.own], sums.max_cosine)

    def largest_cosine(self, points: torch.Tensor, dtype: torch.dtype | None = None) -> float:
        return super().largest_cosine(self.all_points, dtype)

    def nearest_others(self, points: torch.Tensor, dtype: torch.dtype | None = None) -> NearestOthers:
        return super().nearest_others(self.all_points, dtype)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_given_some_rows_the_value_is_everybodys_and_the_gradient_theirs(name: str) -> None:
    points = random_points(40, 5, 10, torch.float64)
    whole = create_objective(name).value_and_gradient(points)
    for own in (slice(0, 13), slice(13, 40)):
        objective = create_objective(name)
        objective.pairs = SomeRows(points, own)
        part = objective.value_and_gradient(points[own])
        assert (part.value, part.max_cosine) == (whole.value, whole.max_cosine)
        torch.testing.assert_close(part.gradient, whole.gradient[own])


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name != "closest-pair"])
def test_half_precision_products_keep_the_direction(name: str) -> None:
    points = random_points(700, 128, 9)
    exact, rough = create_objective(name), create_objective(name)
    rough.matmul_dtype = torch.bfloat16
    one, other = exact.value_and_gradient(points), rough.value_and_gradient(points)
    assert other.value == pytest.approx(one.value, rel=0.01)
    assert torch.nn.functional.cosine_similarity(one.gradient.ravel(), other.gradient.ravel(), dim=0) > 0.98
    assert other.gradient.dtype == torch.float32


@pytest.mark.parametrize("name", OBJECTIVES)
def test_equal_points_leave_the_gradient_finite(name: str) -> None:
    points = random_points(6, 4, 11).repeat(2, 1)
    value, gradient, _ = create_objective(name).value_and_gradient(points)
    assert math.isfinite(value) and bool(gradient.isfinite().all())


@pytest.mark.parametrize("t", [0.5, 2.0, 7.0])
def test_gaussian_potential_is_the_uniformity_loss_as_a_distance(t: float) -> None:
    points = random_points(80, 6, 12, torch.float64)
    value = GaussianPotential(temperature=1 / t).value_and_gradient(points).value
    assert 2 * t * value == pytest.approx(uniformity(points, t), rel=1e-12)


def test_gaussian_potential_is_log_sum_exp_of_half_its_temperature_less_a_constant() -> None:
    points = random_points(30, 6, 13, torch.float64)
    one, other = (c.value_and_gradient(points) for c in (GaussianPotential(0.1), LogSumExp(0.05)))
    assert other.value - one.value == pytest.approx(0.05 * math.log(30 * 29 / 2), rel=1e-12)
    torch.testing.assert_close(one.gradient, other.gradient)


def test_mmd_has_the_direction_of_the_gaussian_potential() -> None:
    points = random_points(30, 6, 14, torch.float64)
    one = GaussianPotential(1 / 2).value_and_gradient(points).gradient
    other = MaximumMeanDiscrepancy(gamma=4).value_and_gradient(points).gradient
    torch.testing.assert_close(one / one.norm(), other / other.norm())


@pytest.mark.parametrize(("gamma", "dimension"), [(0.3, 2), (4.0, 3), (4.0, 64), (200.0, 5), (1000.0, 512)])
def test_expected_kernel_of_uniform_points(gamma: float, dimension: int) -> None:
    assert mean_kernel(gamma, dimension) == pytest.approx(expected_kernel(gamma, dimension), rel=1e-9)
    if dimension == 3:
        assert mean_kernel(gamma, 3) == pytest.approx(math.sinh(gamma) / gamma * math.exp(-gamma), rel=1e-12)


def test_mmd_of_uniform_points_shrinks_as_one_over_n_and_is_never_negative() -> None:
    expected = 1 - mean_kernel(4.0, 5)
    draws = [
        MaximumMeanDiscrepancy().value_and_gradient(random_points(50, 5, seed, torch.float64)).value
        for seed in range(200)
    ]
    assert min(draws) > 0
    assert sum(draws) / len(draws) == pytest.approx(expected / 50, rel=0.05)
    spread = MaximumMeanDiscrepancy().value_and_gradient(torch.from_numpy(orthoplex(25))).value
    assert spread > 0


def test_sliced_targets_are_the_nearest_even_angles() -> None:
    points = random_points(6, 2, 15, torch.float64)
    objective = SlicedDispersion()
    value = objective.value_and_gradient(points).value
    assert objective.directions is not None
    first, second = objective.directions[0]
    angles = torch.atan2(points @ second, points @ first)
    even = torch.arange(6, dtype=torch.float64) * (2 * math.pi / 6)
    costs = []
    for order in itertools.permutations(range(6)):
        gaps = angles - even[list(order)]
        costs.append(float((gaps - gaps.mean()).square().mean()) / 2)
    assert value == pytest.approx(min(costs), rel=1e-12)


def test_sliced_is_zero_for_a_regular_polygon_alone() -> None:
    angles = torch.arange(7, dtype=torch.float64) * (2 * math.pi / 7)
    polygon = torch.stack([angles.cos(), angles.sin()], dim=1)
    value, gradient, _ = SlicedDispersion().value_and_gradient(polygon)
    assert value == pytest.approx(0, abs=1e-25)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient))
    assert SlicedDispersion().value_and_gradient(random_points(7, 2, 16, torch.float64)).value > 1e-3


@pytest.mark.parametrize(("dimension", "circles"), [(5, None), (6, None), (4, 1), (3, 7)])
def test_circles_are_orthonormal_and_as_many_as_asked(dimension: int, circles: int | None) -> None:
    objective = SlicedDispersion(circles)
    objective.value_and_gradient(random_points(9, dimension, 17, torch.float64))
    assert objective.directions is not None
    assert len(objective.directions) == (dimension // 2 if circles is None else circles)
    products = objective.directions @ objective.directions.transpose(1, 2)
    torch.testing.assert_close(products, torch.eye(2, dtype=torch.float64).expand_as(products))


@pytest.mark.parametrize("name", DRAWN)
def test_draws_are_new_at_each_evaluation_and_the_same_after_forgetting(name: str) -> None:
    points = random_points(12, 4, 0, torch.float64)
    objective = create_objective(name)
    values = [objective.value_and_gradient(points).value for _ in range(3)]
    assert len(set(values)) == 3
    kept = objective.state()
    following = objective.value_and_gradient(points).value
    other = create_objective(name)
    other.restore(kept)
    assert other.value_and_gradient(points).value == following
    objective.forget()
    assert [objective.value_and_gradient(points).value for _ in range(3)] == values


@pytest.mark.parametrize("make", [SlicedDispersion, LloydDispersion])
def test_draws_depend_on_the_seed_and_not_on_the_random_start(make: Callable[..., DrawnObjective]) -> None:
    points = random_points(12, 4, 0, torch.float64)
    values = {make(seed=seed).value_and_gradient(points).value for seed in range(3)}
    assert len(values) == 3
    # A start drawn with the same seed would put a sample on every point.
    assert min(values) > 1e-3


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: MaximumMeanDiscrepancy(gamma=0), "gamma must be positive, found 0"),
        (lambda: SlicedDispersion(circles=0), "circles must be at least 1, found 0"),
        (lambda: LloydDispersion(samples=0), "samples must be at least 1, found 0"),
    ],
)
def test_senseless_settings_are_refused(make: Callable[[], Objective], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        make()


def test_unknown_objective_lists_the_names() -> None:
    with pytest.raises(ValueError, match="hinge, log-sum-exp, riesz, closest-pair"):
        create_objective("nearest")
