from __future__ import annotations

import numpy as np
import pytest

from hyperface_lib.plots.repeats import curves_with_spread, paired_differences


def test_differences_are_taken_seed_by_seed() -> None:
    shared = np.array([0.0, 10.0, 20.0])
    figure = paired_differences({"base": 50 + shared, "up": 52 + shared, "down": 49 + shared}, "base")
    seeds, means = figure.data
    assert list(means.y) == ["down", "up"]
    assert np.allclose(means.x, [-1, 2])
    # What the seeds share cancels: no spread is left.
    assert np.allclose(means.error_x.array, 0)
    assert list(seeds.y) == ["down"] * 3 + ["up"] * 3


def test_bars_are_twice_the_standard_error() -> None:
    figure = paired_differences({"a": np.zeros(4), "b": np.array([1.0, 2.0, 3.0, 4.0])}, "a")
    expected = 2 * np.std([1, 2, 3, 4], ddof=1) / 2
    assert figure.data[1].error_x.array[0] == pytest.approx(expected, abs=1e-3)


def test_one_seed_has_no_bars() -> None:
    figure = paired_differences({"a": np.zeros(1), "b": np.ones(1)}, "a")
    assert figure.data[1].error_x.array is None


@pytest.mark.parametrize(
    ("averages", "words"),
    [({"b": np.ones(2)}, "baseline 'a'"), ({"a": np.ones(2), "b": np.ones(3)}, "same seeds")],
)
def test_what_does_not_compare_is_refused(averages: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        paired_differences(averages, "a")


def test_curves_hold_means_and_deviations_in_the_order_of_the_setting() -> None:
    figure = curves_with_spread(
        {"ArcFace": {0.5: np.array([3.0, 5.0]), 0.1: np.array([1.0, 1.0])}}, x_title="margin", y_title="accuracy"
    )
    (curve,) = figure.data
    assert list(curve.x) == [0.1, 0.5]
    assert np.allclose(curve.y, [1, 4])
    assert np.allclose(curve.error_y.array, [0, np.sqrt(2)], atol=1e-3)


def test_no_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        curves_with_spread({}, x_title="x", y_title="y")
