"""Closed forms: every pair of every code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.sphere import best_known, gold_code, min_angle_degrees, orthoplex, simplex
from hyperface_lib.sphere.best_known_cosines import PROVEN_COSINES, best_known_cosine
from hyperface_lib.sphere.bounds import cosine_lower_bound, levenshtein_bound_degrees


def off_diagonal(points: np.ndarray) -> np.ndarray:
    cosines = points.astype(np.float64) @ points.T.astype(np.float64)
    return cosines[~np.eye(len(points), dtype=bool)]


def test_gold_code_in_eight_dimensions_entirely() -> None:
    code = gold_code(3)
    assert code.shape == (128, 8)
    assert len(np.unique(code, axis=0)) == 128
    assert set(np.round(off_diagonal(code), 6)) == {-1.0, -0.5, 0.0, 0.5}


def test_gold_code_in_32_dimensions_entirely() -> None:
    code = gold_code(5)
    assert code.shape == (2048, 32)
    assert off_diagonal(code).max() == pytest.approx(0.25, abs=1e-6)


def test_gold_code_in_512_dimensions() -> None:
    code = gold_code(9, count=5000)
    assert code.shape == (5000, 512)
    assert min_angle_degrees(code) == pytest.approx(np.degrees(np.arccos(1 / 16)), abs=1e-4)
    assert min_angle_degrees(code[:1024]) == pytest.approx(90, abs=1e-4)


@pytest.mark.parametrize(("n", "dimension"), [(2, 2), (4, 3), (6, 9), (129, 128)])
def test_simplex(n: int, dimension: int) -> None:
    points = simplex(n, dimension)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-14)
    np.testing.assert_allclose(off_diagonal(points), -1 / (n - 1), atol=1e-13)


def test_orthoplex() -> None:
    assert min_angle_degrees(orthoplex(6)) == pytest.approx(90)
    assert set(off_diagonal(orthoplex(6))) == {0.0, -1.0}


@pytest.mark.parametrize(
    ("n", "dimension", "name"),
    [
        (5, 2, "polygon"),
        (4, 9, "simplex"),
        (15, 9, "orthoplex"),
        (12, 3, "icosahedron"),
        (24, 4, "24-cell"),
        (120, 4, "600-cell"),
        (240, 8, "E8 roots"),
        (200, 8, "E8 roots"),
        (7, 3, "7 points"),
        (8, 3, "square antiprism"),
        (9, 3, "9 points"),
        (10, 3, "10 points"),
        (11, 3, "icosahedron"),
        (24, 3, "snub cube"),
        (10, 4, "Petersen graph"),
        (12, 4, "12 on a torus"),
        (100, 22, "Higman-Sims graph"),
        (288, 16, "Kerdock code, m = 4, with the axes"),
        (4224, 64, "Kerdock code, m = 6, with the axes"),
        (2000, 32, "Gold code, m = 5"),
        (1500, 40, "mutually unbiased bases, p = 19"),
        (4000, 512, "Kerdock code, m = 8, shortened by 4"),
        (6000, 512, "Kerdock code, m = 8, shortened by 3"),
        (10_000, 512, "Gold code, m = 9, shortened by 5"),
        (10_000, 256, "Kerdock code, m = 8, shortened by 2"),
        (5000, 128, "Gold code, m = 7, shortened by 2"),
        (1000, 127, "Gold code, m = 7, shortened by 5"),
        (4200, 2048, "two bases, m = 11"),
    ],
)
def test_best_known_builds_what_it_says(n: int, dimension: int, name: str) -> None:
    code = best_known(n, dimension)
    assert code is not None
    assert code.name == name
    points = code.points()
    assert points.shape == (n, dimension)
    assert min_angle_degrees(points) == pytest.approx(code.angle_degrees, abs=2e-4)


def test_no_closed_form_is_said() -> None:
    assert best_known(25, 3) is None
    assert best_known_cosine(25, 3) is None


def test_what_512_dimensions_offer() -> None:
    # Cosines (32 - s) / (512 - s) of the Gold code shortened s times, for a 2^s-th of its 524,288 points.
    for n, cosine in [(10_000, 27 / 507), (50_000, 29 / 509), (100_000, 30 / 510), (500_000, 1 / 16)]:
        code = best_known(n, 512)
        assert code is not None and code.max_cosine == pytest.approx(cosine, abs=1e-15)
    assert best_known(10_000, 512).angle_degrees > 86.9  # type: ignore[union-attr]


@pytest.mark.parametrize(("dimension", "n"), PROVEN_COSINES)
def test_proven_cosines_are_attained_and_allowed(dimension: int, n: int) -> None:
    cosine, _ = PROVEN_COSINES[dimension, n]
    record, code = best_known_cosine(n, dimension), best_known(n, dimension)
    assert record is not None and code is not None
    assert record.proven and record.constructible
    assert record.cosine == code.max_cosine == pytest.approx(cosine, abs=1e-14)
    # An entry that meets a bound would not need to be here, and one below it would be wrong.
    assert cosine > cosine_lower_bound(n, dimension) + 1e-6


def test_stored_decimals_of_the_small_sphere() -> None:
    stored = {7: 0.21013831273, 8: 0.26120387497, 10: 0.40439432522, 12: 0.44721359550, 24: 0.72307847}
    for n, cosine in stored.items():
        record = best_known_cosine(n, 3)
        assert record is not None
        assert record.cosine == pytest.approx(cosine, abs=1e-8 if n == 24 else 1e-11)


@pytest.mark.parametrize(
    ("n", "dimension", "proven"), [(6, 2, True), (5, 9, True), (240, 8, True), (200, 8, False), (4000, 512, False)]
)
def test_proven_means_that_a_bound_is_met(n: int, dimension: int, proven: bool) -> None:
    record = best_known_cosine(n, dimension)
    assert record is not None
    assert record.proven is proven
    assert ("meets the bound" in record.source) is proven
    assert record.angle_degrees == pytest.approx(math.degrees(math.acos(record.cosine)))


@settings(max_examples=150, deadline=None)
@given(n=st.integers(2, 2_000_000), dimension=st.integers(2, 1100))
def test_choice_respects_the_bound_and_both_orders(n: int, dimension: int) -> None:
    code = best_known(n, dimension)
    if code is None:
        return
    assert (code.size, code.dimension) == (n, dimension)
    assert code.angle_degrees <= levenshtein_bound_degrees(n, dimension) + 1e-6
    roomier, fewer = best_known(n, dimension + 1), best_known(n - 1, dimension) if n > 2 else code
    # The plane's polygon is on its own: from there on a code serves every larger dimension and every smaller number.
    assert dimension == 2 or (roomier is not None and roomier.max_cosine <= code.max_cosine + 1e-12)
    assert fewer is not None and fewer.max_cosine <= code.max_cosine + 1e-12


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 1500), dimension=st.integers(2, 140))
def test_points_are_what_was_chosen(n: int, dimension: int) -> None:
    code = best_known(n, dimension)
    if code is None:
        return
    points = code.points()
    assert points.shape == (n, dimension)
    np.testing.assert_allclose(np.linalg.norm(points.astype(np.float64), axis=1), 1, atol=1e-6)
    assert off_diagonal(points).max() <= code.max_cosine + 1e-6


def test_numpy_integers_serve_and_other_numbers_do_not() -> None:
    code = best_known(np.int64(10**6), np.int32(512))  # type: ignore[arg-type]
    assert code is not None and code.dimension == 512 and code.size == 10**6
    with pytest.raises(TypeError, match="integers"):
        best_known(10.5, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n must"):
        best_known_cosine(1, 3)
    with pytest.raises(ValueError, match="dimension must"):
        best_known_cosine(4, 1)


@pytest.mark.parametrize(
    "call", [lambda: gold_code(4), lambda: gold_code(3, 129), lambda: simplex(5, 3), lambda: orthoplex(3, 7)]
)
def test_impossible_codes_are_refused(call: object) -> None:
    with pytest.raises(ValueError, match="found"):
        call()  # type: ignore[operator]
