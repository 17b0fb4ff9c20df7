"""Curves derived again with plain loops over every distinct score, and with scikit-learn."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.evaluation import (
    identify_open_set,
    roc_curve,
    roc_of_scores,
    search_distractors,
    tpr_at_fpr,
    verify,
)

# a few levels only: ties within and between the kinds, and sets in which every score is the same
levels = st.lists(st.integers(-4, 4), min_size=1, max_size=40)


def points(genuine: np.ndarray, impostors: np.ndarray) -> list[tuple[float, float]]:
    """Return (false, true) positive rates of every threshold, falling, the one that accepts nothing first."""
    thresholds = sorted({*genuine.tolist(), *impostors.tolist()}, reverse=True)
    return [(0.0, 0.0)] + [((impostors >= t).mean(), (genuine >= t).mean()) for t in thresholds]


def crossing(curve: list[tuple[float, float]]) -> float:
    for (left, low), (right, high) in itertools.pairwise(curve):
        before, after = left - (1 - low), right - (1 - high)
        if after >= 0:
            return left + (right - left) * -before / (after - before)
    raise AssertionError("a curve that ends at (1, 1) crosses the diagonal of equal errors")


@settings(max_examples=150)
@given(genuine=levels, impostors=levels, dtype=st.sampled_from([np.float32, np.float64]))
def test_rates_area_and_equal_error_are_those_of_every_threshold(
    genuine: list[int], impostors: list[int], dtype: type
) -> None:
    same, other = np.array(genuine, dtype) / 4, np.array(impostors, dtype) / 4
    curve, expected = roc_of_scores(same, other), points(same, other)
    assert list(zip(curve.false_positive_rate, curve.true_positive_rate, strict=True)) == expected
    assert curve.thresholds[0] == np.inf and curve.thresholds.dtype == dtype
    area = np.mean([[(s > o) + 0.5 * (s == o) for o in other] for s in same])
    assert curve.area == pytest.approx(area)
    assert curve.area == pytest.approx(np.trapezoid(curve.true_positive_rate, curve.false_positive_rate))
    assert curve.equal_error_rate == pytest.approx(crossing(expected))
    for rate in (0.0, 1e-6, 0.05, 0.1, 1 / 3, 0.5, 0.99, 1.0):
        assert curve.true_positive_rate_at(rate) == max(t for f, t in expected if f <= rate * (1 + 1e-12))
        nearest = min(expected, key=lambda point: (abs(point[0] - rate), -point[0], -point[1]))
        found = curve.true_positive_rate_nearest(rate)
        distance = abs(nearest[0] - rate)
        assert found in {t for f, t in expected if abs(f - rate) <= distance + 1e-12} and found == pytest.approx(
            max(t for f, t in expected if abs(f - rate) <= distance + 1e-12)
        )


def test_pairs_that_are_never_accepted_count_as_missed_and_as_rejected() -> None:
    genuine, impostors = np.array([0.9, 0.5, -np.inf, -np.inf]), np.array([0.6, 0.1, -np.inf, -np.inf])
    curve = roc_of_scores(genuine, impostors)
    assert curve.true_positive_rate_at(0.25) == 0.5 and curve.true_positive_rate_at(0.0) == 0.25
    assert curve.equal_error_rate == pytest.approx(crossing(points(genuine, impostors)))
    assert curve.area == pytest.approx(np.mean([[(s > o) + 0.5 * (s == o) for o in impostors] for s in genuine]))


def test_the_nearest_rate_is_that_of_insightfaces_evaluation() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="`make install` installs scikit-learn")
    rng = np.random.default_rng(0)
    same = np.arange(2000) < 300
    scores = np.round(np.where(same, 0.5, 0.0) + 0.2 * rng.normal(size=2000), 2)
    false_rate, true_rate, _ = metrics.roc_curve(same, scores, drop_intermediate=False)
    curve = roc_curve(scores, same)
    for rate in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1):
        # both turned around, the first of the nearest: of equal false positive rates the largest true one
        distances = np.abs(false_rate[::-1] - rate)
        expected = true_rate[::-1][distances == distances.min()].max()
        assert curve.true_positive_rate_nearest(rate) == expected
    # ten impostors cannot tell 0.04 from 0: the next point is taken by one rule, and not by the other
    few = roc_of_scores([0.9, 0.5], [0.8, *[0.1] * 9])
    assert few.true_positive_rate_at(0.06) == 0.5 and few.true_positive_rate_nearest(0.06) == 1.0


@settings(max_examples=60)
@given(
    values=st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=20, max_size=60),
    seed=st.integers(0, 1000),
    constant=st.booleans(),
)
def test_the_protocol_never_stumbles_over_equal_scores(values: list[float], seed: int, constant: bool) -> None:
    cosines = np.full(len(values), values[0]) if constant else np.array(values)
    same = np.random.default_rng(seed).random(len(values)) < 0.5
    same[:2] = True, False
    result = verify(cosines, same)
    assert 0 <= result.accuracy <= 1 and 0 <= result.eer <= 1
    assert all(0 <= rate <= 1 for rate in result.tpr_at_fpr.values())
    for fold_rate in result.val_at_far.values():
        assert np.isnan(fold_rate.true_accept_rate) or 0 <= fold_rate.true_accept_rate <= 1


def test_curves_and_searches_say_which_rates_they_measure() -> None:
    curve = roc_of_scores([0.5], np.zeros(10))
    assert curve.measures(0.1) and curve.measures(1.0) and not curve.measures(0.09)
    # the sum of many tenths is a little less than it should be
    assert roc_of_scores([0.5], np.zeros(3)).measures(1 - 2 / 3)
    basis = np.eye(6)
    open_set = identify_open_set(basis[:5], [0, 7, 7, 8, 9], basis[:1], [0])
    assert open_set.measures(0.25) and not open_set.measures(0.24)
    found = search_distractors(basis[:2], [0, 1], basis[:2], [0, 1], basis[2:])
    assert found.impostor_pairs == 8 and found.measures(0.125) and not found.measures(0.12)


def test_what_is_no_score_is_refused() -> None:
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match=f"found {wrong} for genuine pairs"):
            roc_of_scores([0.1, wrong], [0.2])
        with pytest.raises(ValueError, match=f"found {wrong} for impostor pairs"):
            roc_of_scores([0.1], [0.2, wrong, 0.1])
    curve = roc_of_scores([0.1, 0.3], [0.2])
    for rate in (-0.1, 1.1, np.nan):
        for question in (curve.true_positive_rate_at, curve.true_positive_rate_nearest):
            with pytest.raises(ValueError, match=f"between 0 and 1, found {rate}"):
                question(rate)
    with pytest.raises(ValueError, match="both kinds, found 0"):
        tpr_at_fpr([], [0.1])
    with pytest.raises(ValueError, match="one shape"):
        roc_curve([0.1, 0.2], [True])
