"""Room for identities: bounds on codes that reach them, areas in closed form, and what greedy sets really hold."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.sphere import levenshtein_bound_degrees, orthoplex, participation_ratio, random_points
from hyperface_lib.sphere.capacity import (
    Population,
    estimate_capacity,
    intra_class_radius_degrees,
    levenshtein_capacity,
    measure_population,
    measure_population_by_pairs,
    threshold_at_false_accept_rate,
)
from hyperface_lib.sphere.caps import log_cap_area_fraction
from hyperface_lib.sphere.distinct import unique_identities

SHARP = [
    (8, 240, 1 / 2),
    (24, 196560, 1 / 2),
    (7, 56, 1 / 3),
    (22, 275, 1 / 6),
    (23, 552, 1 / 5),
    (22, 100, 1 / 11),
    (5, 16, 1 / 5),
    (6, 27, 1 / 4),
    (23, 4600, 1 / 3),
    (3, 12, 5**-0.5),
]


def directions_near(centre: np.ndarray, angles_degrees: np.ndarray, seed: int) -> np.ndarray:
    """Return a unit vector at each of the angles from `centre`, in random directions."""
    drawn = np.random.default_rng(seed).standard_normal((len(angles_degrees), len(centre)))
    drawn -= (drawn @ centre)[:, None] * centre
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    radians = np.radians(angles_degrees)[:, None]
    return np.cos(radians) * centre + np.sin(radians) * drawn


@pytest.mark.parametrize(("dimension", "n", "cosine"), SHARP)
def test_sharp_codes_are_as_large_as_allowed(dimension: int, n: int, cosine: float) -> None:
    assert levenshtein_capacity(math.degrees(math.acos(cosine)), dimension) == n


@settings(max_examples=60)
@given(n=st.integers(2, 1_000_000), dimension=st.integers(2, 300))
def test_it_inverts_the_bound_on_the_angle(n: int, dimension: int) -> None:
    angle = levenshtein_bound_degrees(n, dimension)
    assert levenshtein_capacity(max(angle - 1e-6, 1e-9), dimension) >= n
    # The bound is one angle for all n from d + 2 to 2 d points.
    above = levenshtein_capacity(min(angle + 1e-6, 180), dimension)
    assert above < n or math.isclose(angle, 180)


def test_rankin_and_the_plane() -> None:
    assert levenshtein_capacity(180, 9) == 2
    assert levenshtein_capacity(120, 9) == 3
    assert levenshtein_capacity(math.degrees(math.acos(-1 / 9)), 9) == 10
    assert levenshtein_capacity(90.001, 9) == 10
    assert levenshtein_capacity(90, 9) == 18
    assert levenshtein_capacity(72, 2) == 5 and levenshtein_capacity(72.1, 2) == 4


def test_small_angles_in_high_dimensions_are_neither_nan_nor_infinite() -> None:
    logarithms = [math.log10(levenshtein_capacity(angle, 512)) for angle in (60, 30, 10, 3)]
    assert logarithms == sorted(logarithms) and logarithms[-1] > 308
    # Caps of half the angle around the points are disjoint: areas alone allow a little more.
    assert logarithms[-1] < -float(log_cap_area_fraction(1.5, 512)) / math.log(10)


def test_areas_on_the_ordinary_sphere_in_closed_form() -> None:
    found = estimate_capacity(Population(70.0, 3), [20.0, 40.0], intra_class_degrees=5.0)
    assert list(found.separation_degrees) == [30, 50]

    def area(degrees: float) -> float:
        return math.sin(math.radians(degrees) / 2) ** 2

    np.testing.assert_allclose(10**found.log10_cap_ratio, [area(80) / area(15), area(90) / area(25)])
    np.testing.assert_allclose(10**found.log10_guaranteed, [area(65) / area(30), area(65) / area(50)])
    assert [round(10**value) for value in found.log10_levenshtein] == [
        levenshtein_capacity(30, 3),
        levenshtein_capacity(50, 3),
    ]


@settings(max_examples=30)
@given(
    radius=st.floats(5, 180),
    dimension=st.floats(2, 400),
    intra=st.floats(0, 15),
    threshold=st.floats(1, 120),
)
def test_what_is_guaranteed_never_exceeds_what_is_possible(
    radius: float, dimension: float, intra: float, threshold: float
) -> None:
    found = estimate_capacity(Population(radius, dimension), threshold, intra)
    assert 0 <= found.log10_guaranteed[0] <= found.log10_upper[0] + 1e-9


@pytest.mark.parametrize(("dimension", "radius", "threshold"), [(3, 180.0, 20.0), (3, 60.0, 15.0), (4, 45.0, 25.0)])
def test_a_saturated_greedy_set_lies_between_both_ends(dimension: int, radius: float, threshold: float) -> None:
    points = random_points(20_000, dimension, 0)
    inside = points[points[:, 0] >= math.cos(math.radians(radius))]
    count = unique_identities(inside, threshold)
    found = estimate_capacity(Population(radius, dimension), threshold)
    assert found.log10_guaranteed[0] <= math.log10(count) <= found.log10_upper[0]


def test_room_shrinks_with_threshold_and_spread_of_an_identity() -> None:
    population = Population(80.0, 40.5)
    found = estimate_capacity(population, np.linspace(20, 80, 13))
    wider = estimate_capacity(population, np.linspace(20, 80, 13), 5.0)
    for name in ("log10_guaranteed", "log10_cap_ratio", "log10_levenshtein"):
        assert (np.diff(getattr(found, name)) <= 1e-9).all()
        assert (getattr(wider, name) <= getattr(found, name) + 1e-9).all()


def test_a_population_is_measured_as_it_was_made() -> None:
    centre = random_points(1, 30, 0, torch.float64)[0].numpy()
    vectors = directions_near(centre, np.linspace(0, 40, 4001), 1)
    found = measure_population(vectors, share=0.9)
    assert found.radius_degrees == pytest.approx(36, abs=0.2)
    assert found.dimension == pytest.approx(participation_ratio(vectors), rel=1e-12)
    assert measure_population(vectors, dimension=7.0).dimension == 7.0


def test_half_of_the_farthest_pair_is_smaller_than_the_cap_in_many_dimensions() -> None:
    vectors = directions_near(np.eye(200)[0], np.full(2000, 60.0), 2)
    assert measure_population(vectors).radius_degrees == pytest.approx(60, abs=0.5)
    by_pairs = measure_population_by_pairs(vectors)
    assert by_pairs.dimension == 200
    # Pairs at 60 degrees from a centre in random directions have cosines around 1/4.
    cosines = vectors @ vectors.T
    expected = np.quantile(np.degrees(np.arccos(cosines.min(axis=1))), 0.95) / 2
    assert by_pairs.radius_degrees == pytest.approx(expected, abs=1e-6)
    assert by_pairs.radius_degrees < 50


def test_the_participation_ratio_is_the_dimension_with_the_same_impostor_spread() -> None:
    scales = np.geomspace(1, 0.05, 60)
    vectors = np.random.default_rng(0).standard_normal((3000, 60)) * scales
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    dimension = measure_population(vectors).dimension
    first, second = np.triu_indices(3000, 1)
    squared = float(((vectors @ vectors.T)[first, second] ** 2).mean())
    assert 1 / squared == pytest.approx(dimension, rel=0.01)


def test_the_radius_of_an_identity() -> None:
    centres = random_points(30, 50, 0, torch.float64).numpy()
    angles = np.linspace(0, 20, 201)
    vectors = np.concatenate([directions_near(centre, angles, seed) for seed, centre in enumerate(centres)])
    labels = np.repeat([f"person {k}" for k in range(30)], 201)
    order = np.random.default_rng(1).permutation(len(labels))
    assert intra_class_radius_degrees(vectors[order], labels[order], 0.5) == pytest.approx(10, abs=0.2)


@pytest.mark.parametrize("rate", [0.1, 0.01, 0.001])
def test_the_threshold_at_a_false_accept_rate(rate: float) -> None:
    vectors = random_points(900, 20, 3, torch.float64)
    threshold = threshold_at_false_accept_rate(vectors, rate)
    first, second = torch.triu_indices(900, 900, 1)
    angles = torch.rad2deg(torch.arccos((vectors @ vectors.T)[first, second])).numpy()
    assert (angles < threshold).mean() <= rate < (angles < threshold + 0.01).mean()


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: levenshtein_capacity(0, 3), "above 0 and at most 180"),
        (lambda: levenshtein_capacity(60, 1), "dimension must be at least 2"),
        (lambda: estimate_capacity(Population(90, 3), [0.0, 10.0]), "found 0 and 0"),
        (lambda: estimate_capacity(Population(90, 3), 10.0, -1.0), "found 10 and -1"),
        (lambda: measure_population(orthoplex(4)), "mean of zero"),
        (lambda: measure_population(np.eye(3), share=0), "above 0 and at most 1"),
        (lambda: measure_population(np.eye(3)[:1]), "at least 2 vectors"),
        (lambda: measure_population_by_pairs(np.eye(3)[:1]), "at least 2 vectors"),
        (lambda: intra_class_radius_degrees(np.eye(3), [1, 2]), r"shape \(3,\), found \(2,\)"),
        (lambda: threshold_at_false_accept_rate(np.eye(3), 0.1), "one of 3 pairs"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        call()
