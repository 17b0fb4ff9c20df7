"""Closeness to a gallery: by hand, and for uniform points."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hyperface_lib.sphere import orthoplex, random_points
from hyperface_lib.sphere.closeness import gallery_statistics
from hyperface_lib.sphere.statistics import packing_statistics


def test_closeness_sharing_and_collapse_by_hand() -> None:
    gallery = np.eye(4)
    near, far = math.radians(2), math.radians(30)
    points = np.array(
        [
            [1, 0, 0, 0],
            [math.cos(near), math.sin(near), 0, 0],
            [math.cos(far), 0, math.sin(far), 0],
            [0, 1, 0, 0],
            [0, 0, 0, -1],
        ]
    )
    found = gallery_statistics(points, gallery, collapse_degrees=5.0)
    # The last point's nearest vector is any of three orthogonal ones: the first.
    assert found.mean_cosine.value == pytest.approx((1 + math.cos(near) + math.cos(far) + 1 + 0) / 5)
    assert (found.sharing.value, found.most_on_one, found.collapsed) == (4, 4, 2)
    assert gallery_statistics(points, gallery, collapse_degrees=31.0).collapsed == 3
    assert packing_statistics(points, gallery, collapse_degrees=5.0).gallery == found


def test_closeness_of_uniform_points_to_a_uniform_gallery() -> None:
    drawn = [gallery_statistics(random_points(20, 7, seed), random_points(25, 7, 1000 + seed)) for seed in range(40)]
    means = np.array([found.mean_cosine.value for found in drawn])
    assert means.mean() == pytest.approx(drawn[0].mean_cosine.uniform, abs=4 * means.std() / math.sqrt(40))


def test_points_sharing_equal_cells_are_as_many_as_balls_sharing_urns() -> None:
    # The cells of an orthoplex are equal, so each of its vectors is as likely to be the nearest.
    drawn = [gallery_statistics(random_points(20, 5, seed), orthoplex(5)) for seed in range(40)]
    shared = np.array([found.sharing.value for found in drawn])
    assert drawn[0].sharing.uniform == pytest.approx(20 * (1 - 0.9**19))
    assert shared.mean() == pytest.approx(drawn[0].sharing.uniform, abs=4 * shared.std() / math.sqrt(40))


def test_every_point_on_one_vector_is_a_collapse() -> None:
    found = gallery_statistics(np.tile([[0.6, 0.8]], (7, 1)), np.eye(2))
    assert (found.most_on_one, found.collapsed, found.sharing.value) == (7, 7, 7)
    assert gallery_statistics(random_points(5, 4, 0), np.eye(4)[:1]).sharing.uniform == 5


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="gallery must have 3 columns, found 4"):
        gallery_statistics(np.eye(3), np.eye(4))
    with pytest.raises(ValueError, match="collapse_degrees must be positive, found 0"):
        gallery_statistics(np.eye(3), np.eye(3), collapse_degrees=0)
