"""Figures of cleaning show the numbers they are given."""

import numpy as np
import pytest

from hyperface_lib.plots.cleaning import angles_by_kind, kept_and_noise, threshold_curves

COUNTS = {"clean": [0, 6, 2, 0], "swapped": [0, 0, 1, 1], "outsider": [0, 2, 0, 1]}


def test_what_a_threshold_leaves_by_hand() -> None:
    kept, noise = kept_and_noise(COUNTS)
    np.testing.assert_allclose(kept, [0, 6 / 8, 1, 1])
    np.testing.assert_allclose(noise, [0, 2 / 8, 3 / 11, 5 / 13])


def test_shares_agree_with_cleaning_at_every_edge() -> None:
    from hyperface_lib.training.cleaning import clean_labels

    generator = np.random.default_rng(0)
    angles = np.concatenate([generator.normal(50, 12, 300), generator.normal(85, 10, 200)])
    clean = np.arange(500) < 300
    edges = np.arange(0, 181, 2.5)
    counts = {
        "clean": np.histogram(angles[clean], edges)[0],
        "swapped": np.histogram(angles[~clean], edges)[0],
    }
    kept, noise = kept_and_noise(counts)
    for threshold in (45.0, 70.0, 75.0, 80.0):
        report = clean_labels(angles, np.zeros(500, int), threshold, clean).report
        edge = int(threshold / 2.5) - 1
        assert kept[edge] == pytest.approx(report.clean_kept) and noise[edge] == pytest.approx(report.noise_after)


def test_shares_need_clean_samples() -> None:
    for counts in ({"swapped": [1, 2]}, {"clean": [0, 0], "swapped": [1, 2]}):
        with pytest.raises(ValueError, match="found none"):
            kept_and_noise(counts)


def test_bars_are_stacked_over_the_angles_that_occur() -> None:
    figure = angles_by_kind({**COUNTS, "nothing": [0, 0, 0, 0]}, 10.0, thresholds_degrees=(25,), title="before")
    assert [bar.name for bar in figure.data] == ["clean", "swapped", "outsider"]
    assert [list(bar.y) for bar in figure.data] == list(COUNTS.values())
    assert list(figure.data[0].x) == [5, 15, 25, 35]
    assert figure.layout.barmode == "stack" and tuple(figure.layout.xaxis.range) == (10, 40)
    assert figure.layout.shapes[0].x0 == 25
    with pytest.raises(ValueError, match="the same bins"):
        angles_by_kind({"clean": [1], "swapped": [1, 2]}, 10.0)


def test_curves_are_means_with_the_range_of_the_seeds() -> None:
    two = {kind: [values, values] for kind, values in COUNTS.items()}
    two["outsider"] = [COUNTS["outsider"], [0, 0, 0, 3]]
    figure = threshold_curves({"K = 3": two, "K = 1": COUNTS}, 10.0, wanted=(0.13, 0.8), range_degrees=(20, 40))
    band, noise, kept, *other = figure.data
    assert [trace.name for trace in (noise, kept, *other)] == [
        "K = 3: noise left", "K = 3: clean kept", "K = 1: noise left", "K = 1: clean kept",
    ]  # fmt: skip
    assert list(noise.x) == [20, 30, 40]
    np.testing.assert_allclose(noise.y, [100 * (2 / 8) / 2, 100 * (3 / 11 + 1 / 9) / 2, 100 * 5 / 13], atol=0.01)
    np.testing.assert_allclose(kept.y, [75, 100, 100], atol=0.01)
    assert max(band.y) == pytest.approx(100 * 5 / 13, abs=0.01) and min(band.y) == 0
    assert [shape.y0 for shape in figure.layout.shapes] == [13, 80]
    with pytest.raises(ValueError, match="at least one run"):
        threshold_curves({}, 10.0)
