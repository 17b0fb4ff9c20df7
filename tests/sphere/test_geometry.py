"""Blocked geometry against dense float64 linear algebra."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.sphere import (
    closest_pair,
    min_angle_degrees,
    nearest_neighbour_angles,
    nearest_neighbours,
    random_points,
    uniformity,
)
from hyperface_lib.sphere.blocks import accumulate_pairs, row_blocks


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 20_000), size=st.integers(1, 3000))
def test_row_blocks_partition(count: int, size: int) -> None:
    blocks = row_blocks(count, size)
    assert blocks[0].start == 0 and blocks[-1].stop == count
    assert all(a.stop == b.start for a, b in pairwise(blocks))
    assert all(0 < block.stop - block.start <= size for block in blocks)


@pytest.mark.parametrize("block", [1, 7, 50, 64])
def test_blocked_sums_equal_dense_ones(block: int) -> None:
    points = random_points(50, 5, 0, torch.float64)

    def cubes(cosines: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        finite = torch.where(cosines.isinf(), torch.zeros_like(cosines), cosines)
        return 3 * finite**2, (finite**3).sum()[None]

    result = accumulate_pairs(points, cubes, block=block)
    cosines = points @ points.T
    cosines.fill_diagonal_(0)
    assert float(result.sums[0]) == pytest.approx(float((cosines**3).sum() / 2))
    torch.testing.assert_close(result.gradient, 3 * cosines**2 @ points)
    assert result.max_cosine == pytest.approx(float(cosines.max()))


@pytest.mark.parametrize(("n", "dimension"), [(2, 2), (50, 3), (1300, 400)])
def test_closest_pair_equals_dense(n: int, dimension: int) -> None:
    points = random_points(n, dimension, 1).numpy()
    cosines = points.astype(np.float64) @ points.T
    np.fill_diagonal(cosines, -2)
    pair = closest_pair(points)
    assert {pair.first, pair.second} == set(np.unravel_index(cosines.argmax(), cosines.shape))
    assert pair.angle_degrees == pytest.approx(math.degrees(math.acos(cosines.max())), abs=1e-4)


def test_tiny_angles_are_not_lost_to_rounding() -> None:
    angle = 1e-5
    points = np.array([[1.0, 0.0], [math.cos(angle), math.sin(angle)], [-1.0, 0.0]])
    assert min_angle_degrees(points) == pytest.approx(math.degrees(angle), rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(2, 40), dimension=st.integers(2, 10))
def test_min_angle_does_not_depend_on_the_frame(seed: int, n: int, dimension: int) -> None:
    points = random_points(n, dimension, seed, torch.float64)
    rotation, _ = torch.linalg.qr(random_points(dimension, dimension, seed + 1, torch.float64))
    assert min_angle_degrees(points @ rotation) == pytest.approx(min_angle_degrees(points), abs=1e-6)


@pytest.mark.parametrize("n", [30, 1100])
def test_nearest_neighbours_equal_dense(n: int) -> None:
    points = random_points(n, 6, 2, torch.float64)
    cosines = points @ points.T
    cosines.fill_diagonal_(-2)
    expected, where = cosines.topk(4, dim=1)
    found = nearest_neighbours(points, 4)
    torch.testing.assert_close(found.cosines, expected)
    assert bool((found.indices == where).all())


def test_nearest_in_a_reference_larger_than_a_tile() -> None:
    points, reference = random_points(20, 5, 3).numpy(), random_points(20_000, 5, 4).numpy()
    found = nearest_neighbours(points, 3, reference)
    expected = np.sort(points @ reference.T, axis=1)[:, ::-1][:, :3]
    assert isinstance(found.cosines, np.ndarray)
    np.testing.assert_allclose(found.cosines, expected, atol=1e-6)
    angles = nearest_neighbour_angles(points, reference)
    np.testing.assert_allclose(np.cos(np.radians(angles)), expected[:, 0], atol=1e-6)


def test_uniformity_by_hand_and_its_order() -> None:
    # Three points in the plane at 120 degrees: every squared distance is 3.
    angles = np.radians([0, 120, 240])
    triangle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert uniformity(triangle) == pytest.approx(-6)
    spread, bunched = random_points(700, 8, 5), random_points(700, 8, 5)
    bunched[:, 0] += 1
    bunched = torch.nn.functional.normalize(bunched, dim=1)
    assert uniformity(spread) < uniformity(bunched)


@pytest.mark.parametrize(
    ("points", "named"),
    [
        (np.zeros((3, 4)), "norm 0"),
        (np.full((3, 4), np.nan), "NaN"),
        (np.ones((3, 4)), "unit vectors"),
        (np.eye(4)[:1], "at least 2"),
        (np.ones(4), "shape"),
    ],
)
def test_bad_points_are_named(points: np.ndarray, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        min_angle_degrees(points)


def test_not_an_array_is_named() -> None:
    with pytest.raises(TypeError, match="found list"):
        min_angle_degrees([[1.0, 0.0]])  # type: ignore[arg-type]


def test_too_many_neighbours_are_refused() -> None:
    with pytest.raises(ValueError, match="between 1 and the 3"):
        nearest_neighbours(np.eye(4), 4)
