"""Closed forms: every pair of every code."""

from __future__ import annotations

import numpy as np
import pytest

from hyperface_lib.sphere import best_known, gold_code, min_angle_degrees, orthoplex, simplex


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
        (1500, 40, "Gold code, m = 5"),
        (4000, 512, "Gold code, m = 9"),
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


@pytest.mark.parametrize(
    "call", [lambda: gold_code(4), lambda: gold_code(3, 129), lambda: simplex(5, 3), lambda: orthoplex(3, 7)]
)
def test_impossible_codes_are_refused(call: object) -> None:
    with pytest.raises(ValueError, match="found"):
        call()  # type: ignore[operator]
