"""Bounds on the codes that reach them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.sphere import cosine_lower_bound, levenshtein_bound_degrees

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
    assert cosine_lower_bound(n, dimension) == pytest.approx(cosine, abs=1e-12)


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
