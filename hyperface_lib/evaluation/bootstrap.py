"""Confidence intervals of verification by resampling people: pairs that share a person are not independent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from hyperface_lib.evaluation.roc import FALSE_POSITIVE_RATES, is_measured
from hyperface_lib.evaluation.verification import PairScores

Floats = npt.NDArray[np.float64]
WEIGHTS_AT_ONCE = 500_000
"""Replicates are made some at a time: pairs times replicates at once, of which some ten arrays of 4 MB are held."""
FEWEST_FOLDS = 5
"""With fewer folds than these, pairs are resampled where the people are not known."""


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its confidence interval, all fractions; nan where they cannot be told."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.low) or math.isnan(self.high):
            return f"{100 * self.estimate:.2f} % [not measurable]"
        return f"{100 * self.estimate:.2f} [{100 * self.low:.2f}, {100 * self.high:.2f}] %"


@dataclass(frozen=True)
class VerificationIntervals:
    """Intervals of what `verify` reports; `resampled` says what was drawn with replacement ("5749 people").

    accuracy: at the thresholds the protocol chose for each fold, which are not chosen anew, over all pairs (with folds
    of one size that is the mean over folds). Where no pair is wrong an interval has no width, and says too little.
    """

    accuracy: Interval
    equal_error_rate: Interval
    tpr_at_fpr: dict[float, Interval]
    resampled: str
    level: float
    replicates: int


class Resampling(Protocol):
    """How a set of pairs is drawn again."""

    @property
    def label(self) -> str:
        """What is drawn, and how many of it."""

    def __len__(self) -> int: ...

    def weights(self, generator: np.random.Generator, replicates: int) -> Floats:
        """Return how often each pair is in each replicate: (replicates, pairs)."""


@dataclass(frozen=True, eq=False)
class ByPeople:
    """Draw people with replacement: a genuine pair counts as often as its person, an impostor pair w_i w_j times.

    people: (p, 2), who is on either picture. Errors of pairs with a person in common go together here, as they do in
    new people. The product has a variance of 3 where the noise of one pair alone has 1, so that where little is shared
    the interval is on the wide side. Source: Owen, The pigeonhole bootstrap, Annals of Applied Statistics 2007.
    """

    people: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.people.ndim != 2 or self.people.shape[1] != 2:
            raise ValueError(f"People must be two a pair, (pairs, 2), found shape {self.people.shape}.")

    @property
    def label(self) -> str:
        return f"{len(np.unique(self.people))} people"

    def __len__(self) -> int:
        return len(self.people)

    def weights(self, generator: np.random.Generator, replicates: int) -> Floats:
        numbers, row = np.unique(self.people, return_inverse=True)
        first, second = row.reshape(-1, 2).T
        counts = _draws(generator, replicates, len(numbers))
        return counts[:, first] * np.where(first == second, 1.0, counts[:, second])


@dataclass(frozen=True, eq=False)
class ByGroups:
    """Draw groups of pairs with replacement, each pair as often as its group (p,): folds, or pairs one by one.

    The folds of a protocol share no person, so they keep together what belongs together, but ten are few; pairs drawn
    one by one make an interval too narrow where people come back.
    """

    groups: npt.NDArray[np.int64]
    kind: str

    @property
    def label(self) -> str:
        return f"{len(np.unique(self.groups))} {self.kind}"

    def __len__(self) -> int:
        return len(self.groups)

    def weights(self, generator: np.random.Generator, replicates: int) -> Floats:
        numbers, row = np.unique(self.groups, return_inverse=True)
        return _draws(generator, replicates, len(numbers))[:, row]


def resampling_of(scores: PairScores) -> Resampling:
    """Choose what can be resampled: people where the scores know them, else folds, else pairs; the label says which."""
    if scores.people is not None:
        return ByPeople(scores.people)
    if len(np.unique(scores.folds)) >= FEWEST_FOLDS:
        return ByGroups(scores.folds, "folds, the people not being known")
    return ByGroups(np.arange(len(scores.cosines)), "pairs, the people not being known")


def bootstrap_verification(
    scores: PairScores,
    resampling: Resampling | None = None,
    rates: Sequence[float] = FALSE_POSITIVE_RATES,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    progress: bool = False,
) -> VerificationIntervals:
    """Give percentile intervals of accuracy, equal error rate and TPR@FPR; the same seed gives the same.

    A rate under one false positive in the impostor pairs at hand is given without an interval (nan): it rests on the
    highest of them alone, which a draw of the same pairs can only lower.

    resampling: `resampling_of(scores)` if None. In every replicate genuine and impostor pairs are weighed apart, so
    that their proportion stays that of the set; replicates without weight on one kind are left out. A bar appears when
    it takes over two seconds. Raises ValueError for pairs of one kind only, fewer than two replicates, a level outside
    (0, 1), or a resampling of other pairs.
    Source: Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 13.
    """
    if replicates < 2 or not 0 < level < 1:
        raise ValueError(
            f"A bootstrap needs two replicates and a level between 0 and 1, found {replicates} and {level}."
        )
    same = scores.is_same
    if same.all() or not same.any():
        raise ValueError(f"The pairs of {scores.name!r} are of one kind: their rates have no intervals.")
    resampling = resampling_of(scores) if resampling is None else resampling
    if len(resampling) != len(same):
        raise ValueError(f"The resampling is of {len(resampling)} pairs, the scores of {scores.name!r} of {len(same)}.")
    statistic = _Statistic(scores, tuple(rates))
    generator = np.random.default_rng(seed)
    at_once = max(1, WEIGHTS_AT_ONCE // len(same))
    values = np.empty((replicates, 2 + len(rates)))
    with tqdm(total=replicates, desc=f"bootstrap of {scores.name}", leave=False, disable=not progress, delay=2) as bar:
        for start in range(0, replicates, at_once):
            part = values[start : start + at_once]
            part[:] = statistic.of(resampling.weights(generator, len(part)))
            bar.update(len(part))
    estimates = statistic.of(np.ones((1, len(same))))[0]
    told = values[~np.isnan(values).any(axis=1)]
    ends = [(1 - level) / 2, (1 + level) / 2]
    lows, highs = np.quantile(told, ends, axis=0) if len(told) else np.full((2, values.shape[1]), np.nan)
    unmeasured = [not is_measured(rate, int(np.count_nonzero(~same))) for rate in rates]
    lows[2:][unmeasured] = highs[2:][unmeasured] = np.nan
    intervals = [Interval(*map(float, three)) for three in zip(estimates, lows, highs, strict=True)]
    return VerificationIntervals(
        accuracy=intervals[0],
        equal_error_rate=intervals[1],
        tpr_at_fpr=dict(zip(rates, intervals[2:], strict=True)),
        resampled=resampling.label,
        level=level,
        replicates=replicates,
    )


class _Statistic:
    """Accuracy, equal error rate and true positive rates of weighted pairs: sorted once, then sums along rows."""

    def __init__(self, scores: PairScores, rates: tuple[float, ...]) -> None:
        self.rates = rates
        same, cosines = scores.is_same, scores.cosines
        verification = scores.verify()
        fold = np.unique(scores.folds, return_inverse=True)[1]
        self.correct = ((2.0 - 2.0 * cosines < verification.thresholds[fold]) == same).astype(np.float64)
        self.genuine, self.impostors = (_falling(np.flatnonzero(kind), cosines) for kind in (same, ~same))
        self.share = float(same.mean())
        falling = [-cosines[self.genuine], -cosines[self.impostors]]
        thresholds = np.unique(np.concatenate(falling))
        # how many of either kind, counted from the highest score, each threshold accepts
        self.accepted = [np.append(0, np.searchsorted(kind, thresholds, side="right")) for kind in falling]
        values = np.unique(falling[1])
        self.with_value = np.searchsorted(falling[1], values, side="right")
        self.genuine_above = np.append(np.searchsorted(falling[0], values, side="left"), len(falling[0]))

    def of(self, weights: Floats) -> Floats:
        """Return (replicates, 2 + rates) for weights (replicates, pairs)."""
        genuine, impostors = weights[:, self.genuine], weights[:, self.impostors]
        with np.errstate(divide="ignore", invalid="ignore"):
            right = [
                kind @ self.correct[rows] / kind.sum(axis=1)
                for kind, rows in ((genuine, self.genuine), (impostors, self.impostors))
            ]
            true_rate, false_rate = _shares(genuine), _shares(impostors)
        columns = [self.share * right[0] + (1 - self.share) * right[1], self._equal_error(true_rate, false_rate)]
        for rate in self.rates:
            refused = false_rate[:, self.with_value] > rate * (1 + 1e-12)
            first = np.where(refused.any(axis=1), refused.argmax(axis=1), len(self.with_value))
            columns.append(np.take_along_axis(true_rate, self.genuine_above[first][:, None], axis=1)[:, 0])
        values = np.stack(columns, axis=1)
        values[np.isnan(true_rate[:, -1]) | np.isnan(false_rate[:, -1])] = np.nan
        return values

    def _equal_error(self, true_rate: Floats, false_rate: Floats) -> Floats:
        accepted = false_rate[:, self.accepted[1]]
        gap = accepted - 1.0 + true_rate[:, self.accepted[0]]
        high = np.maximum((gap >= 0).argmax(axis=1), 1)
        rows = np.arange(len(gap))
        weight = -gap[rows, high - 1] / (gap[rows, high] - gap[rows, high - 1])
        return accepted[rows, high - 1] + weight * (accepted[rows, high] - accepted[rows, high - 1])


def _falling(rows: npt.NDArray[np.int64], cosines: Floats) -> npt.NDArray[np.int64]:
    return rows[np.argsort(-cosines[rows], kind="stable")]


def _shares(weights: Floats) -> Floats:
    """Return the share of the weight in the first 0, 1, 2 ... columns: one column more than there are."""
    total = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=total[:, 1:])
    return total / total[:, -1:]


def _draws(generator: np.random.Generator, replicates: int, count: int) -> Floats:
    """Draw `count` of `count` things with replacement: (replicates, count), how often each was drawn."""
    drawn = generator.integers(count, size=(replicates, count)) + count * np.arange(replicates)[:, None]
    return np.bincount(drawn.ravel(), minlength=replicates * count).reshape(replicates, count).astype(np.float64)
