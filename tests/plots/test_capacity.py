"""Capacity figures draw counts and bounds where they are, on a scale that shows the counts."""

import numpy as np
import pytest

from hyperface_lib.plots.capacity import accumulation_curves, capacity_curves
from hyperface_lib.sphere.capacity import Population, estimate_capacity
from hyperface_lib.sphere.distinct import CapacityCurve, capacity_curve

THRESHOLDS = np.linspace(10, 120, 12)


def counts() -> CapacityCurve:
    return capacity_curve(np.concatenate([np.eye(8), -np.eye(8)]), THRESHOLDS)


def test_counts_are_drawn_as_their_logarithms_with_a_gap_at_zero() -> None:
    unique, isolated = capacity_curves({"orthoplex": counts()}).data
    assert np.asarray(unique.y, dtype=float) == pytest.approx(np.log10(counts().unique), abs=1e-3)
    beyond = THRESHOLDS > 90
    assert np.isnan(np.asarray(isolated.y, dtype=float)[beyond]).all()
    assert np.asarray(isolated.y, dtype=float)[~beyond] == pytest.approx(np.log10(16), abs=1e-3)
    assert unique.line.color == isolated.line.color


def test_the_room_is_shaded_between_guaranteed_and_the_smaller_bound() -> None:
    estimate = estimate_capacity(Population(100.0, 64), THRESHOLDS)
    figure = capacity_curves({"orthoplex": counts()}, estimate)
    traces = {trace.name: trace for trace in figure.data}
    assert traces["room"].fill == "tonexty" and figure.data[0].name == "guaranteed (covering)"
    assert np.asarray(traces["room"].y, dtype=float) == pytest.approx(estimate.log10_upper, abs=1e-3)
    assert np.asarray(traces["Levenshtein bound"].y, dtype=float) == pytest.approx(estimate.log10_levenshtein, abs=1e-3)


def test_the_scale_shows_the_counts_and_reaches_where_it_is_told() -> None:
    estimate = estimate_capacity(Population(180.0, 512), THRESHOLDS)
    assert capacity_curves({"orthoplex": counts()}, estimate).layout.yaxis.range[1] < 2 * 2.5 * np.log10(16)
    everything = capacity_curves({}, estimate).layout.yaxis
    assert everything.range[1] > estimate.log10_cap_ratio.max() > 308
    assert everything.ticktext[0] == "10<sup>0</sup>" and 3 < len(everything.ticktext) < 12
    assert capacity_curves({}, estimate, highest_log10=10).layout.yaxis.range[1] == pytest.approx(10.2)


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="found neither"):
        capacity_curves({})


def test_accumulation_is_thinned_but_keeps_its_ends() -> None:
    counts = np.minimum(np.arange(1, 20_001), 700)
    everything, curve = accumulation_curves({"gallery": counts}, threshold_degrees=60).data
    assert list(everything.x) == list(everything.y) == [1, 20_000]
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (1, 1, 20_000, 700)
    assert len(curve.x) <= 300
    assert all(y == min(x, 700) for x, y in zip(curve.x, curve.y, strict=True))
    with pytest.raises(ValueError, match="found none"):
        accumulation_curves({}, threshold_degrees=60)
