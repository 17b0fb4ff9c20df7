"""Bounds on the codes that reach them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.sphere import cosine_lower_bound, levenshtein_bound_degrees
from hyperface_lib.sphere.bounds import bound_name

SHARP = [
    (8, 240, 1 / 2),
    (24, 196560, 1 / 2),
    (7, 56, 1 / 3),
    (22, 275, 1 / 6),
    (23, 552, 1 / 5),
    (21, 162, 1 / 7),
    (22, 100, 1 / 11),
    (5, 16, 1 / 5),
    (6, 27, 1 / 4),
    (23, 4600, 1 / 3),
    (22, 891, 1 / 4),
    (21, 112, 1 / 9),
    (3, 12, 5**-0.5),
]


@pytest.mark.parametrize(("dimension", "n", "cosine"), SHARP)
def test_tight_on_sharp_codes(dimension: int, n: int, cosine: float) -> None:
    assert cosine_lower_bound(n, dimension) == pytest.approx(cosine, abs=1e-15)


@pytest.mark.parametrize("dimension", [3, 10, 512])
def test_rankin_for_few_points(dimension: int) -> None:
    assert cosine_lower_bound(dimension + 1, dimension) == pytest.approx(-1 / dimension, abs=1e-15)
    assert levenshtein_bound_degrees(2 * dimension, dimension) == pytest.approx(90)


@pytest.mark.parametrize(
    ("n", "cosine"), [(2000, 0.00369), (5000, 0.01358), (10_000, 0.02380), (50_000, 0.03910), (1_000_000, 0.05296)]
)
def test_published_values_in_512_dimensions(n: int, cosine: float) -> None:
    assert cosine_lower_bound(n, 512) == pytest.approx(cosine, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(2, 100_000), dimension=st.integers(2, 600))
def test_more_points_never_raise_the_bound_and_more_dimensions_never_lower_it(n: int, dimension: int) -> None:
    bound = cosine_lower_bound(n, dimension)
    assert -1 <= bound < 1
    assert cosine_lower_bound(n + 1, dimension) >= bound - 1e-9
    assert cosine_lower_bound(n, dimension + 1) <= bound + 1e-9


def test_the_plane_is_exact() -> None:
    assert levenshtein_bound_degrees(7, 2) == pytest.approx(360 / 7)


@pytest.mark.parametrize(("n", "dimension", "named"), [(1, 3, "n must"), (5, 1, "dimension must")])
def test_too_small_is_refused(n: int, dimension: int, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        levenshtein_bound_degrees(n, dimension)


def test_the_bound_is_an_angle_of_its_cosine() -> None:
    assert math.cos(math.radians(levenshtein_bound_degrees(300, 20))) == pytest.approx(cosine_lower_bound(300, 20))


@settings(max_examples=100, deadline=None)
@given(n=st.integers(2, 10**9), dimension=st.integers(3, 2000))
def test_large_numbers_neither_overflow_nor_lose_order(n: int, dimension: int) -> None:
    bound = cosine_lower_bound(n, dimension)
    assert -1 <= bound < 1
    assert cosine_lower_bound(n + n // 2 + 1, dimension) >= bound - 1e-12
    assert cosine_lower_bound(n, 2 * dimension) <= bound + 1e-12


@pytest.mark.parametrize("dimension", [4, 16, 128, 512])
def test_continuous_where_the_degree_changes(dimension: int) -> None:
    # Sizes of tight designs, in binomials: d (d + 3) / 2 for strength 4, d (d + 1) for strength 5.
    for size in (dimension * (dimension + 3) // 2, dimension * (dimension + 1)):
        before, at, after = (cosine_lower_bound(size + step, dimension) for step in (-1, 0, 1))
        assert before < at < after
        assert after - at < 3 * (at - before)
        assert bound_name(size - 1, dimension) != bound_name(size + 1, dimension)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(7, 5000))
def test_fejes_toth_on_the_ordinary_sphere(n: int) -> None:
    # The side of an equilateral spherical triangle with angles a of n / (n - 2) 60 degrees: cos a = c / (1 + c).
    angle = n / (n - 2) * math.pi / 3
    fejes_toth = math.cos(angle) / (1 - math.cos(angle))
    assert cosine_lower_bound(n, 3) >= fejes_toth - 1e-12
    if bound_name(n, 3) == "Fejes Toth":
        assert cosine_lower_bound(n, 3) == pytest.approx(fejes_toth, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "dimension", "name"),
    [
        (9, 2, "exact in the plane"),
        (5, 7, "Rankin, simplex"),
        (9, 7, "Rankin, orthoplex"),
        (14, 7, "Rankin, orthoplex"),
        (100, 22, "Levenshtein, degree 3"),
        (1_000_000, 512, "Levenshtein, degree 5"),
        (50, 3, "Fejes Toth"),
        (10, 3, "Levenshtein, degree 4"),
    ],
)
def test_the_bound_says_its_name(n: int, dimension: int, name: str) -> None:
    assert bound_name(n, dimension) == name


def test_numpy_integers_serve_and_other_numbers_do_not() -> None:
    assert cosine_lower_bound(np.int64(10**9), np.int32(512)) == cosine_lower_bound(10**9, 512)  # type: ignore[arg-type]
    for call in (cosine_lower_bound, bound_name, levenshtein_bound_degrees):
        with pytest.raises(TypeError, match=r"integers, found 10\.5"):
            call(10.5, 3)  # type: ignore[arg-type]
