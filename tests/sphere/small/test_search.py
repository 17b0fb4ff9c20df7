"""The search: known optima to 1e-9 from any seed, and what its result may depend on."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperface_lib.sphere.bounds import cosine_lower_bound
from hyperface_lib.sphere.small.contacts import largest_cosine_of, unit_rows
from hyperface_lib.sphere.small.kicks import KICKS, Kick
from hyperface_lib.sphere.small.search import Effort, SmallSearch
from hyperface_lib.sphere.small.symmetry import ANTIPODAL, SYMMETRIES, random_isometry, symmetrised

SHORT = Effort(least=2e8, most=3e9, repeats=5)


def random_start(count: int, dimension: int, seed: int) -> Callable[[int], np.ndarray]:
    return lambda number: unit_rows(np.random.default_rng([seed, number]).standard_normal((count, dimension)))


def searched(count: int, dimension: int, seed: int = 0, workers: int = 1, effort: Effort = SHORT) -> SmallSearch:
    bound = cosine_lower_bound(count, dimension)
    search = SmallSearch(random_start(count, dimension, seed), seed, bound, effort=effort, workers=workers)
    for _ in search.explore():
        pass
    return search


def snub_cube_cosine() -> float:
    """The snub cube's vertices are (1, 1/t, t) up to even permutations and signs, t^3 = t^2 + t + 1 (tribonacci)."""
    t = float(np.roots([1, -1, -1, -1]).real.max())
    even, odd = np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1]]), np.array([[0, 2, 1], [2, 1, 0], [1, 0, 2]])
    signs = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
    rows = [
        row[order] * sign
        for row in np.array([[1.0, 1 / t, t]])
        for sign in signs
        for order in (even if sign.prod() > 0 else odd)
    ]
    assert len(rows) == 24
    return largest_cosine_of(unit_rows(np.array(rows)))


# Count, dimension, largest cosine: seven points after Schuette and van der Waerden 1951, eight the square antiprism.
BEST = [
    (7, 3, 1 - 4 / math.sqrt(3) * math.cos(math.radians(70))),
    (8, 3, (math.sqrt(8) - 1) / 7),
    (9, 3, 1 / 3),
    (10, 3, 0.404394325217),
    (12, 3, 1 / math.sqrt(5)),
    (24, 3, snub_cube_cosine()),
    (24, 4, 0.5),
    (120, 4, (1 + math.sqrt(5)) / 4),
    (16, 5, 1 / 5),
    (27, 6, 1 / 4),
    (56, 7, 1 / 3),
    (240, 8, 1 / 2),
    (100, 22, 1 / 11),
]


@pytest.mark.parametrize(("count", "dimension", "cosine"), BEST)
def test_the_best_known_codes_are_found_to_1e_9(count: int, dimension: int, cosine: float) -> None:
    search = searched(count, dimension)
    assert search.cosine == pytest.approx(cosine, abs=1e-11)
    assert largest_cosine_of(search.points) == search.cosine
    assert search.points.dtype == np.float64
    np.testing.assert_allclose(np.linalg.norm(search.points, axis=1), 1, atol=1e-15)


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize(("count", "dimension", "cosine"), [BEST[0], BEST[3], BEST[6], BEST[10]])
def test_every_seed_finds_them(count: int, dimension: int, cosine: float, seed: int) -> None:
    assert searched(count, dimension, seed).cosine == pytest.approx(cosine, abs=1e-11)


def test_a_code_at_the_bound_ends_the_search() -> None:
    search = searched(27, 6)
    assert search.is_proven
    assert search.units < 10


def test_a_search_ends_when_fresh_starts_keep_finding_the_same() -> None:
    repeated = searched(8, 3, effort=Effort(least=0.0, most=math.inf, repeats=3))
    assert not repeated.is_proven
    assert repeated.cosine == pytest.approx((math.sqrt(8) - 1) / 7, abs=1e-12)


def test_the_most_effort_ends_the_search() -> None:
    search = searched(30, 4, effort=Effort(least=0.0, most=1.0, repeats=10**9))
    # One round, and its polish.
    assert 8 < search.units <= 11


def test_threads_do_not_change_the_result() -> None:
    alone, together = (searched(22, 4, seed=3, workers=workers) for workers in (1, 3))
    np.testing.assert_array_equal(alone.points, together.points)
    assert alone.units == together.units


def test_the_best_so_far_never_gets_worse() -> None:
    search = SmallSearch(random_start(25, 4, 0), 0, cosine_lower_bound(25, 4), effort=SHORT)
    cosines = [search.cosine for _ in search.explore()]
    assert cosines == sorted(cosines, reverse=True)
    assert cosines[-1] < cosines[0]


def test_leaving_early_leaves_a_packing_and_no_threads() -> None:
    search = SmallSearch(random_start(20, 3, 0), 0, cosine_lower_bound(20, 3), workers=2)
    steps = search.explore()
    next(steps)
    steps.close()
    before = search.cosine
    search.finish()
    assert search.cosine < before
    assert search.units == 1
    with pytest.raises(StopIteration):
        next(steps)


def test_a_given_arrangement_is_improved_and_never_worse() -> None:
    rows = random_start(15, 4, 5)(0)
    search = SmallSearch(random_start(15, 4, 0), 0, cosine_lower_bound(15, 4))
    for _ in search.improve(rows):
        assert search.cosine <= largest_cosine_of(rows)
    assert search.starts == 0
    best = search.points
    again = SmallSearch(random_start(15, 4, 0), 0, cosine_lower_bound(15, 4))
    for _ in again.improve(best):
        pass
    assert again.cosine <= search.cosine


@pytest.mark.parametrize("kick", KICKS)
@given(count=st.integers(2, 30), dimension=st.integers(2, 8), seed=st.integers(0, 100))
def test_kicks_move_points_along_the_sphere(kick: Kick, count: int, dimension: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = unit_rows(generator.standard_normal((count, dimension)))
    kept = rows.copy()
    moved = kick(rows, generator)
    np.testing.assert_array_equal(rows, kept)
    assert moved.shape == rows.shape
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-14)


@pytest.mark.parametrize("order", SYMMETRIES)
@pytest.mark.parametrize("dimension", [2, 3, 6])
def test_isometries_have_their_order(order: int, dimension: int) -> None:
    isometry = random_isometry(dimension, order, np.random.default_rng(0))
    size = 2 if order == ANTIPODAL else order
    np.testing.assert_allclose(isometry @ isometry.T, np.eye(dimension), atol=1e-14)
    np.testing.assert_allclose(np.linalg.matrix_power(isometry, size), np.eye(dimension), atol=1e-14)
    assert np.abs(isometry - np.eye(dimension)).max() > 0.1


@pytest.mark.parametrize("order", SYMMETRIES)
def test_symmetrised_points_are_orbits(order: int) -> None:
    rows = random_start(26, 4, 0)(0)
    points = symmetrised(rows, order, np.random.default_rng(1))
    isometry = random_isometry(4, order, np.random.default_rng(1))
    size = 2 if order == ANTIPODAL else order
    whole = 26 // size * size
    images = points[:whole] @ isometry
    nearest = np.linalg.norm(images[:, None] - points[None], axis=2).min(axis=1)
    assert nearest.max() < 1e-7
    np.testing.assert_allclose(points[whole:], rows[whole:], atol=1e-7)
