"""Statistics of point sets: by hand, against dense float64 formulas, and beside drawn uniform points."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.sphere import gold_code, min_angle_degrees, orthoplex, random_points, simplex, uniformity
from hyperface_lib.sphere.statistics import packing_statistics


def turned(points: torch.Tensor, seed: int) -> torch.Tensor:
    rotation, _ = torch.linalg.qr(random_points(points.shape[1], points.shape[1], seed, torch.float64))
    return points @ rotation


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_statistic_equals_its_dense_formula(dtype: torch.dtype) -> None:
    # More points than one block of the traversal holds.
    points = random_points(700, 6, 1, dtype)
    found = packing_statistics(points, t=1.5, riesz_exponent=3.0)
    wide = points.double()
    cosines = (wide @ wide.T).clamp(-1, 1)
    first, second = torch.triu_indices(700, 700, 1)
    squares = 2 - 2 * cosines[first, second]
    gaussians = torch.exp(-1.5 * squares)
    tolerance = {"rel": 1e-5 if dtype == torch.float32 else 1e-10}
    assert found.uniformity.value == pytest.approx(math.log(float(gaussians.mean())), **tolerance)
    assert found.riesz_energy.value == pytest.approx(float((squares**-1.5).mean()), rel=1e-4)
    everywhere = float(torch.exp(-1.5 * (2 - 2 * cosines)).mean())
    average = everywhere - found.mmd_squared.value
    uniform = torch.exp(-1.5 * (2 - 2 * random_points(400_000, 6, 2)[:, 0].double())).mean()
    assert average == pytest.approx(float(uniform), rel=0.02)
    cosines.fill_diagonal_(-1)
    nearest = cosines.amax(dim=1)
    assert found.mean_row_maximum.value == pytest.approx(float(nearest.mean()), **tolerance)
    assert found.koleo.value == pytest.approx(float((2 - 2 * nearest).sqrt().log().mean()), rel=1e-5)
    angles = torch.rad2deg(torch.arccos(nearest))
    assert found.mean_nearest_degrees.value == pytest.approx(float(angles.mean()), **tolerance)
    assert found.nearest_quantiles_degrees[0.25].value == pytest.approx(float(angles.quantile(0.25)), rel=1e-5)
    assert found.min_angle_degrees.value == pytest.approx(min_angle_degrees(points), abs=1e-4)
    assert found.mean_vector_length.value == pytest.approx(float(wide.mean(dim=0).norm()), **tolerance)
    covariance = torch.cov(wide.T)
    ratio = float(covariance.trace() ** 2 / (covariance @ covariance).trace())
    assert found.effective_dimension.value == pytest.approx(ratio, **tolerance)


@pytest.mark.parametrize(("n", "dimension"), [(30, 3), (150, 24)])
def test_drawn_uniform_points_average_the_uniform_values(n: int, dimension: int) -> None:
    drawn = [packing_statistics(random_points(n, dimension, seed)).beside_uniform() for seed in range(40)]
    for name, expected in drawn[0].items():
        values = np.array([row[name].value for row in drawn])
        noise = values.std() / math.sqrt(len(values))
        # A logarithm, a ratio and a root of exact means are off by order 1 / n.
        assert values.mean() == pytest.approx(expected.uniform, abs=4 * noise + abs(expected.uniform) / (3 * n)), name


def test_the_simplex_by_hand() -> None:
    found = packing_statistics(simplex(9))
    chord = math.sqrt(2 * 9 / 8)
    assert found.fraction_of_bound.value == pytest.approx(1)
    assert found.koleo.value == pytest.approx(math.log(chord))
    assert found.riesz_energy.value == pytest.approx(1 / chord)
    assert found.uniformity.value == pytest.approx(-2 * chord**2)
    assert found.mean_row_maximum.value == pytest.approx(-1 / 8)
    assert found.effective_dimension.value == pytest.approx(8)
    assert found.mean_vector_length.value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("points", [simplex(30), orthoplex(24), gold_code(5)], ids=["simplex", "orthoplex", "gold"])
def test_codes_are_more_uniform_than_chance_in_every_pairwise_sense(points: np.ndarray) -> None:
    found = packing_statistics(points)
    assert found.min_angle_degrees.value > found.min_angle_degrees.uniform
    assert found.mean_row_maximum.value < found.mean_row_maximum.uniform
    assert found.koleo.value > found.koleo.uniform
    assert found.uniformity.value < found.uniformity.uniform
    assert found.riesz_energy.value < found.riesz_energy.uniform
    assert -1e-9 < found.mmd_squared.value < found.mmd_squared.uniform
    assert found.effective_dimension.value > found.effective_dimension.uniform
    assert found.mean_vector_length.value < found.mean_vector_length.uniform


def test_a_cluster_is_less_uniform_than_chance() -> None:
    points = torch.nn.functional.normalize(random_points(300, 12, 0) + 0.5, dim=1)
    found = packing_statistics(points)
    assert found.mmd_squared.value > 10 * found.mmd_squared.uniform
    assert found.line_discrepancy.value > 10 * found.line_discrepancy.uniform
    assert found.uniformity.value > found.uniformity.uniform
    assert found.effective_dimension.value < found.effective_dimension.uniform


@settings(max_examples=15)
@given(seed=st.integers(0, 500), n=st.integers(3, 30), dimension=st.integers(2, 8))
def test_neither_frame_nor_order_matters(seed: int, n: int, dimension: int) -> None:
    points = random_points(n, dimension, seed, torch.float64)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    gallery = random_points(9, dimension, seed + 1, torch.float64)
    before = packing_statistics(points, gallery).as_row()
    after = packing_statistics(turned(points, seed + 2)[order], turned(gallery, seed + 2)).as_row()
    for name, value in before.items():
        # Slices are random directions, which do not turn with the points.
        if "discrepancy" not in name or "uniform" in name:
            assert after[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name


def test_the_histogram_is_a_density_beside_a_density() -> None:
    histogram = packing_statistics(random_points(2000, 32, 3)).nearest_histogram
    widths = np.diff(histogram.edges_degrees)
    assert (histogram.density * widths).sum() == pytest.approx(1)
    assert (histogram.uniform_density * widths).sum() == pytest.approx(0.998, abs=0.01)
    assert np.abs((histogram.density - histogram.uniform_density) * widths).sum() < 0.3


def test_a_row_holds_each_measure_and_its_uniform_value() -> None:
    found = packing_statistics(random_points(40, 5, 0), random_points(10, 5, 1))
    row = found.as_row()
    assert row["KoLeo"] == found.koleo.value and row["KoLeo, uniform"] == found.koleo.uniform
    assert (row["n"], row["dimension"], row["gallery"]) == (40, 5, 10)
    assert all(isinstance(value, int | float) for value in row.values())


def test_duplicates_are_finite_in_the_energy_and_named_by_koleo() -> None:
    found = packing_statistics(np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0]]))
    assert found.min_angle_degrees.value == 0 and found.koleo.value == -math.inf
    assert 1e6 < found.riesz_energy.value < math.inf


def test_uniformity_is_the_same_alone() -> None:
    points = random_points(600, 9, 4)
    assert uniformity(points, 3.0) == packing_statistics(points, t=3.0).uniformity.value


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: packing_statistics(np.eye(3)[:1]), "at least 2 points, found 1"),
        (lambda: packing_statistics(np.ones((3, 3))), "unit vectors"),
        (lambda: packing_statistics(np.eye(3), np.eye(4)), "gallery must have 3 columns, found 4"),
        (lambda: packing_statistics(np.eye(3), t=0), "t must be positive"),
        (lambda: packing_statistics(np.eye(3), riesz_exponent=-1), "riesz_exponent must be positive"),
        (lambda: packing_statistics(np.eye(3)[[0, 0]]), "differ from one another"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        call()
