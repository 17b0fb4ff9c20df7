"""Intervals stand where their quantiles are; every row of pictures is led by its own."""

import numpy as np
import pytest

from hyperface_lib.plots.generation import angle_intervals, led_rows


def test_bars_reach_from_the_low_to_the_high_quantile() -> None:
    figure = angle_intervals({"packed": {"one": (10, 20, 35), "two": (60, 70, 75)}, "renders": {"one": (5, 6, 8)}})
    one, two = figure.data
    assert (one.name, two.name) == ("one", "two")
    assert list(one.x) == [20, 6] and list(two.x) == [70]
    assert list(one.error_x.array) == [15, 2] and list(one.error_x.arrayminus) == [10, 1]
    assert list(figure.layout.yaxis.ticktext) == ["packed", "renders"]
    assert [round(height) for height in one.y] == [0, 1] and round(two.y[0]) == 0


def test_falling_quantiles_and_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="rising"):
        angle_intervals({"packed": {"one": (20, 10, 35)}})
    with pytest.raises(ValueError, match="found none"):
        angle_intervals({})


def test_rows_are_led_by_pictures_of_the_same_size() -> None:
    images = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 6, 6, 3), np.uint8)
    lead = np.full((12, 12, 3), 77, np.uint8)
    rows = led_rows([lead, None], images)
    assert [int(row[0, 0, 0]) for row in rows] == [77, 0, 1, 255, 2, 3]
    assert {row.shape for row in rows} == {(6, 6, 3)}
    with pytest.raises(ValueError, match="equal length"):
        led_rows([lead, None, None], images)
