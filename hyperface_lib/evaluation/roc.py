"""Receiver operating characteristic of scored pairs, exact: every observed score is a threshold."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor
from typing import Any

import numpy as np
import numpy.typing as npt

FALSE_POSITIVE_RATES = (1e-1, 1e-2, 1e-3, 1e-4)
"""The false positive rates reported by default."""

Scores = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Error rates against the threshold on the cosine: a pair is called the same person when cosine >= threshold.

    genuine_scores (g,) and impostor_scores (i,) rise, in float32 or float64 as they came. Rates at a few points and the
    area are found in them by bisection; the whole curve is made when first asked for, 24 bytes a distinct cosine.
    """

    genuine_scores: Scores
    impostor_scores: Scores

    @property
    def genuine(self) -> int:
        """The number of genuine pairs."""
        return len(self.genuine_scores)

    @property
    def impostors(self) -> int:
        """The number of impostor pairs."""
        return len(self.impostor_scores)

    @cached_property
    def thresholds(self) -> Scores:
        """Falling, from infinity (nothing is accepted): one a distinct cosine, so that equal ones are decided alike."""
        merged = np.concatenate([self.genuine_scores, self.impostor_scores])
        merged.sort(kind="stable")  # two rising runs: one merge
        distinct = merged[np.append(True, merged[1:] != merged[:-1])]
        return np.append(merged.dtype.type(np.inf), distinct[::-1])

    @cached_property
    def false_positive_rate(self) -> npt.NDArray[np.float64]:
        """The share of impostor pairs accepted at each threshold, rising from 0 to 1."""
        return _share_at_or_above(self.impostor_scores, self.thresholds)

    @cached_property
    def true_positive_rate(self) -> npt.NDArray[np.float64]:
        """The share of genuine pairs accepted at each threshold, rising from 0 to 1."""
        return _share_at_or_above(self.genuine_scores, self.thresholds)

    @property
    def area(self) -> float:
        """The area under the curve: how often a genuine pair scores above an impostor pair, ties counting half."""
        below = np.searchsorted(self.impostor_scores, self.genuine_scores, side="left").sum(dtype=np.int64)
        not_above = np.searchsorted(self.impostor_scores, self.genuine_scores, side="right").sum(dtype=np.int64)
        return float((int(below) + int(not_above)) / (2 * self.genuine * self.impostors))

    @property
    def equal_error_rate(self) -> float:
        """The error where false positives and false negatives are equally frequent, interpolated between thresholds."""

        def largest_balanced(scores: Scores) -> np.floating[Any]:
            # the gap between both errors falls as the threshold rises
            place = bisect_left(range(len(scores)), True, key=lambda index: self._gap(scores.item(index)) < 0)
            return scores[place - 1] if place else scores.dtype.type(-np.inf)

        high = max(largest_balanced(self.genuine_scores), largest_balanced(self.impostor_scores))
        low = min(_next_above(self.genuine_scores, high), _next_above(self.impostor_scores, high))
        weight = -self._gap(low) / (self._gap(high) - self._gap(low))
        left, right = self._false_positives(low) / self.impostors, self._false_positives(high) / self.impostors
        return float(left + weight * (right - left))

    def measures(self, false_positive_rate: float) -> bool:
        """Tell whether a rate stands for one false positive or more: under that, the highest impostor decides alone."""
        return is_measured(false_positive_rate, self.impostors)

    def true_positive_rate_at(self, false_positive_rate: float) -> float:
        """Give the highest true positive rate whose false positive rate does not exceed the one asked for.

        Below one false positive in the impostor pairs at hand (`measures` says so) this is the rate without any false
        positive. Raises ValueError for a rate outside [0, 1].
        """
        _require_rate(false_positive_rate)
        allowed = int(false_positive_rate * (1 + 1e-12) * self.impostors)
        if allowed >= self.impostors:
            return 1.0
        refused = self.impostor_scores[self.impostors - 1 - allowed]
        return float((self.genuine - np.searchsorted(self.genuine_scores, refused, side="right")) / self.genuine)

    def true_positive_rate_nearest(self, false_positive_rate: float) -> float:
        """Give the true positive rate at the point of the curve whose false positive rate is nearest to the one asked.

        Of several such points the highest. It may lie beyond the rate asked for, as the published tables of IJB-B and
        IJB-C do (`eval_ijbc.py` of InsightFace); with few impostor pairs it is far more than `true_positive_rate_at`.
        Raises ValueError for a rate outside [0, 1].
        """
        _require_rate(false_positive_rate)
        wanted = false_positive_rate * self.impostors
        counts = {0, self.impostors}
        for guess in {min(max(number, 0), self.impostors) for number in (floor(wanted), ceil(wanted))}:
            # equal scores are accepted together: with the last of the guess, or without the first beyond it
            if guess:
                counts.add(self._false_positives(self.impostor_scores[self.impostors - guess]))
            if guess < self.impostors:
                refused = self.impostor_scores[self.impostors - 1 - guess]
                counts.add(self.impostors - int(np.searchsorted(self.impostor_scores, refused, side="right")))
        nearest = min(counts, key=lambda count: (abs(count - wanted), -count))
        return self.true_positive_rate_at(nearest / self.impostors)

    def _false_positives(self, threshold: np.floating[Any] | float) -> int:
        return self.impostors - int(np.searchsorted(self.impostor_scores, threshold, side="left"))

    def _gap(self, threshold: np.floating[Any] | float) -> float:
        missed = int(np.searchsorted(self.genuine_scores, threshold, side="left")) / self.genuine
        return self._false_positives(threshold) / self.impostors - missed


def roc_curve(cosines: npt.ArrayLike, is_same: npt.ArrayLike) -> RocCurve:
    """Trace the curve of scored pairs: cosines (p,), is_same (p,).

    Raises ValueError without pairs of both kinds and for scores that are not numbers.
    """
    scores, same = _floating(cosines), np.asarray(is_same, dtype=bool)
    if scores.shape != same.shape or scores.ndim != 1:
        raise ValueError(f"Scores and labels must be of one shape (pairs,), found {scores.shape} and {same.shape}.")
    return roc_of_scores(scores[same], scores[~same])


def roc_of_scores(genuine: npt.ArrayLike, impostors: npt.ArrayLike) -> RocCurve:
    """Trace the curve of the scores of genuine pairs (g,) and of impostor pairs (i,).

    Both are copied and sorted apart, float32 staying float32: 15 million scores take 60 MB. Raises ValueError as
    `roc_curve` does; a score of -inf stands for a pair that is never accepted.
    """
    same, other = _floating(genuine).ravel(), _floating(impostors).ravel()
    if not len(same) or not len(other):
        raise ValueError(
            f"A ROC curve needs pairs of both kinds, found {len(same)} of the same person and {len(other)} of two."
        )
    dtype = np.result_type(same.dtype, other.dtype)
    same, other = np.sort(same.astype(dtype, copy=False)), np.sort(other.astype(dtype, copy=False))
    for scores, kind in ((same, "genuine"), (other, "impostor")):
        if not scores[-1] < np.inf:  # what is no number is sorted last
            raise ValueError(
                f"A ROC curve needs scores that are numbers below infinity, found {scores[-1]} for {kind} pairs."
            )
    return RocCurve(same, other)


def tpr_at_fpr(
    genuine: npt.ArrayLike, impostors: npt.ArrayLike, rates: Sequence[float] = FALSE_POSITIVE_RATES
) -> dict[float, float]:
    """Give the true positive rate at each false positive rate, from the scores of genuine and of impostor pairs."""
    curve = roc_of_scores(genuine, impostors)
    return {rate: curve.true_positive_rate_at(rate) for rate in rates}


def is_measured(rate: float, trials: int) -> bool:
    """Tell whether a rate of errors stands for one error or more in so many trials."""
    return rate * (1 + 1e-12) * trials >= 1


def _require_rate(rate: float) -> None:
    if not 0 <= rate <= 1:
        raise ValueError(f"A false positive rate lies between 0 and 1, found {rate}.")


def _floating(values: npt.ArrayLike) -> Scores:
    array = np.asarray(values)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _share_at_or_above(scores: Scores, thresholds: Scores) -> npt.NDArray[np.float64]:
    rising = thresholds[:0:-1]
    accepted = (len(scores) - np.searchsorted(scores, rising, side="left")[::-1]) / len(scores)
    return np.append(0.0, accepted)


def _next_above(scores: Scores, threshold: np.floating[Any]) -> np.floating[Any]:
    place = int(np.searchsorted(scores, threshold, side="right"))
    # infinity of the scores' own type: a wider one would have all of them converted for the search
    return scores[place] if place < len(scores) else scores.dtype.type(np.inf)
