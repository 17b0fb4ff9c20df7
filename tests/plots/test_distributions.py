"""Histograms stand beside the exact law of uniform points."""

import numpy as np
import pytest

from hyperface_lib.plots.distributions import angle_concentration, nearest_neighbour_distributions
from hyperface_lib.sphere import nearest_neighbour_angles, random_points
from hyperface_lib.sphere.caps import nearest_angle_quantile


def test_the_line_is_the_density_of_as_many_uniform_points() -> None:
    angles = nearest_neighbour_angles(random_points(400, 20, 0)).numpy()
    figure = nearest_neighbour_distributions({"random": angles, "again": angles}, dimension=20, bound_degrees=80.0)
    bars, _, line = figure.data
    assert [trace.name for trace in figure.data] == ["random (400)", "again (400)", "uniform points"]
    x, y = np.asarray(line.x, dtype=float), np.asarray(line.y, dtype=float)
    assert np.trapezoid(y, x) == pytest.approx(1, abs=0.01)
    assert np.interp(0.5, np.cumsum(y) / y.sum(), x) == pytest.approx(nearest_angle_quantile(0.5, 399, 20), abs=0.2)
    # What was drawn agrees with the line.
    assert np.abs(np.interp(bars.x, x, y, 0, 0) - bars.y).sum() * bars.width < 0.4
    assert figure.layout.shapes[0].x0 == 80.0


def test_one_line_for_each_size_and_every_bar_in_sight() -> None:
    rng = np.random.default_rng(0)
    sets = {"few": rng.uniform(50, 60, 50), "many": np.full(500, 58.0)}
    figure = nearest_neighbour_distributions(sets, dimension=16)
    assert [trace.name for trace in figure.data[2:]] == ["50 uniform points", "500 uniform points"]
    low, high = 10 ** np.asarray(figure.layout.yaxis.range, dtype=float)
    heights = np.concatenate([np.asarray(bar.y, dtype=float) for bar in figure.data[:2]])
    assert (heights[heights > 0] > low).all() and (heights < high).all()
    with pytest.raises(ValueError, match="'lonely' must have at least 2 points, found 1"):
        nearest_neighbour_distributions({"lonely": np.array([3.0])}, dimension=4)


def test_angles_gather_at_90_degrees_as_dimensions_grow() -> None:
    lines = angle_concentration([2, 8, 128]).data
    for line in lines:
        x, y = np.asarray(line.x, dtype=float), np.asarray(line.y, dtype=float)
        assert np.trapezoid(y, x) == pytest.approx(1, abs=2e-3)
        assert y[x == 90] == y.max()
    heights = [max(line.y) for line in lines]
    assert heights == sorted(heights)


def test_measured_angles_lie_behind_their_line() -> None:
    angles = np.random.default_rng(0).uniform(0, 180, 5000)
    bars, flat, _ = angle_concentration([2, 3], measured_degrees={2: angles}, bins=30).data
    assert np.sum(np.asarray(bars.y, dtype=float)) * bars.width == pytest.approx(1, abs=1e-3)
    assert np.abs(np.asarray(bars.y, dtype=float) - flat.y[0]).max() < 0.002
    for dimensions in ([3], []):
        with pytest.raises(ValueError, match=r"dimensions given, at least one, found \[2\]"):
            angle_concentration(dimensions, measured_degrees={2: angles})
    with pytest.raises(ValueError, match="found none"):
        angle_concentration([])
