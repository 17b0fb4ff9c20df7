"""Counted identities against the plain greedy rule, known codes and thresholds at which everything is clear."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.sphere import orthoplex, random_points, simplex
from hyperface_lib.sphere.distinct import capacity_curve, distinct_points, identity_accumulation, unique_identities


def kept_one_by_one(points: np.ndarray, threshold_degrees: float) -> list[int]:
    kept: list[int] = []
    for row, point in enumerate(points):
        angles = np.degrees(np.arccos(np.clip(points[kept] @ point, -1, 1)))
        if (angles >= threshold_degrees).all():
            kept.append(row)
    return kept


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), n=st.integers(1, 60), dimension=st.integers(2, 6), threshold=st.floats(1, 150))
def test_the_greedy_rule(seed: int, n: int, dimension: int, threshold: float) -> None:
    points = random_points(n, dimension, seed, torch.float64).numpy()
    assert list(distinct_points(points, threshold)) == kept_one_by_one(points, threshold)


def test_the_greedy_rule_over_several_blocks() -> None:
    points = random_points(1300, 4, 1, torch.float64).numpy()
    thresholds = [5.0, 20.0, 45.0]
    curve = capacity_curve(points, thresholds)
    assert list(curve.unique) == [len(kept_one_by_one(points, threshold)) for threshold in thresholds]
    cosines = points @ points.T
    np.fill_diagonal(cosines, -1)
    nearest = np.degrees(np.arccos(cosines.max(axis=1)))
    assert list(curve.isolated) == [int((nearest >= threshold).sum()) for threshold in thresholds]


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), threshold=st.floats(10, 80))
def test_the_kept_set_is_distinct_and_maximal(seed: int, threshold: float) -> None:
    points = random_points(80, 4, seed, torch.float64).numpy()
    kept = distinct_points(points, threshold)
    angles = np.degrees(np.arccos(np.clip(points @ points[kept].T, -1, 1)))
    own = angles[kept]
    np.fill_diagonal(own, 180)
    assert own.min() >= threshold - 1e-6
    rejected = np.setdiff1d(np.arange(80), kept)
    assert (angles[rejected].min(axis=1, initial=180) < threshold).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_code_holds_all_its_points_at_its_own_angle_and_few_beyond(dtype: type) -> None:
    code = simplex(20).astype(dtype)
    angle = np.degrees(np.arccos(-1 / 19))
    curve = capacity_curve(code, [0, 60, angle, angle + 0.1])
    assert list(curve.unique) == [20, 20, 20, 1]
    assert list(curve.isolated) == [20, 20, 20, 0]
    # Of the orthoplex, points and their opposites are left beyond 90 degrees.
    assert unique_identities(orthoplex(6).astype(dtype), 90) == 12
    assert unique_identities(orthoplex(6).astype(dtype), 100) == 2


def test_accumulation_is_the_count_of_every_beginning() -> None:
    points = random_points(90, 3, 4, torch.float64)
    counts = identity_accumulation(points, 40)
    assert list(counts) == [unique_identities(points[:k], 40) for k in range(1, 91)]
    assert counts[-1] < 30


def test_copies_are_one_identity() -> None:
    points = np.repeat(random_points(5, 8, 2, torch.float64).numpy(), 4, axis=0)
    assert list(distinct_points(points, 1.0)) == [0, 4, 8, 12, 16]
    assert list(capacity_curve(points, [1.0]).isolated) == [0]


def test_arrays_come_back_as_they_came() -> None:
    points = random_points(10, 3, 0)
    assert isinstance(distinct_points(points, 10), torch.Tensor)
    assert isinstance(distinct_points(points.numpy(), 10), np.ndarray)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: unique_identities(np.eye(3), -1), "between 0 and 180 degrees"),
        (lambda: capacity_curve(np.eye(3), [10, 200]), "between 0 and 180 degrees"),
        (lambda: capacity_curve(np.eye(3), []), "at least one angle"),
        (lambda: capacity_curve(np.ones((3, 3)), [10]), "unit vectors"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        call()
