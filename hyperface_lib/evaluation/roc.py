"""Receiver operating characteristic of scored pairs, exact: every observed score is a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FALSE_POSITIVE_RATES = (1e-1, 1e-2, 1e-3, 1e-4)
"""The false positive rates reported by default."""


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Error rates against the threshold on the cosine: a pair is called the same person when cosine >= threshold.

    thresholds fall, from infinity (nothing is accepted); both rates rise from 0 to 1. One entry a distinct cosine, so
    pairs of equal cosine are always decided alike.
    """

    false_positive_rate: npt.NDArray[np.float64]
    true_positive_rate: npt.NDArray[np.float64]
    thresholds: npt.NDArray[np.float64]
    genuine: int
    impostors: int

    @property
    def area(self) -> float:
        """The area under the curve: how often a genuine pair scores above an impostor pair, ties counting half."""
        return float(np.trapezoid(self.true_positive_rate, self.false_positive_rate))

    @property
    def equal_error_rate(self) -> float:
        """The error where false positives and false negatives are equally frequent, interpolated between thresholds."""
        gap = self.false_positive_rate - (1.0 - self.true_positive_rate)
        above = int(np.argmax(gap >= 0))
        low, high = gap[above - 1], gap[above]
        weight = -low / (high - low)
        left, right = self.false_positive_rate[above - 1 : above + 1]
        return float(left + weight * (right - left))

    def true_positive_rate_at(self, false_positive_rate: float) -> float:
        """Give the highest true positive rate whose false positive rate does not exceed the one asked for.

        Below one false positive in the impostor pairs at hand this is the rate without any false positive.
        """
        index = int(np.searchsorted(self.false_positive_rate, false_positive_rate * (1 + 1e-12), side="right")) - 1
        return float(self.true_positive_rate[max(index, 0)])


def roc_curve(cosines: npt.ArrayLike, is_same: npt.ArrayLike) -> RocCurve:
    """Trace the curve of scored pairs: cosines (p,), is_same (p,). Raises ValueError without pairs of both kinds."""
    scores, same = np.asarray(cosines, dtype=np.float64), np.asarray(is_same, dtype=bool)
    genuine, impostors = int(same.sum()), int((~same).sum())
    if not genuine or not impostors:
        raise ValueError(
            f"A ROC curve needs pairs of both kinds, found {genuine} of the same person and {impostors} of two."
        )
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last_of_value = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    true_positives = np.cumsum(same[order])[last_of_value]
    false_positives = np.cumsum(~same[order])[last_of_value]
    return RocCurve(
        false_positive_rate=np.append(0.0, false_positives / impostors),
        true_positive_rate=np.append(0.0, true_positives / genuine),
        thresholds=np.append(np.inf, falling[last_of_value]),
        genuine=genuine,
        impostors=impostors,
    )


def tpr_at_fpr(
    genuine: npt.ArrayLike, impostors: npt.ArrayLike, rates: Sequence[float] = FALSE_POSITIVE_RATES
) -> dict[float, float]:
    """Give the true positive rate at each false positive rate, from the scores of genuine and of impostor pairs."""
    same, other = np.ravel(np.asarray(genuine)), np.ravel(np.asarray(impostors))
    curve = roc_curve(np.concatenate([same, other]), np.arange(len(same) + len(other)) < len(same))
    return {rate: curve.true_positive_rate_at(rate) for rate in rates}
