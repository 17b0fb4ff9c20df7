"""Detection error tradeoff against rates counted threshold by threshold and a quantile found by bisection."""

import math

import numpy as np
import pytest

from hyperface_lib.plots import det_curves, det_points


def normal_share(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def made(seed: int, pairs: int, gap: float = 1.5, digits: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    same = np.arange(pairs) % 3 == 0
    return np.round(rng.normal(gap * same, 1.0), digits), same


def errors_at(cosines: np.ndarray, same: np.ndarray, threshold: float) -> tuple[float, float]:
    matches = [score >= threshold for score in cosines.tolist()]
    false_matches = sum(match for match, alike in zip(matches, same.tolist(), strict=True) if not alike)
    missed = sum(not match for match, alike in zip(matches, same.tolist(), strict=True) if alike)
    return false_matches / int((~same).sum()), missed / int(same.sum())


@pytest.mark.parametrize("digits", [1, 6])
def test_every_point_of_the_curve_is_a_pair_of_errors_and_none_is_missing(digits: int) -> None:
    cosines, same = made(0, 240, digits=digits)
    counted = {errors_at(cosines, same, threshold) for threshold in np.unique(cosines)}
    expected = sorted(pair for pair in counted if 0 < pair[0] < 1 and 0 < pair[1] < 1)
    false_match, false_non_match = det_points(cosines, same)
    assert np.allclose(sorted(zip(false_match.tolist(), false_non_match.tolist(), strict=True)), expected, atol=1e-12)
    curve = det_curves({"net": (cosines, same)}).data[0]
    drawn = sorted((normal_share(x), normal_share(y)) for x, y in zip(curve.x, curve.y, strict=True))
    assert np.allclose(drawn, expected, atol=1e-4) and np.allclose(
        np.sort(curve.customdata[:, 0]) / 100, [false for false, _ in expected], atol=1e-6
    )


def test_normal_scores_make_a_straight_line_of_known_place() -> None:
    # genuine N(2, 1) and impostor N(0, 1): probit of one error is -2 minus that of the other
    rng = np.random.default_rng(1)
    same = np.arange(200_000) % 2 == 0
    curve, point, _ = det_curves({"net": (rng.normal(2.0 * same, 1.0), same)}).data
    middle = (np.abs(curve.x) < 2.5) & (np.abs(curve.y) < 2.5)
    assert middle.sum() > 50 and np.abs(curve.x + curve.y + 2.0)[middle].max() < 0.05
    assert point.x[0] == point.y[0] == pytest.approx(-1.0, abs=0.02)


def test_the_equal_error_lies_where_both_errors_meet_and_stands_in_the_legend() -> None:
    # one impostor of four above one genuine of four: both errors are 1/4
    scores = np.array([0.9, 0.8, 0.7, 0.2, 0.75, 0.1, 0.0, -0.1]), np.array([1, 1, 1, 0, 0, 0, 0, 1], dtype=bool)
    curve, point, diagonal = det_curves({"net": scores}).data
    assert curve.name == "net, EER 25 %" and point.showlegend is False and point.legendgroup == curve.legendgroup
    assert normal_share(point.x[0]) == pytest.approx(0.25, abs=1e-4) and point.x[0] == point.y[0]
    assert list(diagonal.x) == list(diagonal.y)


def test_axes_are_labelled_in_per_cent_and_end_at_one_pair() -> None:
    cosines, same = made(2, 3000)
    figure = det_curves({"a": (cosines, same), "b": made(3, 3000, gap=0.5)})
    for axis, name, pairs in (
        (figure.layout.xaxis, "false match rate (%)", 2000),
        (figure.layout.yaxis, "false non-match rate (%)", 1000),
    ):
        assert axis.title.text == name
        assert normal_share(axis.range[0]) == pytest.approx(1 / pairs)
        shown = [float(text) / 100 for text in axis.ticktext]
        assert [normal_share(value) for value in axis.tickvals] == pytest.approx(shown)
        assert shown[0] == pytest.approx(1e-3) and {0.01, 0.1, 0.4} <= set(shown) and max(shown) < 1
    assert normal_share(figure.layout.xaxis.range[1]) == pytest.approx(0.5)
    b = figure.data[2]
    assert b.y.max() <= figure.layout.yaxis.range[1] + 1e-3 and b.line.color != figure.data[0].line.color
    near = det_curves({"a": (cosines, same)}, lowest_fmr=0.01)
    assert normal_share(near.layout.xaxis.range[0]) == pytest.approx(0.01)


def test_long_curves_are_thinned_evenly_and_keep_their_ends() -> None:
    cosines, same = made(4, 60_000, digits=9)
    false_match, false_non_match = det_points(cosines, same)
    curve = det_curves({"net": (cosines, same)}).data[0]
    assert 200 < len(curve.x) <= 302 < len(false_match)
    assert normal_share(curve.x[0]) == pytest.approx(false_match[0], rel=1e-2)
    assert normal_share(curve.y[-1]) == pytest.approx(false_non_match[-1], rel=1e-2)
    assert np.hypot(np.diff(curve.x), np.diff(curve.y)).max() < 0.3


def test_a_model_without_errors_has_an_entry_and_no_curve() -> None:
    same = np.arange(40) % 2 == 0
    curve, point, _ = det_curves({"net": (same.astype(float), same)}).data
    assert curve.name == "net, EER 0 %" and len(curve.x) == len(point.x) == 0


def test_what_has_no_two_errors_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one model"):
        det_curves({})
    for same in (np.ones(4, bool), np.zeros(4, bool)):
        with pytest.raises(ValueError, match="pairs of both kinds"):
            det_curves({"net": (np.zeros(4), same)})
