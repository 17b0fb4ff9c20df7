"""Laws of uniform points against closed forms, arbitrary precision, quadrature and drawn points."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from hyperface_lib.sphere import random_points
from hyperface_lib.sphere.caps import (
    cap_angle_degrees,
    cap_area_fraction,
    expected_nearest_angle_degrees,
    log_cap_area_fraction,
    marginal_distribution,
    nearest_angle_density,
    nearest_angle_mean,
    nearest_angle_quantile,
    pair_angle_density,
    uniform_gaussian_potential,
    uniform_participation_ratio,
    uniform_riesz_energy,
)

ANGLES = np.array([0.0, 0.5, 30.0, 60.0, 89.0, 90.0, 120.0, 179.0, 180.0])


def test_caps_of_the_circle_the_ball_and_the_sphere_in_four_dimensions() -> None:
    radians = np.radians(ANGLES)
    np.testing.assert_allclose(cap_area_fraction(ANGLES, 2), ANGLES / 180, rtol=1e-13)
    np.testing.assert_allclose(cap_area_fraction(ANGLES, 3), np.sin(radians / 2) ** 2, rtol=1e-13)
    expected = (radians - np.sin(radians) * np.cos(radians)) / np.pi
    np.testing.assert_allclose(cap_area_fraction(ANGLES, 4), expected, rtol=1e-10)


def log_cap_of_odd_dimension(angle_degrees: float, dimension: int) -> float:
    """Return the logarithm in 50 digits: 2 A = cos(a) sum_{k >= (d-1)/2} C(2k, k) (sin(a) / 2)^{2k}, for odd d.

    1 / cos = (1 - sin^2)^{-1/2} is the whole binomial series, and 2 A is 1 minus cos times its first (d - 1) / 2 terms.
    """
    with localcontext() as context:
        context.prec = 50
        square = Decimal(math.sin(math.radians(angle_degrees))) ** 2
        k = (dimension - 1) // 2
        term = Decimal(math.comb(2 * k, k)) * (square / 4) ** k
        total = Decimal(0)
        while term > total * Decimal("1e-20"):
            total += term
            term *= square * (2 * k + 1) / (2 * k + 2)
            k += 1
        return float((total * (1 - square).sqrt() / 2).ln())


@pytest.mark.parametrize("dimension", [3, 11, 513, 4097])
@pytest.mark.parametrize("angle", [1e-3, 5.0, 44.9, 45.1, 80.5, 88.0])
def test_logarithms_of_caps_against_a_series_in_fifty_digits(angle: float, dimension: int) -> None:
    expected = log_cap_of_odd_dimension(angle, dimension)
    assert float(log_cap_area_fraction(angle, dimension)) == pytest.approx(expected, rel=1e-11)


def test_shares_far_below_the_smallest_float_are_kept_and_a_point_has_none() -> None:
    assert cap_area_fraction(5, 512) == 0.0
    assert -1300 < float(log_cap_area_fraction(5, 512)) < -1200
    assert float(log_cap_area_fraction(0, 512)) == -math.inf


@given(angle=st.floats(1e-6, 180), more=st.floats(1e-3, 50), dimension=st.floats(2, 600))
def test_larger_caps_cover_more_and_opposite_caps_complete_each_other(
    angle: float, more: float, dimension: float
) -> None:
    assert log_cap_area_fraction(min(angle + more, 180), dimension) >= log_cap_area_fraction(angle, dimension)
    both = cap_area_fraction(angle, dimension) + cap_area_fraction(180 - angle, dimension)
    assert float(both) == pytest.approx(1, abs=1e-12)


@given(angle=st.floats(1e-4, 95), dimension=st.floats(2, 40))
def test_the_inverse_undoes_the_cap(angle: float, dimension: float) -> None:
    found = cap_angle_degrees(log_cap_area_fraction(angle, dimension), dimension)
    assert float(found) == pytest.approx(angle, rel=1e-9)


def test_the_inverse_in_a_high_dimension_and_for_the_whole_sphere() -> None:
    assert float(cap_angle_degrees(log_cap_area_fraction(2, 512), 512)) == pytest.approx(2, rel=1e-12)
    assert float(cap_angle_degrees(0.0, 5)) == pytest.approx(180)


@pytest.mark.parametrize("dimension", [2, 3, 7.5, 512])
def test_the_density_of_pair_angles_is_the_derivative_of_the_cap(dimension: float) -> None:
    below = quad(lambda angle: float(pair_angle_density(angle, dimension)), 0, 87, points=[60, 80], limit=200)[0]
    assert below == pytest.approx(float(cap_area_fraction(87, dimension)), rel=1e-9)
    assert float(pair_angle_density(90, 3)) == pytest.approx(math.pi / 360)


@pytest.mark.parametrize(("n", "dimension"), [(2, 3), (50, 8), (10_000, 512)])
def test_the_nearest_neighbour_law_integrates_to_its_quantiles_and_mean(n: int, dimension: int) -> None:
    low, median, high = nearest_angle_quantile([0.001, 0.5, 0.999], n - 1, dimension)

    def integral(function: Callable[[float], float], start: float, end: float) -> float:
        def weighted(angle: float) -> float:
            return function(angle) * float(nearest_angle_density(angle, n - 1, dimension))

        return quad(weighted, start, end)[0]

    assert integral(lambda _: 1.0, low, median) == pytest.approx(0.499, abs=1e-8)
    assert integral(lambda _: 1.0, median, high) == pytest.approx(0.499, abs=1e-8)
    whole = integral(lambda angle: angle, 0, low) + integral(lambda angle: angle, low, high)
    whole += integral(lambda angle: angle, high, 180)
    assert expected_nearest_angle_degrees(n, dimension) == pytest.approx(whole, rel=1e-7)


def test_nearest_neighbours_in_closed_form() -> None:
    # Two points: the angle of a pair. On the circle the nearest of m points is uniform order statistics' minimum.
    assert expected_nearest_angle_degrees(2, 7) == pytest.approx(90)
    assert expected_nearest_angle_degrees(5, 2) == pytest.approx(180 / 5)
    # On the ordinary sphere P(angle > a) = cos^{2 m}(a / 2), and E[1 - cos] = 2 / (m + 1).
    rounded = nearest_angle_mean(lambda angles: 1 - np.cos(np.radians(angles)), 9, 3)
    assert rounded == pytest.approx(2 / 10, rel=1e-9)


def test_nearest_neighbours_of_drawn_points() -> None:
    n, dimension = 64, 16
    cosines = []
    for seed in range(60):
        points = random_points(n, dimension, seed, torch.float64)
        products = points @ points.T
        products.fill_diagonal_(-1)
        cosines.append(products.amax(dim=1))
    angles = np.degrees(np.arccos(torch.cat(cosines).numpy()))
    assert angles.mean() == pytest.approx(expected_nearest_angle_degrees(n, dimension), abs=0.4)
    for share in (0.1, 0.5, 0.9):
        expected = float(nearest_angle_quantile(share, n - 1, dimension))
        assert np.quantile(angles, share) == pytest.approx(expected, abs=0.6)


@pytest.mark.parametrize("dimension", [2, 3, 10, 512])
def test_projections_of_drawn_points_follow_the_marginal(dimension: int) -> None:
    shares = marginal_distribution(random_points(4000, dimension, 3, torch.float64)[:, 0].numpy(), dimension)
    assert np.sort(shares) == pytest.approx((np.arange(4000) + 0.5) / 4000, abs=0.03)
    assert float(marginal_distribution(0.0, dimension)) == 0.5
    assert list(marginal_distribution([-1, 1], dimension)) == [0, 1]


@pytest.mark.parametrize("dimension", [2, 3, 16, 512])
@pytest.mark.parametrize("t", [0.5, 2.0, 10.0])
def test_the_gaussian_potential_is_the_mean_over_pair_angles(t: float, dimension: int) -> None:
    def term(angle: float) -> float:
        chord = 2 * math.sin(math.radians(angle) / 2)
        return math.exp(-t * chord**2) * float(pair_angle_density(angle, dimension))

    expected = quad(term, 0, 180, points=[30, 90], limit=200)[0]
    assert uniform_gaussian_potential(t, dimension) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("exponent", "dimension"), [(1.0, 3), (0.5, 2), (4.0, 8), (40.0, 512)])
def test_the_riesz_energy_is_the_mean_over_pair_angles(exponent: float, dimension: int) -> None:
    def term(angle: float) -> float:
        chord = 2 * math.sin(math.radians(angle) / 2)
        return math.exp(-exponent * math.log(chord)) * float(pair_angle_density(angle, dimension)) if angle else 0.0

    expected = quad(term, 0, 180, points=[1, 30, 60, 90], limit=400)[0]
    assert uniform_riesz_energy(exponent, dimension) == pytest.approx(expected, rel=1e-6)


def test_energies_that_diverge_are_infinite() -> None:
    assert uniform_riesz_energy(2, 3) == math.inf
    assert uniform_riesz_energy(1, 3) == pytest.approx(1)


def test_the_participation_ratio_of_few_and_many_uniform_points() -> None:
    assert uniform_participation_ratio(2, 7) == pytest.approx(1)
    assert uniform_participation_ratio(10**7, 7) == pytest.approx(7, rel=1e-5)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: cap_area_fraction(-1, 3), "between 0 and 180 degrees, found -1"),
        (lambda: pair_angle_density(np.array([3, np.nan]), 3), "found nan"),
        (lambda: cap_area_fraction(10, 1), "dimension must be at least 2"),
        (lambda: cap_angle_degrees(0.1, 3), "at most 0, found 0.1"),
        (lambda: nearest_angle_quantile(1.5, 3, 3), "between 0 and 1"),
        (lambda: expected_nearest_angle_degrees(1, 3), "others must be at least 1, found 0"),
        (lambda: uniform_riesz_energy(0, 3), "exponent must be positive"),
        (lambda: uniform_participation_ratio(1, 3), "n must be at least 2"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        call()
