"""Random points below a threshold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hyperface_lib.sphere import ThresholdNotMetError, random_below_threshold, random_points


@pytest.mark.parametrize("source", ["sphere", "pool"])
def test_all_cosines_stay_below(source: str) -> None:
    pool = random_points(3000, 12, seed=1).numpy()
    keywords = {"dimension": 12} if source == "sphere" else {"pool": pool}
    points = random_below_threshold(60, **keywords, max_cosine=0.5, seed=2)  # type: ignore[arg-type]
    assert points.shape == (60, 12)
    cosines = points @ points.T
    assert cosines[~np.eye(60, dtype=bool)].max() <= 0.5 + 1e-6
    if source == "pool":
        assert np.isclose((points @ pool.T).max(axis=1), 1, atol=1e-6).all()


def test_same_seed_same_points() -> None:
    draws = [random_below_threshold(20, 8, max_cosine=0.6, seed=seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_the_cap_is_kept_and_its_reason_given() -> None:
    reason = r"50 points .* found [0-9]+ among 500 draws: the cap on draws"
    with pytest.raises(ThresholdNotMetError, match=reason) as caught:
        random_below_threshold(50, 3, max_cosine=0.3, max_draws=500)
    assert 3 <= len(caught.value.points) < 50


def test_an_exhausted_pool_is_said() -> None:
    pool = random_points(40, 3, seed=0)
    with pytest.raises(ThresholdNotMetError, match="the pool is exhausted") as caught:
        random_below_threshold(40, pool=pool, max_cosine=0.5)
    assert isinstance(caught.value.points, torch.Tensor)


@pytest.mark.parametrize(
    ("keywords", "named"),
    [
        ({}, "exactly one"),
        ({"dimension": 3, "pool": np.eye(3)}, "exactly one"),
        ({"dimension": 3, "max_cosine": 2.0}, "max_cosine"),
        ({"dimension": 1}, "dimension"),
        ({"pool": np.ones((3, 3))}, "unit vectors"),
    ],
)
def test_bad_arguments_are_named(keywords: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        random_below_threshold(2, **keywords)  # type: ignore[arg-type]
