"""The field's ten-fold verification protocol, on cosines and labels alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hyperface_lib.evaluation.roc import FALSE_POSITIVE_RATES, RocCurve, is_measured, roc_curve
from hyperface_lib.formats import PairSet, contiguous_folds

ACCURACY_THRESHOLDS = np.arange(0, 4, 0.01)
"""Squared Euclidean distances between unit vectors (2 - 2 cosine), the grid searched for accuracy."""
FALSE_ACCEPT_THRESHOLDS = np.arange(0, 4, 0.001)
"""The finer grid searched for a false accept rate."""


@dataclass(frozen=True)
class FoldRate:
    """A true accept rate at a false accept rate, threshold chosen on the other folds: mean, spread, the rate met."""

    true_accept_rate: float
    true_accept_rate_std: float
    false_accept_rate: float


@dataclass(frozen=True, eq=False)
class Verification:
    """What the protocol says of one set of scored pairs; rates are fractions, not percent.

    accuracy, accuracy_std: mean and population standard deviation over the folds ("10-fold").
    thresholds: (folds,) the squared distance each fold was judged at; fold_accuracies: (folds,).
    val_at_far: the protocol's own rate at 1e-1 ... 1e-4, nan where a fold has no pairs of either kind.
    tpr_at_fpr: the same rates on all pairs at once, exact (`RocCurve.true_positive_rate_at`); eer, auc: on all pairs.
    best_threshold_accuracy: the accuracy at the one threshold (a cosine) best for all pairs, which opensphere prints
    as ACC: it has seen the answers, so never compare it with `accuracy`. Rates and areas are nan without pairs of both
    kinds. one_kind_folds: places in `fold_accuracies` of folds with genuine or with impostor pairs alone.
    """

    accuracy: float
    accuracy_std: float
    fold_accuracies: npt.NDArray[np.float64]
    thresholds: npt.NDArray[np.float64]
    val_at_far: dict[float, FoldRate]
    tpr_at_fpr: dict[float, float]
    eer: float
    auc: float
    best_threshold_accuracy: float
    best_threshold: float
    cosines: npt.NDArray[np.float64]
    is_same: npt.NDArray[np.bool_]
    one_kind_folds: tuple[int, ...] = ()

    @property
    def pairs(self) -> int:
        """The number of scored pairs."""
        return len(self.cosines)

    @property
    def protocol(self) -> str:
        """The label that belongs beside `accuracy` in every table."""
        return f"{len(self.thresholds)}-fold"

    @property
    def unmeasured_rates(self) -> tuple[float, ...]:
        """The rates of `tpr_at_fpr` under one false positive in the impostor pairs: the highest of these decides."""
        impostors = int((~self.is_same).sum())
        return tuple(rate for rate in self.tpr_at_fpr if not is_measured(rate, impostors))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to know before these numbers stand beside others: one sentence for each thing that is unusual."""
        remarks = []
        folds, impostors = len(self.fold_accuracies), int((~self.is_same).sum())
        if folds != 10:
            remarks.append(f"The protocol has 10 folds, these pairs have {folds}.")
        if impostors in (0, self.pairs):
            kind = "impostor" if impostors else "genuine"
            remarks.append(f"All {self.pairs} pairs are {kind} pairs: there are no rates, only an accuracy.")
        elif self.one_kind_folds:
            remarks.append(
                f"{len(self.one_kind_folds)} of {folds} folds, the first fold {self.one_kind_folds[0] + 1}, have pairs "
                "of one kind only: no true accept rate can be averaged over folds."
            )
        if impostors and self.unmeasured_rates:
            rates = ", ".join(f"{rate:g}" for rate in self.unmeasured_rates)
            remarks.append(
                f"{impostors} impostor pairs cannot measure TPR at an FPR of {rates}: what stands there is the rate "
                "without any false positive."
            )
        return tuple(remarks)

    @property
    def standard_error(self) -> float:
        """The binomial standard error of the accuracy, sqrt(a (1 - a) / pairs): what other pairs would change."""
        return float(np.sqrt(self.accuracy * (1.0 - self.accuracy) / self.pairs))

    @property
    def fold_standard_error(self) -> float:
        """The standard error from the spread over folds; it also holds what pairs of one person have in common."""
        return float(np.std(self.fold_accuracies, ddof=1) / np.sqrt(len(self.fold_accuracies)))

    def roc(self) -> RocCurve:
        """Trace the curve over all pairs. Raises ValueError without pairs of both kinds."""
        return roc_curve(self.cosines, self.is_same)

    def __str__(self) -> str:
        error = max(self.standard_error, self.fold_standard_error)
        return (
            f"{100 * self.accuracy:.2f} ± {100 * self.accuracy_std:.2f} % "
            f"({self.protocol}, {self.pairs} pairs, standard error {100 * error:.2f} points)"
        )


@dataclass(frozen=True, eq=False)
class PairScores:
    """The cosines of a benchmark's pairs, kept for curves and for looking at the errors.

    pair_numbers: (p,) the row of every score in its `PairSet`: some are missing where a picture could not be read.
    people: (p, 2) who is on either picture, None where the set does not say.
    """

    name: str
    cosines: npt.NDArray[np.float64]
    is_same: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int64]
    pair_numbers: npt.NDArray[np.int64]
    people: npt.NDArray[np.int64] | None = None

    def verify(self) -> Verification:
        """Apply the protocol to these scores. Raises ValueError as `verify` does, naming the set."""
        try:
            return verify(self.cosines, self.is_same, self.folds)
        except ValueError as error:
            raise ValueError(f"{self.name!r}: {error}") from None


@dataclass(frozen=True, eq=False)
class HardPairs:
    """Row numbers into a `PairSet`, worst first, and the cosines of those pairs."""

    false_rejects: npt.NDArray[np.int64]
    false_reject_cosines: npt.NDArray[np.float64]
    false_accepts: npt.NDArray[np.int64]
    false_accept_cosines: npt.NDArray[np.float64]


def verify(cosines: npt.ArrayLike, is_same: npt.ArrayLike, folds: int | npt.ArrayLike = 10) -> Verification:
    """Score verification by cross-validated threshold, as InsightFace's evaluation code defines it.

    cosines: (p,) of the pairs' unit vectors. is_same: (p,) bool. folds: how many contiguous folds, or (p,) fold
    numbers. With d = 2 - 2 cosine a pair is called the same person when d < t. For every fold t is the first of the
    thresholds 0, 0.01, ... 3.99 that is best on the other folds, and the accuracy is taken on the fold itself.
    For a false accept rate the threshold is found on the other folds by linear interpolation on a grid of 0.001, and is
    0 where the grid does not reach the rate; plateaus are resolved to their lower end, at most one grid step from what
    `scipy.interpolate.interp1d` gave before it began to refuse them.

    Raises ValueError with one sentence for lengths that differ, cosines outside [-1, 1], labels that are not true or
    false, no pairs, or fewer than two folds. Source: the LFW protocol (Huang et al., 2007), View 2.
    """
    score = np.asarray(cosines, dtype=np.float64)
    labels = np.asarray(is_same)
    if score.ndim != 1 or labels.shape != score.shape:
        raise ValueError(f"Cosines and labels must be of one shape (pairs,), found {score.shape} and {labels.shape}.")
    if not len(score):
        raise ValueError("There are no pairs to verify.")
    outside = np.flatnonzero(~(np.abs(score) <= 1 + 1e-3))
    if len(outside):
        raise ValueError(
            f"Cosines must lie in [-1, 1], found {score[outside[0]]:g} for pair {outside[0]} and {len(outside)} such "
            "in all: distances are not accepted."
        )
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(
            f"Labels must be true (same person) or false for every pair, found {labels.dtype} with other values."
        )
    same = labels.astype(bool)
    fold_numbers = contiguous_folds(len(score), int(folds)) if np.ndim(folds) == 0 else np.asarray(folds)  # type: ignore[arg-type]
    if fold_numbers.shape != score.shape:
        raise ValueError(f"Fold numbers must be one a pair, found {fold_numbers.shape} for {len(score)} pairs.")
    fold = np.unique(fold_numbers, return_inverse=True)[1]
    if fold.max() < 1:
        raise ValueError(
            "Cross-validation needs at least two folds, found one: its threshold would be chosen on itself."
        )

    distance = 2.0 - 2.0 * score
    accepted, genuine, rejected, impostors = _counts(distance, same, fold, ACCURACY_THRESHOLDS)
    correct = accepted + rejected
    sizes = genuine + impostors
    best = np.argmax(correct.sum(axis=0) - correct, axis=1)
    accuracies = correct[np.arange(len(sizes)), best] / sizes
    curve = roc_curve(score, same) if same.any() and not same.all() else None
    best_accuracy, best_cosine = best_threshold(score, same)
    return Verification(
        accuracy=float(accuracies.mean()),
        accuracy_std=float(accuracies.std()),
        fold_accuracies=accuracies,
        thresholds=ACCURACY_THRESHOLDS[best],
        val_at_far=_val_at_far(distance, same, fold),
        tpr_at_fpr={
            rate: curve.true_positive_rate_at(rate) if curve else float("nan") for rate in FALSE_POSITIVE_RATES
        },
        eer=curve.equal_error_rate if curve else float("nan"),
        auc=curve.area if curve else float("nan"),
        best_threshold_accuracy=best_accuracy,
        best_threshold=best_cosine,
        cosines=score,
        is_same=same,
        one_kind_folds=tuple(np.flatnonzero((genuine == 0) | (impostors == 0)).tolist()),
    )


def best_threshold(score: npt.NDArray[np.float64], same: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Find the highest accuracy one threshold has on all pairs, and that threshold: same at or above this cosine."""
    order = np.argsort(-score, kind="stable")
    falling, labels = score[order], same[order]
    right = np.append(0, np.cumsum(np.where(labels, 1, -1))) + int((~same).sum())
    allowed = np.append(True, np.append(np.diff(falling) != 0, True))  # never between pairs of equal cosine
    best = int(np.argmax(np.where(allowed, right, -1)))
    threshold = np.inf if best == 0 else falling[best - 1]
    return float(right[best] / len(score)), float(threshold)


def hardest_pairs(scores: PairScores, pair_set: PairSet, k: int = 8) -> HardPairs:
    """Find the k genuine pairs of lowest cosine and the k impostor pairs of highest cosine, worst first.

    They are the hardest whether or not a threshold gets them wrong. Raises ValueError when the scores belong to another
    pair set.
    """
    if len(scores.pair_numbers) and (
        scores.pair_numbers.max() >= len(pair_set)
        or not np.array_equal(pair_set.is_same[scores.pair_numbers], scores.is_same)
    ):
        raise ValueError(f"The scores of {scores.name!r} are not those of the pair set {pair_set.name!r}.")
    order = np.argsort(scores.cosines, kind="stable")
    rejects = order[scores.is_same[order]][:k]
    accepts = order[::-1][~scores.is_same[order[::-1]]][:k]
    return HardPairs(
        scores.pair_numbers[rejects], scores.cosines[rejects], scores.pair_numbers[accepts], scores.cosines[accepts]
    )


Counts = npt.NDArray[np.int64]


def _counts(
    distance: npt.NDArray[np.float64], same: npt.NDArray[np.bool_], fold: Counts, thresholds: npt.NDArray[np.float64]
) -> tuple[Counts, Counts, Counts, Counts]:
    """Count, by fold and threshold, genuine pairs accepted, impostors rejected; and by fold, pairs of either kind."""
    # d < t holds from the first threshold above d on: a histogram of that index, summed up, counts the accepted
    first_accepting = np.searchsorted(thresholds, distance, side="right")
    folds, bins = int(fold.max()) + 1, len(thresholds) + 1

    def accepted(kind: npt.NDArray[np.bool_]) -> Counts:
        flat = np.bincount(fold[kind] * bins + first_accepting[kind], minlength=folds * bins)
        return np.cumsum(flat.reshape(folds, bins), axis=1)

    genuine, impostors = accepted(same), accepted(~same)
    return genuine[:, :-1], genuine[:, -1], impostors[:, -1:] - impostors[:, :-1], impostors[:, -1]


def _val_at_far(distance: npt.NDArray[np.float64], same: npt.NDArray[np.bool_], fold: Counts) -> dict[float, FoldRate]:
    _, genuine, rejected, impostors = _counts(distance, same, fold, FALSE_ACCEPT_THRESHOLDS)
    if not genuine.all() or not impostors.all():
        nan = float("nan")
        return {rate: FoldRate(nan, nan, nan) for rate in FALSE_POSITIVE_RATES}
    false_accepts = impostors[:, None] - rejected
    train_rates = (false_accepts.sum(axis=0) - false_accepts) / (impostors.sum() - impostors)[:, None]
    results = {}
    for target in FALSE_POSITIVE_RATES:
        true_rates, false_rates = [], []
        for number, rates in enumerate(train_rates):
            accepted = distance[fold == number] < _threshold_at(rates, target)
            labels = same[fold == number]
            true_rates.append(accepted[labels].mean())
            false_rates.append(accepted[~labels].mean())
        results[target] = FoldRate(float(np.mean(true_rates)), float(np.std(true_rates)), float(np.mean(false_rates)))
    return results


def _threshold_at(rates: npt.NDArray[np.float64], target: float) -> float:
    """Find the threshold at which the rising false accept rate meets the target, 0 when it never does."""
    if rates[-1] < target:
        return 0.0
    high = int(np.searchsorted(rates, target, side="left"))
    if high == 0:
        return float(FALSE_ACCEPT_THRESHOLDS[0])
    weight = (target - rates[high - 1]) / (rates[high] - rates[high - 1])
    low_threshold, high_threshold = FALSE_ACCEPT_THRESHOLDS[high - 1 : high + 1]
    return float(low_threshold + weight * (high_threshold - low_threshold))
