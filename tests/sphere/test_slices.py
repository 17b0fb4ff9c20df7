"""Discrepancies on lines and circles: by hand, against their source's formula, and for drawn points."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hyperface_lib.sphere import pack, random_points
from hyperface_lib.sphere.slices import _STREAM, circle_discrepancy, line_discrepancy


def polygon(n: int, turn: float = 0.0) -> np.ndarray:
    angles = 2 * np.pi * np.arange(n) / n + turn
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_equidistant_points_on_a_circle_have_the_least_discrepancy() -> None:
    # Every great circle of the plane is the circle itself: what is left is the constant 1 / (12 n).
    assert circle_discrepancy(polygon(9, 0.3), slices=5) == pytest.approx(1 / 108, rel=1e-9)


def test_one_point_counted_often_has_the_most() -> None:
    # All angles equal: sum_i ((2 i - 1)/(2 n) - 1/2)^2 + 1/(12 n) = n / 12.
    same = np.tile([[0.6, 0.8]], (12, 1))
    assert circle_discrepancy(same, slices=3) == pytest.approx(1.0)
    assert circle_discrepancy(same, slices=3) > circle_discrepancy(random_points(12, 2, 0), slices=3)


def test_the_circle_discrepancy_is_the_sliced_dispersion_of_its_source() -> None:
    points = random_points(40, 6, 1, torch.float64)
    # One slice: the plane of the first two directions drawn with the seed.
    basis, _ = torch.linalg.qr(random_points(2, 6, _STREAM + 7, torch.float64).T)
    angles = torch.sort(torch.atan2(points @ basis[:, 1], points @ basis[:, 0])).values
    spaced = 2 * math.pi * torch.arange(1, 41) / 40
    dispersion = 0.5 * float(((angles - angles.mean() - spaced + spaced.mean()) ** 2).sum())
    expected = dispersion / (2 * math.pi**2) + 1 / (12 * 40)
    assert circle_discrepancy(points, slices=1, seed=7) == pytest.approx(expected, rel=1e-6)


def test_the_line_discrepancy_by_hand_on_the_ordinary_sphere() -> None:
    # Archimedes: projections of the ordinary sphere are uniform, so the share below p is (1 + p) / 2.
    points = random_points(15, 3, 2, torch.float64)
    direction = random_points(1, 3, _STREAM + 5, torch.float64)[0]
    shares = np.sort((1 + (points @ direction).numpy()) / 2)
    expected = 1 / 180 + sum((share - (2 * i + 1) / 30) ** 2 for i, share in enumerate(shares))
    assert line_discrepancy(points, slices=1, seed=5) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "dimension"), [(5, 3), (60, 2), (80, 30)])
def test_uniform_points_average_a_sixth_and_a_twelfth(n: int, dimension: int) -> None:
    drawn = [random_points(n, dimension, seed, torch.float64) for seed in range(300)]
    lines = np.array([line_discrepancy(points, 2, seed) for seed, points in enumerate(drawn)])
    circles = np.array([circle_discrepancy(points, 2, seed) for seed, points in enumerate(drawn)])
    assert lines.mean() == pytest.approx(1 / 6, abs=4 * lines.std() / math.sqrt(300))
    assert circles.mean() == pytest.approx(1 / 12, abs=4 * circles.std() / math.sqrt(300))
    assert lines.std() < 0.17 and circles.std() < 0.08


def test_opposite_points_are_spread_more_evenly_than_chance_and_clusters_less() -> None:
    half = random_points(300, 16, 3, torch.float64)
    # Points and their opposites balance every projection.
    balanced = torch.cat([half, -half])
    bunched = torch.nn.functional.normalize(random_points(600, 16, 4, torch.float64) + 0.1, dim=1)
    assert line_discrepancy(balanced) < 0.8 / 6 < 2 / 6 < line_discrepancy(bunched)
    assert circle_discrepancy(bunched) > 2 / 12


def test_no_slices_are_refused() -> None:
    with pytest.raises(ValueError, match="slices must be at least 1, found 0"):
        line_discrepancy(np.eye(3), slices=0)
    with pytest.raises(ValueError, match="slices must be at least 1, found 0"):
        circle_discrepancy(np.eye(3), slices=0)


def test_slices_are_not_the_points_a_packing_of_the_same_seed_started_from() -> None:
    packed = pack(66, 64, seed=0, use_known_codes=False, method="riemannian-adam", max_steps=100).points
    assert abs(line_discrepancy(packed) - line_discrepancy(packed, seed=99)) < 0.05
