"""The protocol is derived again here with plain loops over folds, thresholds and pairs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.evaluation import PairScores, hardest_pairs, roc_curve, tpr_at_fpr, verify
from hyperface_lib.formats import PairSet


def scores(seed: int, pairs: int = 200, gap: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    same = rng.random(pairs) < 0.5
    return np.clip(gap * same + 0.2 * rng.normal(size=pairs), -1, 1), same


def accuracy_at(distances: list[float], labels: list[bool], threshold: float) -> float:
    right = sum((distance < threshold) == label for distance, label in zip(distances, labels, strict=True))
    return right / len(labels)


def naive(cosines: np.ndarray, same: np.ndarray, folds: list[int]) -> tuple[list[float], list[float]]:
    distances = [2.0 - 2.0 * float(c) for c in cosines]
    accuracies, thresholds = [], []
    for fold in sorted(set(folds)):
        train = [i for i in range(len(folds)) if folds[i] != fold]
        test = [i for i in range(len(folds)) if folds[i] == fold]
        best, best_accuracy = 0.0, -1.0
        for threshold in np.arange(0, 4, 0.01):
            found = accuracy_at([distances[i] for i in train], [bool(same[i]) for i in train], threshold)
            if found > best_accuracy:
                best, best_accuracy = float(threshold), found
        thresholds.append(best)
        accuracies.append(accuracy_at([distances[i] for i in test], [bool(same[i]) for i in test], best))
    return accuracies, thresholds


@pytest.mark.parametrize("seed", [0, 1])
def test_accuracy_is_that_of_the_protocol_written_out_with_loops(seed: int) -> None:
    cosines, same = scores(seed, pairs=103)
    sizes = [11, 11, 11, 10, 10, 10, 10, 10, 10, 10]
    accuracies, thresholds = naive(cosines, same, [fold for fold, size in enumerate(sizes) for _ in range(size)])
    result = verify(cosines, same)
    assert result.fold_accuracies == pytest.approx(accuracies, abs=1e-12)
    assert result.thresholds == pytest.approx(thresholds, abs=1e-12)
    mean = sum(accuracies) / 10
    assert result.accuracy == pytest.approx(mean)
    assert result.accuracy_std == pytest.approx(math.sqrt(sum((a - mean) ** 2 for a in accuracies) / 10))
    assert result.protocol == "10-fold" and result.pairs == 103


def test_given_folds_are_used_and_their_names_do_not_matter() -> None:
    cosines, same = scores(3, pairs=60)
    folds = np.random.default_rng(0).integers(0, 4, 60) * 7 + 2
    accuracies, _ = naive(cosines, same, folds.tolist())
    result = verify(cosines, same, folds)
    assert result.fold_accuracies == pytest.approx(accuracies) and result.protocol == "4-fold"


def test_the_first_of_several_best_thresholds_wins() -> None:
    cosines, same = np.tile([1.0, -1.0], 20), np.tile([True, False], 20)
    assert verify(cosines, same).thresholds == pytest.approx(0.01)


def test_a_pair_at_the_threshold_is_rejected() -> None:
    # d = 0 for all: accepted by every threshold above 0, rejected by the threshold 0 itself
    cosines, same = np.ones(20), np.zeros(20, dtype=bool)
    result = verify(cosines, same)
    assert result.accuracy == 1.0 and result.thresholds == pytest.approx(0.0)


def test_random_embeddings_are_at_chance() -> None:
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(2, 6000, 128))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    result = verify((vectors[0] * vectors[1]).sum(axis=1), np.tile(np.repeat([True, False], 300), 10))
    assert abs(result.accuracy - 0.5) < 0.025
    assert abs(result.auc - 0.5) < 0.03 and abs(result.eer - 0.5) < 0.03 and result.tpr_at_fpr[1e-3] < 0.01


def test_identical_and_opposite_pairs_are_perfect() -> None:
    same = np.tile(np.repeat([True, False], 30), 10)
    result = verify(np.where(same, 1.0, 0.0), same)
    assert (result.accuracy, result.accuracy_std, result.eer, result.auc) == (1.0, 0.0, 0.0, 1.0)
    assert result.tpr_at_fpr[1e-4] == 1.0 and result.best_threshold_accuracy == 1.0
    assert result.val_at_far[1e-3].true_accept_rate == 1.0


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_pairs_inside_a_fold_does_not_matter(seed: int) -> None:
    cosines, same = scores(seed, pairs=120)
    rng = np.random.default_rng(seed)
    order = np.concatenate([fold * 12 + rng.permutation(12) for fold in range(10)])
    first, second = verify(cosines, same), verify(cosines[order], same[order])
    assert np.array_equal(first.fold_accuracies, second.fold_accuracies)
    assert (first.eer, first.auc, first.tpr_at_fpr) == (second.eer, second.auc, second.tpr_at_fpr)
    assert first.val_at_far == second.val_at_far


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), pairs=st.integers(20, 150))
def test_results_keep_their_bounds(seed: int, pairs: int) -> None:
    cosines, same = scores(seed, pairs)
    same[:2] = True, False
    result = verify(np.round(cosines, 1), same)  # rounded: many ties
    majority = max(same.mean(), 1 - same.mean())
    assert 0 <= result.accuracy <= 1 and majority - 1e-12 <= result.best_threshold_accuracy <= 1
    # one threshold for all folds cannot be beaten by thresholds that never saw the fold, pooled over pairs
    pooled = (result.fold_accuracies * np.diff(np.append(np.arange(10) * pairs // 10, pairs))).sum()
    if pairs % 10 == 0:
        assert pooled <= result.best_threshold_accuracy * pairs + 1e-9
    rates = [result.tpr_at_fpr[rate] for rate in (1e-4, 1e-3, 1e-2, 1e-1)]
    assert rates == sorted(rates) and 0 <= result.eer <= 1


def test_best_threshold_accuracy_tries_every_score_and_never_splits_a_tie() -> None:
    for seed in range(5):
        cosines, same = scores(seed, 80)
        cosines = np.round(cosines, 1)
        tried = [np.mean((cosines >= t) == same) for t in [*np.unique(cosines), np.inf]]
        result = verify(cosines, same)
        assert result.best_threshold_accuracy == pytest.approx(max(tried))
        assert np.mean((cosines >= result.best_threshold) == same) == pytest.approx(max(tried))


def test_the_false_accept_rate_is_met_by_thresholds_of_the_other_folds() -> None:
    cosines, same = scores(2, 1500)
    result = verify(cosines, same)
    distances, folds = 2 - 2 * cosines, np.repeat(np.arange(10), 150)
    grid = np.arange(0, 4, 0.001)
    impostors = {fold: distances[(folds != fold) & ~same] for fold in range(10)}
    curves = {fold: [(impostors[fold] < t).mean() for t in grid] for fold in range(10)}
    for rate in (1e-1, 1e-2):
        accepted = []
        for fold in range(10):
            reached = next(k for k, value in enumerate(curves[fold]) if value >= rate)
            low, high = curves[fold][reached - 1], curves[fold][reached]
            threshold = grid[reached - 1] + 0.001 * (rate - low) / (high - low)
            accepted.append((distances[(folds == fold) & same] < threshold).mean())
        assert result.val_at_far[rate].true_accept_rate == pytest.approx(np.mean(accepted))
        assert result.val_at_far[rate].true_accept_rate_std == pytest.approx(np.std(accepted))
        assert result.val_at_far[rate].false_accept_rate == pytest.approx(rate, rel=0.5)


def test_a_false_accept_rate_the_grid_never_reaches_accepts_nothing() -> None:
    same = np.tile([True, False], 100)
    result = verify(np.where(same, 0.9, -1.0), same)  # impostors at d = 4, beyond the last threshold
    assert result.val_at_far[1e-1].true_accept_rate == 0.0 and result.accuracy == 1.0


def test_the_curve_is_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="`make install` installs scikit-learn")
    cosines, same = scores(7, 500)
    cosines = np.round(cosines, 2)
    curve = roc_curve(cosines, same)
    false_rate, true_rate, thresholds = metrics.roc_curve(same, cosines, drop_intermediate=False)
    assert np.allclose(curve.false_positive_rate, false_rate) and np.allclose(curve.true_positive_rate, true_rate)
    assert np.allclose(curve.thresholds[1:], thresholds[1:])
    assert curve.area == pytest.approx(metrics.roc_auc_score(same, cosines))


def test_the_equal_error_rate_lies_where_both_errors_meet() -> None:
    # three of four genuine pairs above all but one of four impostors: both errors are 1/4
    assert roc_curve([0.9, 0.8, 0.7, 0.2, 0.75, 0.1, 0.0, -0.1], [1, 1, 1, 0, 0, 0, 0, 1]).equal_error_rate == 0.25
    assert roc_curve([0.0, 1.0], [True, False]).equal_error_rate == 1.0
    # all scores tie: the curve is one straight line through the middle
    assert roc_curve([0.5] * 6, [1, 1, 0, 0, 0, 0]).equal_error_rate == pytest.approx(0.5)


def test_a_rate_is_never_exceeded() -> None:
    genuine, impostors = np.array([0.9, 0.5, 0.3]), np.array([0.8, 0.4] + [0.0] * 98)
    assert tpr_at_fpr(genuine, impostors, (1e-3, 1e-2, 2e-2, 1.0)) == {1e-3: 1 / 3, 1e-2: 2 / 3, 2e-2: 1.0, 1.0: 1.0}


def test_standard_errors_follow_their_formulas_and_are_said() -> None:
    cosines, same = scores(1, 600)
    result = verify(cosines, same)
    assert result.standard_error == pytest.approx(math.sqrt(result.accuracy * (1 - result.accuracy) / 600))
    assert result.fold_standard_error == pytest.approx(result.accuracy_std / 3)  # population std over ten folds
    larger = max(result.standard_error, result.fold_standard_error)
    assert "10-fold, 600 pairs" in str(result) and f"standard error {100 * larger:.2f} points" in str(result)


def test_one_kind_of_pair_has_an_accuracy_and_no_rates() -> None:
    result = verify(np.ones(20), np.ones(20))
    assert result.accuracy == 1.0 and math.isnan(result.eer) and math.isnan(result.tpr_at_fpr[1e-3])
    assert math.isnan(result.val_at_far[1e-3].true_accept_rate)
    with pytest.raises(ValueError, match="both kinds"):
        result.roc()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (([0.1] * 20, [True] * 19), "one shape"),
        (([[0.1] * 20], [[True] * 20]), "one shape"),
        (([1.5] * 20, [True] * 20), r"\[-1, 1\]"),
        (([0.5] * 3 + [float("nan")] * 17, [True] * 20), r"\[-1, 1\], found nan for pair 3 and 17 such"),
        (([0.5] * 19 + [float("-inf")], [True] * 20), r"\[-1, 1\], found -inf for pair 19 and 1 such"),
        (([], []), "no pairs"),
        (([], [], []), "no pairs"),
        (([0.1] * 20, [2] * 20), "true"),
        (([0.1] * 9, [True] * 9), "9 pairs cannot be cut into 10"),
        (([0.1] * 20, [True] * 20, 1), "two folds"),
        (([0.1] * 20, [True] * 20, [0] * 20), "two folds"),
        (([0.1] * 20, [True] * 20, [0, 1]), "Fold numbers"),
    ],
)
def test_what_is_not_scores_and_labels_is_refused(arguments: tuple[object, ...], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        verify(*arguments)  # type: ignore[arg-type]


def test_scores_that_cannot_be_verified_are_named() -> None:
    one_fold = PairScores("photos", np.ones(4), np.ones(4, bool), np.zeros(4, int), np.arange(4))
    with pytest.raises(ValueError, match=r"'photos': .*two folds") as error:
        one_fold.verify()
    assert "\n" not in str(error.value)


def test_a_usual_set_needs_no_remark() -> None:
    cosines, same = scores(0, 30_000)
    result = verify(cosines, same)
    assert result.remarks == () and result.unmeasured_rates == () and result.one_kind_folds == ()


@pytest.mark.parametrize("pairs", [3, 7])
def test_fewer_folds_than_ten_are_said(pairs: int) -> None:
    cosines, same = scores(0, 30_000)
    result = verify(cosines, same, pairs)
    assert result.protocol == f"{pairs}-fold"
    assert result.remarks == (f"The protocol has 10 folds, these pairs have {pairs}.",)


def test_rates_under_one_false_positive_are_not_passed_over_in_silence() -> None:
    same = np.tile(np.repeat([True, False], [20, 100]), 10)  # 1,000 impostor pairs
    result = verify(np.where(same, 0.9, 0.1), same)
    assert result.unmeasured_rates == (1e-4,) and result.tpr_at_fpr[1e-4] == 1.0
    (remark,) = result.remarks
    assert remark.startswith("1000 impostor pairs cannot measure TPR at an FPR of 0.0001:")
    fewer = verify(np.where(same, 0.9, 0.1)[1:-1], same[1:-1])
    assert fewer.unmeasured_rates == (1e-3, 1e-4) and "of 0.001, 0.0001:" in fewer.remarks[0]
    curve = result.roc()
    assert curve.measures(1e-3) and not curve.measures(0.99e-3) and not curve.measures(0.0)


def test_folds_of_one_kind_have_an_accuracy_and_are_said() -> None:
    same = np.tile(np.repeat([True, False], 20), 5)  # folds 0, 2, 4, ... genuine, the others impostors
    cosines, folds = np.where(same, 0.9, 0.1), np.repeat(np.arange(10), 20)
    result = verify(cosines, same, folds)
    assert result.accuracy == 1.0 and result.one_kind_folds == tuple(range(10))
    assert result.remarks[0].startswith("10 of 10 folds, the first fold 1, have pairs of one kind only")
    mixed = np.array(same)
    mixed[:20] = np.arange(20) % 2 == 0
    assert verify(np.where(mixed, 0.9, 0.1), mixed, folds).one_kind_folds == tuple(range(1, 10))
    # all impostors in one fold: its threshold is chosen on genuine pairs alone, the first that accepts them all
    alone = verify([0.9025, 0.95, 0.1, 0.1, 0.95, 0.95], [1, 1, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2])
    assert alone.thresholds[1] == pytest.approx(0.2) and alone.fold_accuracies.tolist() == [0.5, 1.0, 1.0]
    assert alone.one_kind_folds == (0, 1, 2) and math.isnan(alone.val_at_far[1e-1].true_accept_rate)


@pytest.mark.parametrize(("label", "kind"), [(True, "genuine"), (False, "impostor")])
def test_pairs_of_one_kind_are_said(label: bool, kind: str) -> None:
    result = verify(np.full(20, 0.5), np.full(20, label))
    assert result.remarks[0] == f"All 20 pairs are {kind} pairs: there are no rates, only an accuracy."
    assert result.one_kind_folds == tuple(range(10)) and math.isnan(result.tpr_at_fpr[1e-1])


def test_hardest_pairs_are_the_worst_of_both_kinds_as_rows_of_the_pair_set() -> None:
    same = np.array([1, 0, 1, 0, 1, 0], dtype=bool)
    pairs = PairSet("x", np.zeros((2, 1, 1, 3), np.uint8), np.zeros(6, int), np.ones(6, int), same)
    kept = np.array([0, 1, 2, 3, 5])  # pair 4 could not be read
    cosines = np.array([0.9, 0.8, 0.1, 0.3, 0.7])
    found = hardest_pairs(PairScores("x", cosines, same[kept], np.asarray(pairs.folds)[kept], kept), pairs, k=2)
    assert found.false_rejects.tolist() == [2, 0] and found.false_reject_cosines.tolist() == [0.1, 0.9]
    assert found.false_accepts.tolist() == [1, 5] and found.false_accept_cosines.tolist() == [0.8, 0.7]
    other = PairSet("y", pairs.images, pairs.first, pairs.second, ~same)
    with pytest.raises(ValueError, match="not those"):
        hardest_pairs(PairScores("x", cosines, same[kept], np.asarray(pairs.folds)[kept], kept), other)
