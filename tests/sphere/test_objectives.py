"""Every analytic gradient against autograd in float64, and what each objective tends to."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.sphere import OBJECTIVES, create_objective, random_points
from hyperface_lib.sphere.objectives import GalleryTerm, LogSumExp, RieszEnergy, SquaredHinge, WithGallery

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


REFERENCES = {
    "closest-pair": closest_pair_value,
    "log-sum-exp": log_sum_exp_value,
    "riesz": riesz_value,
    "hinge": hinge_value,
}


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


@pytest.mark.parametrize("name", ["hinge", "log-sum-exp", "riesz"])
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


@pytest.mark.parametrize("name", OBJECTIVES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(3, 30), dimension=st.integers(2, 9))
def test_rotating_and_permuting_the_points_changes_nothing(name: str, seed: int, n: int, dimension: int) -> None:
    points = random_points(n, dimension, seed, torch.float64)
    rotation, _ = torch.linalg.qr(random_points(dimension, dimension, seed + 1, torch.float64))
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    plain = create_objective(name).value_and_gradient(points)
    moved = create_objective(name).value_and_gradient((points @ rotation)[order])
    assert moved.value == pytest.approx(plain.value, rel=1e-9, abs=1e-12)
    torch.testing.assert_close(moved.gradient, (plain.gradient @ rotation)[order], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["hinge", "log-sum-exp", "riesz"])
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


def test_unknown_objective_lists_the_names() -> None:
    with pytest.raises(ValueError, match="hinge, log-sum-exp, riesz, closest-pair"):
        create_objective("nearest")
