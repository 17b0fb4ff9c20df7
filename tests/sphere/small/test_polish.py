"""The last digits: Newton on the contact graph and sequential linear programs, on codes with every kind of graph."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyperface_lib.sphere.known_codes import orthoplex, simplex
from hyperface_lib.sphere.small.contacts import (
    contacts_within,
    equalise,
    jacobian,
    largest_cosine_of,
    unit_rows,
)
from hyperface_lib.sphere.small.linear import lower_largest_cosine
from hyperface_lib.sphere.small.polish import polish, settle


def perturbed(rows: np.ndarray, size: float, seed: int = 0) -> np.ndarray:
    return unit_rows(rows + size * np.random.default_rng(seed).standard_normal(rows.shape))


def roots_of_e8() -> np.ndarray:
    integral = [row for row in product((-1.0, 0.0, 1.0), repeat=8) if sum(map(abs, row)) == 2]
    halves = [row for row in product((-0.5, 0.5), repeat=8) if sum(value < 0 for value in row) % 2 == 0]
    return unit_rows(np.array(integral + halves))


def square_antiprism() -> np.ndarray:
    """Two squares turned by 45 degrees; points of one square are as far apart as the squares are."""
    cosine = (math.sqrt(8) - 1) / 7
    radius = math.sqrt((1 - cosine) / (2 * math.sin(math.pi / 4) ** 2))
    height = math.sqrt(1 - radius**2)
    turns = [(k * math.pi / 2, height) for k in range(4)] + [((k + 0.5) * math.pi / 2, -height) for k in range(4)]
    return np.array([[radius * math.cos(turn), radius * math.sin(turn), z] for turn, z in turns])


# Name, code, largest cosine, contacts; E8 has four times as many contacts as freedoms.
CODES = [
    ("simplex", simplex(6), -1 / 5, 15),
    ("orthoplex", orthoplex(4), 0.0, 24),
    ("antiprism", square_antiprism(), (math.sqrt(8) - 1) / 7, 16),
    ("E8", roots_of_e8(), 0.5, 6720),
]


@pytest.mark.parametrize(("name", "code", "cosine", "count"), CODES, ids=[code[0] for code in CODES])
def test_contacts_of_a_code(name: str, code: np.ndarray, cosine: float, count: int) -> None:
    contacts = contacts_within(code, 1e-9)
    assert len(contacts.first) == count
    assert (contacts.first > contacts.second).all()
    np.testing.assert_allclose(contacts.cosines, cosine, atol=1e-14)
    np.testing.assert_allclose((code[contacts.first] * code[contacts.second]).sum(axis=1), cosine, atol=1e-14)


def test_jacobian_is_that_of_autograd_along_the_sphere() -> None:
    rows = perturbed(simplex(6), 0.1)
    contacts = contacts_within(rows, 0.2)

    def cosines(moves: torch.Tensor) -> torch.Tensor:
        points = torch.nn.functional.normalize(torch.from_numpy(rows) + moves.reshape(rows.shape), dim=1)
        return (points[contacts.first.tolist()] * points[contacts.second.tolist()]).sum(dim=1)

    expected = torch.autograd.functional.jacobian(cosines, torch.zeros(rows.size, dtype=torch.float64))
    np.testing.assert_allclose(jacobian(rows, contacts).toarray(), expected.numpy(), atol=1e-14)


@pytest.mark.parametrize(("name", "code", "cosine", "count"), CODES, ids=[code[0] for code in CODES])
def test_newton_restores_the_code_to_the_last_digit(name: str, code: np.ndarray, cosine: float, count: int) -> None:
    start = perturbed(code, 1e-5)
    contacts = contacts_within(start, 1e-3)
    assert len(contacts.first) == count
    points = equalise(start, contacts)
    assert largest_cosine_of(points) == pytest.approx(cosine, abs=2e-15)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-15)
    assert np.abs(points - start).max() < 1e-3


def test_newton_does_not_run_away_on_contacts_that_cannot_be_equal() -> None:
    code = orthoplex(3)
    contacts = contacts_within(code, 1.5)  # opposites too: all 15 cosines of six points in 3 dimensions
    points = equalise(code, contacts)
    assert np.isfinite(points).all()
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-15)


@pytest.mark.parametrize("count", [4, 6, 8, 12])
def test_linear_programs_need_no_guess_of_the_contacts(count: int) -> None:
    codes = {4: (simplex(4), -1 / 3), 6: (orthoplex(3), 0.0), 8: (square_antiprism(), (math.sqrt(8) - 1) / 7)}
    golden = (1 + math.sqrt(5)) / 2
    rows = [np.roll((0.0, a, b * golden), k) for a in (-1, 1) for b in (-1, 1) for k in range(3)]
    code, cosine = codes.get(count, (unit_rows(np.array(rows)), 1 / math.sqrt(5)))
    points = lower_largest_cosine(perturbed(code, 1e-3), radius=1e-3)
    assert largest_cosine_of(points) == pytest.approx(cosine, abs=1e-13)


def test_linear_programs_leave_an_optimum_as_it_is() -> None:
    code = square_antiprism()
    np.testing.assert_array_equal(lower_largest_cosine(code), code)


def test_free_points_do_not_matter() -> None:
    # Five points on the sphere: two poles and an equator on which three points have room to move.
    turns = np.array([0.0, 1.9, 4.1])
    equator = np.stack([np.cos(turns), np.sin(turns), np.zeros(3)], axis=1)
    code = np.concatenate([equator, [[0, 0, 1.0], [0, 0, -1.0]]])
    points = polish(perturbed(code, 1e-6))
    assert largest_cosine_of(points) == pytest.approx(0, abs=1e-15)


def test_polish_goes_on_where_newton_alone_stops() -> None:
    # All eight cosines along the edges of the cube are equal already, but the cube is no optimum.
    cube = unit_rows(np.array(list(product((-1.0, 1.0), repeat=3))))
    assert largest_cosine_of(polish(perturbed(cube, 1e-4))) < 1 / 3 - 0.01


@given(count=st.integers(2, 14), dimension=st.integers(2, 5), seed=st.integers(0, 1000))
def test_settling_never_makes_it_worse(count: int, dimension: int, seed: int) -> None:
    rows = unit_rows(np.random.default_rng(seed).standard_normal((count, dimension)))
    points = settle(rows)
    assert largest_cosine_of(points) <= largest_cosine_of(rows)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-15)
