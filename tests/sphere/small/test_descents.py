"""The compiled energy and its descent: formulas re-derived, gradients against autograd, known minima."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyperface_lib.sphere.known_codes import simplex
from hyperface_lib.sphere.small.annealing import anneal, sharpen
from hyperface_lib.sphere.small.contacts import largest_cosine_of, unit_rows
from hyperface_lib.sphere.small.descent import minimise_energy
from hyperface_lib.sphere.small.energy import energy_and_gradient


def random_rows(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    return unit_rows(np.random.default_rng(seed).standard_normal((count, dimension)))


def energy(rows: np.ndarray, doublings: int) -> tuple[float, np.ndarray]:
    columns = np.ascontiguousarray(rows.T)
    count = len(rows)
    gradient = np.full_like(columns, np.nan)
    value = energy_and_gradient(columns, doublings, np.empty((count, count)), np.empty(count), gradient)
    return value, gradient.T


def energy_by_autograd(rows: np.ndarray, doublings: int) -> tuple[float, np.ndarray]:
    points = torch.from_numpy(rows.copy()).requires_grad_()
    first, second = np.tril_indices(len(rows), -1)
    distances = 1 - (points[first] * points[second]).sum(dim=1)
    power = 2.0**doublings
    value = torch.logsumexp(-power * distances.log(), dim=0) / power
    (gradient,) = torch.autograd.grad(value, points)
    return float(value.detach()), gradient.numpy()


@pytest.mark.parametrize("doublings", [0, 1, 3, 10])
@pytest.mark.parametrize(("count", "dimension"), [(2, 2), (9, 3), (40, 7)])
def test_energy_and_gradient_are_those_of_autograd(count: int, dimension: int, doublings: int) -> None:
    rows = random_rows(count, dimension)
    value, gradient = energy(rows, doublings)
    expected, expected_gradient = energy_by_autograd(rows, doublings)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-10, atol=1e-12)


def test_energy_tends_to_the_smallest_distance() -> None:
    rows = random_rows(30, 4)
    smallest = 1 - largest_cosine_of(rows)
    assert energy(rows, 22)[0] == pytest.approx(-math.log(smallest), abs=1e-5)


def test_coinciding_points_have_a_finite_energy_and_part() -> None:
    rows = np.repeat(random_rows(3, 3), 2, axis=0)
    value, gradient = energy(rows, 3)
    assert math.isfinite(value) and np.isfinite(gradient).all()
    points, _ = anneal(rows, np.random.default_rng(0), 3)
    assert largest_cosine_of(points) == pytest.approx(0, abs=1e-4)  # the octahedron


@given(count=st.integers(2, 20), dimension=st.integers(2, 6), doublings=st.integers(0, 8), seed=st.integers(0, 1000))
def test_descent_lowers_the_energy_and_stays_on_the_sphere(
    count: int, dimension: int, doublings: int, seed: int
) -> None:
    rows = random_rows(count, dimension, seed)
    columns = np.ascontiguousarray(rows.T)
    evaluations = minimise_energy(columns, doublings, 15, 0.0)
    assert evaluations >= 1
    assert energy(columns.T, doublings)[0] <= energy(rows, doublings)[0] + 1e-14
    np.testing.assert_allclose(np.linalg.norm(columns, axis=0), 1, atol=1e-15)


def test_converged_descent_is_stationary() -> None:
    columns = np.ascontiguousarray(random_rows(20, 4).T)
    minimise_energy(columns, 1, 2000, 0.0)
    _, gradient = energy(columns.T, 1)
    tangent = gradient - (gradient * columns.T).sum(axis=1, keepdims=True) * columns.T
    assert np.abs(tangent).max() < 1e-7


def test_descent_ends_at_once_where_there_is_nothing_to_gain() -> None:
    columns = np.ascontiguousarray(simplex(5).T)
    assert minimise_energy(columns, 2, 1000, 1e-12) < 40
    np.testing.assert_allclose(largest_cosine_of(columns.T), -1 / 4, atol=1e-12)


@pytest.mark.parametrize(("count", "dimension", "cosine"), [(4, 3, -1 / 3), (12, 3, 5**-0.5), (16, 5, 0.2)])
def test_annealing_finds_the_code(count: int, dimension: int, cosine: float) -> None:
    points, evaluations = anneal(random_rows(count, dimension), np.random.default_rng(0), 1)
    assert largest_cosine_of(points) == pytest.approx(cosine, abs=1e-6)
    assert evaluations > 20


def test_annealing_leaves_a_symmetric_saddle() -> None:
    # Eight points on a cube are a critical point of every energy; the square antiprism is better.
    cube = unit_rows(np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], dtype=np.float64))
    points, _ = anneal(cube, np.random.default_rng(0), 3)
    assert largest_cosine_of(points) == pytest.approx((math.sqrt(8) - 1) / 7, abs=1e-6)


def test_annealing_ends_at_its_deadline() -> None:
    rows = random_rows(30, 3)
    _, all_evaluations = anneal(rows, np.random.default_rng(0), 1)
    _, evaluations = anneal(rows, np.random.default_rng(0), 1, deadline=0.0)
    assert evaluations < all_evaluations / 2


def test_sharpening_separates_contacts_from_other_pairs() -> None:
    annealed, _ = anneal(random_rows(12, 3), np.random.default_rng(0), 1, last_doublings=12)
    points = sharpen(annealed, 13, 22)
    cosines = np.sort((points @ points.T)[np.tril_indices(12, -1)])[::-1]
    assert cosines[0] - cosines[29] < 1e-9  # the icosahedron's 30 edges
    assert cosines[29] - cosines[30] > 0.5
